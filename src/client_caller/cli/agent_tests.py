"""`client-caller agents test`: hold the calls of test files, and show what did not come out as expected."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from client_caller.agent_tests import AgentTest, Examination
    from client_caller.examining import CallHeld, TurnHeld
    from client_caller.settings import Settings


def examine(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of agent tests, in TOML.")],
    everything: Annotated[
        bool, typer.Option("--all", help="With the embedded model: also what is meant for a large one.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the calls that went well, too.")] = False,
    server: Annotated[
        str,
        typer.Option(metavar="URL", help="An OpenAI-compatible server; default: that of the settings, or embedded."),
    ] = "",
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name on that server.")] = "",
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the outcome as JUnit XML, too.")] = None,
) -> None:
    """Try agents: say this, expect that word, this tool, never that. Exit code 1 when a test fails."""
    import asyncio

    from client_caller.agent_tests import load_agent_tests
    from client_caller.chatting import keep_quiet, trying
    from client_caller.settings import load_settings

    settings = trying(load_settings(), server, model)
    examinations = [load_agent_tests(file) for file in files]
    keep_quiet()
    results = [_Result(one, *_parted(one, everything or bool(settings.thinking.base_url))) for one in examinations]
    asyncio.run(_hold_all(results, settings, Console(highlight=False), show=show))
    if junit:
        _write_junit(results, junit)
    if any(not call.has_passed for result in results for call in result.calls):
        raise typer.Exit(1)


@dataclass(slots=True)
class _Result:
    """What came of a file."""

    examination: "Examination"
    chosen: "Sequence[AgentTest]"
    left_out: "Sequence[AgentTest]"
    calls: "list[CallHeld]" = field(default_factory=list)


def _parted(examination: "Examination", everything: bool) -> "tuple[list[AgentTest], list[AgentTest]]":
    """The tests that are held, and those that are not."""
    tests = examination.tests.tests
    chosen = [test for test in tests if everything or test.embedded]
    return chosen, [test for test in tests if test not in chosen]


async def _hold_all(results: list[_Result], settings: "Settings", console: Console, *, show: bool) -> None:
    from client_caller.chatting import thinking_alone
    from client_caller.examining import hold_test

    async with thinking_alone(settings, results[0].examination.agent) as model:
        for result in results:
            console.print(Text(str(result.examination.file), style="bold"), soft_wrap=True)
            for test in result.chosen:
                call = await hold_test(test, result.examination, model, settings)
                result.calls.append(call)
                mark, style = ("passed", "green") if call.has_passed else ("FAILED", "red")
                console.print(Text.assemble("  ", (mark, style), f"  {call.name}"), soft_wrap=True)
                if show or not call.has_passed:
                    console.print(_table(call, result.examination.agent.name))
    _tell_sum(results, console)


def _tell_sum(results: list[_Result], console: Console) -> None:
    calls = [call for result in results for call in result.calls]
    failed = sum(not call.has_passed for call in calls)
    console.print(f"{len(calls) - failed} passed, {failed} failed.", style="red" if failed else "green")
    if left_out := sum(len(result.left_out) for result in results):
        why = "They are meant for a large model: name one with --server, or try the embedded one with --all."
        console.print(f"{left_out} left out. {why}", soft_wrap=True)


def _table(call: "CallHeld", agent: str) -> Table:
    """The call, turn by turn, with what was expected and did not come."""
    table = Table("caller", agent, "not as expected", box=box.SIMPLE_HEAD, show_lines=True)
    for turn in call.turns:
        table.add_row(Text(turn.caller), Text("\n").join(_shown(turn)), Text("\n".join(turn.wrong), style="red"))
    return table


def _shown(turn: "TurnHeld") -> Iterator[Text]:
    """What happened in a turn; words that follow each other in one line."""
    words: list[str] = []
    for one in turn.happened:
        if one.kind == "said":
            words.append(one.text)
            continue
        if words:
            yield Text(" ".join(words))
            words = []
        told = f"{one.name}({one.arguments})" if one.kind == "tool" else f"{one.name} {one.text}".strip()
        yield Text(f"[{one.kind}: {told}]", style="dim")
    if words:
        yield Text(" ".join(words))


def _write_junit(results: list[_Result], path: Path) -> None:
    """Raises ConfigError when the file cannot be written."""
    from xml.etree.ElementTree import Element, ElementTree

    from client_caller.errors import ConfigError

    suites = Element("testsuites")
    suites.extend(_suite(result) for result in results)
    try:
        ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as refusal:
        raise ConfigError(f"{path} cannot be written ({refusal.strerror}): choose another --junit") from refusal


def _suite(result: _Result) -> "Element":
    from xml.etree.ElementTree import Element, SubElement

    file = str(result.examination.file)
    failed = sum(not call.has_passed for call in result.calls)
    counts = {"tests": len(result.calls) + len(result.left_out), "failures": failed, "skipped": len(result.left_out)}
    suite = Element("testsuite", {"name": file, **{name: str(count) for name, count in counts.items()}})
    for call in result.calls:
        case = SubElement(suite, "testcase", classname=file, name=call.name)
        for turn in call.turns:
            for wrong in turn.wrong:
                SubElement(case, "failure", message=wrong).text = f"{turn.caller or 'the opening'}: {turn.said}"
    for test in result.left_out:
        case = SubElement(suite, "testcase", classname=file, name=test.name)
        SubElement(case, "skipped", message="meant for a large model")
    return suite
