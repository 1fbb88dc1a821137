"""The fault matrix: what the caller hears of each fault, after how long, and what is lost, as a table for people.

`python tests/reliability/matrix.py` plays every fault on virtual time and writes the tables of docs/reliability.md
anew; a test compares them.
"""

import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))  # where pytest finds the helpers by its settings
sys.path.insert(0, str(Path(__file__).parents[1]))

from fault_calls import FAULTS, Outcome, played
from line_calls import LINE_FAULTS, LineOutcome, lost_and_found
from tool_calls import TOOL_FAULTS, tool_played

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
_BEGIN, _END = "<!-- {} -->\n\n", "\n<!-- end -->"


_HEAD = "| fault | the caller hears | first sound | answer | longest silence | lost |\n|---|---|---|---|---|---|"


def engine_table() -> str:
    """The table of engines."""
    return "\n".join([_HEAD, *(_row(name, played(name)[1]) for name in FAULTS)]) + "\n"


def tool_table() -> str:
    """The table of tools."""
    return "\n".join([_HEAD, *(_row(name, tool_played(name)[1]) for name in TOOL_FAULTS)]) + "\n"


def line_table() -> str:
    """The table of the line and the process."""
    rows = ["| fault | the caller hears on the fresh stream | after | lost |", "|---|---|---|---|"]
    return "\n".join([*rows, *(_line_row(name, lost_and_found(name)) for name in LINE_FAULTS)]) + "\n"


TABLES = {"engines": engine_table, "tools": tool_table, "line": line_table}
"""By the name under which they stand in the document."""


def tables_in(document: str) -> dict[str, str]:
    """The tables that stand in the document, by their names."""
    return {name: document.split(_BEGIN.format(name))[1].split(_END)[0] for name in TABLES}


def _row(name: str, outcome: Outcome) -> str:
    times = (outcome.first_s, outcome.answer_s, outcome.silence_s)
    return f"| {name} | {outcome.heard} | {' | '.join(map(_seconds, times))} | {outcome.lost} |"


def _line_row(name: str, outcome: LineOutcome) -> str:
    return f"| {name} | {outcome.heard} | {_seconds(outcome.first_s)} | {outcome.lost} |"


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.2f} s"


def main() -> None:
    logging.disable(logging.CRITICAL)
    document = DOCUMENT.read_text(encoding="utf-8")
    for name, made in TABLES.items():
        table = made()
        before, rest = document.split(_BEGIN.format(name))
        document = before + _BEGIN.format(name) + table + _END + rest.split(_END, 1)[1]
        print(table)
    DOCUMENT.write_text(document, encoding="utf-8")


if __name__ == "__main__":
    main()
