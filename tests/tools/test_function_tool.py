"""Python functions as tools."""

import asyncio
import datetime
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from client_caller import CallContext, Done, ToolFailed, tool
from client_caller.errors import ConfigError
from client_caller.tools.function_files import load_functions
from client_caller.tools.function_tool import FunctionTool
from client_caller.tools.toolbox import Toolbox

CALL = CallContext("CA1", "+15550100002", {"client_name": "Anna"})


def asked(function: FunctionTool, arguments: str = "{}") -> Done:
    box = Toolbox([function.bound(CALL)], "CA1")
    return asyncio.run(box.run(1, function.name, arguments))


@tool(reads_only=True, within_s=2.0, bridge="Let me look.")
def free_times(
    day: Annotated[datetime.date, "the day"],
    call: CallContext,
    after: datetime.time | None = None,
    kind: Literal["check-up", "cleaning"] = "check-up",
    seats: int = 1,
) -> dict[str, Any]:
    """Tells which times are free.

    Use it before you promise one.
    """
    return {"day": day, "after": after, "kind": kind, "seats": seats, "for": call.variables["client_name"]}


def test_a_function_sees_checked_arguments_its_defaults_and_the_call():
    assert asked(free_times, '{"day": "2026-11-27", "seats": "2", "after": "15:30"}') == Done(
        '{"day": "2026-11-27", "after": "15:30", "kind": "check-up", "seats": 2, "for": "Anna"}'
    )
    assert asked(free_times, '{"day": "soon"}').text.startswith("free_times was not called: day must be a date")


def test_the_model_is_told_of_the_arguments_that_are_its_to_give():
    (offer,) = Toolbox([free_times.bound(CALL)], "CA1").offers
    assert offer.description == "Tells which times are free. Use it before you promise one."
    assert offer.schema["required"] == ["day"]
    assert list(offer.schema["properties"]) == ["day", "after", "kind", "seats"]
    assert offer.schema["properties"]["day"] == {"type": "string", "format": "date", "description": "the day"}
    bound = free_times.bound(CALL)
    assert (bound.reads_only, bound.within_s, bound.bridge) == (True, 2.0, "Let me look.")


def test_a_decorated_function_can_be_called_as_it_was_written():
    assert free_times(datetime.date(2026, 1, 1), CALL)["seats"] == 1


def test_plain_functions_run_in_a_thread_and_async_ones_in_the_loop():
    @tool
    def plain() -> str:
        """x"""
        return threading.current_thread().name

    @tool
    async def waiting() -> str:
        """x"""
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert asked(plain).text.startswith("tool_")
    assert asked(waiting).text == threading.main_thread().name


def test_what_a_function_gives_is_put_into_words():
    @tool
    def nothing() -> None:
        """x"""

    @tool
    def odd() -> object:
        """x"""
        return object()

    @tool
    def order() -> Done:
        """x"""
        return Done("Bye.", then="hang up")

    assert asked(nothing).text == "nothing is done."
    assert asked(odd).text == "odd is done; what it found out cannot be put into words."
    assert asked(order) == Done("Bye.", then="hang up")


def raising(error: BaseException) -> Callable[[], None]:
    def breaks() -> None:
        """x"""
        raise error

    return breaks


@pytest.mark.parametrize("error", [ValueError("4111"), StopIteration("4111"), SystemExit(1), TimeoutError("4111")])
@pytest.mark.parametrize("reads_only", [True, False])
def test_whatever_a_function_raises_the_call_goes_on(error, reads_only, caplog):
    text = asked(tool(reads_only=reads_only)(raising(error))).text
    assert text.startswith("breaks broke off; ")
    assert ("nothing was found out" in text) == reads_only
    assert "4111" not in text + caplog.text
    assert vars(caplog.records[0])["why"] == type(error).__name__


def test_a_sentence_for_the_model_passes():
    assert asked(tool(raising(ToolFailed("Nothing is free.")))).text == "Nothing is free."


def test_an_async_function_that_breaks_or_hangs_does_no_harm():
    @tool
    async def breaks() -> None:
        """x"""
        raise KeyError("4111")

    @tool(within_s=0.1, reads_only=True)
    async def hangs() -> None:
        """x"""
        await asyncio.get_running_loop().create_future()

    assert asked(breaks).text.startswith("breaks broke off; it is not known")
    assert asked(hangs).text == "hangs took too long; nothing was found out."


def undocumented() -> None: ...


def unannotated(when) -> None:  # type: ignore[no-untyped-def]
    """x"""


def listed(when: list[str]) -> None:
    """x"""


def starred(*when: str) -> None:
    """x"""


def Shouting() -> None:
    """x"""


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (undocumented, "needs a docstring"),
        (unannotated, "when must be annotated with str, int, float"),
        (listed, "when must be annotated with"),
        (starred, "when cannot be given by name"),
        (Shouting, "41 small letters"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_named_with_file_and_line(function, complaint):
    with pytest.raises(ConfigError, match=rf"test_function_tool.py, line \d+: .*{complaint}"):
        tool(function)


def test_a_tool_has_as_long_as_a_caller_waits_and_no_longer():
    with pytest.raises(ConfigError, match=r"between 0.1 and 20 seconds \(it is 60\)"):
        tool(within_s=60)(raising(ValueError()))


def written(folder: Path, text: str) -> Path:
    path = folder / "booking.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_gives_its_tools_in_their_order(tmp_path):
    text = "from client_caller import tool\n@tool\ndef b(x: str):\n    'x'\n    return x\n@tool\ndef a():\n    'x'\n"
    assert [one.name for one in load_functions(written(tmp_path, text))] == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import no_such_package\n", r"booking.py, line 1: ModuleNotFoundError: No module named 'no_such_package'"),
        ("x = 1\ndef f(:\n", r"booking.py, line 2: SyntaxError"),
        ("x = 1\n1 / 0\n", r"booking.py, line 2: ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", r"booking.py, line 2: SystemExit"),
        ("from client_caller import tool\n@tool\ndef f(): pass\n", r"booking.py, line \d: f: needs a docstring"),
        ("x = 1\n", r"no function in it is decorated with @tool"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_line(tmp_path, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        load_functions(written(tmp_path, text))


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigError, match="is no file"):
        load_functions(tmp_path / "gone.py")
    (tmp_path / "tools.txt").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"must end in \.py"):
        load_functions(tmp_path / "tools.txt")
