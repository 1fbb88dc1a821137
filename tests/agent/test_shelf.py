"""The shelf: agents by name, as their files are now."""

import os
from pathlib import Path

import pytest

from agent_files import SMALLEST
from client_caller.agent.shelf import AgentShelf
from client_caller.errors import ConfigError


def put(path: Path, text: str, at: int) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (at, at))


def test_agents_are_the_toml_files_of_the_folder_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.toml", "a.toml", "a.md", "c.toml.old"):
        put(tmp_path / name, SMALLEST, 1)
    (tmp_path / "facts").mkdir()
    put(tmp_path / "facts" / "d.toml", SMALLEST, 1)
    shelf = AgentShelf(tmp_path)
    assert shelf.names() == ["a", "b"]
    with pytest.raises(ConfigError, match=r"there is no agent 'facts/d'.*there is: a, b"):
        shelf.named("facts/d")


def test_an_agent_is_read_again_when_its_file_or_its_facts_have_changed(tmp_path: Path) -> None:
    shelf = AgentShelf(tmp_path)
    put(tmp_path / "a.toml", SMALLEST + 'fact_files = ["a.md"]\n', 1)
    put(tmp_path / "a.md", "old", 1)
    first = shelf.named("a")
    assert shelf.named("a") is first
    put(tmp_path / "a.md", "new", 2)
    assert shelf.named("a").documents == ("new",)
    put(tmp_path / "a.toml", SMALLEST, 2)
    assert shelf.named("a").documents == ()


def test_facts_that_are_gone_are_told_at_the_next_order(tmp_path: Path) -> None:
    shelf = AgentShelf(tmp_path)
    put(tmp_path / "a.toml", SMALLEST + 'fact_files = ["a.md"]\n', 1)
    put(tmp_path / "a.md", "old", 1)
    assert shelf.named("a").documents == ("old",)
    (tmp_path / "a.md").unlink()
    with pytest.raises(ConfigError, match=r"line 5: fact_files\[1\] is not there"):
        shelf.named("a")
