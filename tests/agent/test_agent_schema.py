"""The schema of agent files, and the page that explains them: both name what the model has."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_files import AGENTS
from client_caller.agent import load_agent
from client_caller.agent.schema import schema, schema_text

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "agents.md").read_text(encoding="utf-8")


def test_the_schema_that_is_published_is_that_of_the_model() -> None:
    published = (DOCS / "agent-file.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "write it anew: client-caller agents schema > docs/agent-file.schema.json"


def properties(node: dict[str, Any]) -> dict[str, Any]:
    return dict(node.get("properties", {}))


SCHEMA = schema()
TABLES = {"Agent": properties(SCHEMA), **{name: properties(it) for name, it in SCHEMA["$defs"].items()}}
"""Every table that an agent file may have, with its fields."""

FIELDS = [(table, field) for table, fields in TABLES.items() for field in fields]


def test_what_is_read_with_the_file_is_no_field_of_it() -> None:
    assert ("Agent", "greeting") in FIELDS
    assert ("Agent", "documents") not in FIELDS


@pytest.mark.parametrize(("table", "field"), [pair for pair in FIELDS if not pair[0].startswith(("Tool", "Declared"))])
def test_every_field_says_what_it_is(table: str, field: str) -> None:
    about = TABLES[table][field]
    described = about if "description" in about else SCHEMA["$defs"][about["$ref"].split("/")[-1]]
    assert described["description"].endswith("."), about


def test_the_schema_knows_every_field_of_the_shipped_agents() -> None:
    definitions = SCHEMA["$defs"]

    def unknown(value: Any, node: dict[str, Any], place: str) -> Iterator[str]:
        for option in node.get("anyOf", [node]):
            node = option if option.get("type") != "null" else node
        node = definitions[node["$ref"].split("/")[-1]] if "$ref" in node else node
        if isinstance(value, list):
            for one in value:
                yield from unknown(one, node["items"], f"{place}[]")
        elif isinstance(value, dict):
            free = node.get("additionalProperties") or next(iter(node.get("patternProperties", {}).values()), None)
            for name, one in value.items():
                if name in properties(node):
                    yield from unknown(one, properties(node)[name], f"{place}.{name}")
                elif isinstance(free, dict):
                    yield from unknown(one, free, f"{place}.{name}")
                else:
                    yield f"{place}.{name}"

    for path in AGENTS.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        assert list(unknown(tomllib.loads(text), SCHEMA, path.stem)) == []
        assert list(unknown(tomllib.loads(text + "[colours]\n"), SCHEMA, path.stem)) == [f"{path.stem}.colours"]


@pytest.mark.parametrize(("table", "field"), FIELDS)
def test_the_page_names_every_field(table: str, field: str) -> None:
    assert f"`{field}`" in PAGE


def test_the_page_names_no_field_that_there_is_not() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    named = {field for row in rows for field in re.findall(r"`(\w+)`", row)}
    assert named - {field for _, field in FIELDS} == set()


def test_the_examples_of_the_page_are_in_order(tmp_path: Path) -> None:
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "prices.md").write_text("Oars cost ten euros.")
    (tmp_path / "boats.py").write_text("")
    parts = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(parts) > 5
    (tmp_path / "page.toml").write_text("".join(parts), encoding="utf-8")
    assert load_agent(tmp_path / "page.toml").documents == ("Oars cost ten euros.",)
