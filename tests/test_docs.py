"""What is written about the program is true of it: pictures, links, commands, figures."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import typer

from client_caller import cli
from client_caller.conversation.transitions import state_diagram

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted(ROOT.glob("C*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
EVERY_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))

FENCE = re.compile(r"^\s*```.*?^\s*```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(r"\bclient-caller (\w[\w-]*)(?: (\w[\w-]*))?")


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def anchors_of(document: Path) -> set[str]:
    """The names by which the headings of a document can be linked to, as GitHub makes them."""
    headings = HEADING.findall(FENCE.sub("", text_of(document)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_picture_of_the_conversation_is_the_table() -> None:
    assert f"```mermaid\n{state_diagram()}\n```" in text_of(ROOT / "docs" / "conversation.md")


@EVERY_DOCUMENT
def test_every_link_leads_somewhere(document: Path) -> None:
    for path, anchor in LINK.findall(FENCE.sub("", text_of(document))):
        target = (document.parent / path) if path else document
        assert target.exists(), path
        if anchor:
            assert anchor in anchors_of(target), f"{path}#{anchor}"


def test_every_result_that_the_readme_quotes_is_there() -> None:
    results = set(re.findall(r"bench/results/[\w.-]+\.json", text_of(README)))
    assert results
    for result in results:
        assert json.loads(text_of(ROOT / result)), result


@EVERY_DOCUMENT
def test_every_command_that_is_written_about_exists(document: Path) -> None:
    commands = typer.main.get_command(cli.app).commands
    for name, following in COMMAND.findall(text_of(document)):
        assert name in commands, f"client-caller {name}"
        group = getattr(commands[name], "commands", None)
        assert group is None or not following or following in group, f"client-caller {name} {following}"


def test_the_readme_shows_the_commands_that_matter() -> None:
    shown = {name for name, _ in COMMAND.findall(text_of(README))}
    assert {"serve", "replay", "doctor"} <= shown


def test_no_file_speaks_of_where_it_was_written() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    places = [b"/" + b"work/", b"../" + b"shared"]
    files = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert len(files) > 100
    assert [(path.name, place) for path in files for place in places if place in path.read_bytes()] == []
