"""What the document shows an operator works."""

import re
import tomllib
from pathlib import Path

from client_caller.tools.declared import DeclaredTool
from client_caller.tools.function_files import load_functions

DOCUMENT = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found
    return found[1]


def test_the_declared_tools_of_the_document_are_valid():
    free, book = (DeclaredTool.model_validate(one) for one in tomllib.loads(example("toml"))["tools"])
    assert (free.name, free.only_reads, free.variables, free.secrets) == ("free_times", True, {"clinic"}, {"booking"})
    assert (book.name, book.only_reads, book.variables) == ("book", False, frozenset())


def test_the_function_of_the_document_is_a_tool(tmp_path):
    file = tmp_path / "booking.py"
    file.write_text(example("python"), encoding="utf-8")
    assert [one.name for one in load_functions(file)] == ["free_times"]
