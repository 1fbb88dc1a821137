"""The log: how lines are written, whose they are, and that no word of a call is in any."""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calls import AGENT, Caller, engines
from client_caller.audio.frame import FRAME_S
from client_caller.engines import Engines
from client_caller.errors import ConfigError, EngineCrashed
from client_caller.house import House
from client_caller.line.protocol import Parties
from client_caller.line.simulated import SimulatedLine
from client_caller.logs import about_call, change_logging, set_up_logging
from client_caller.settings import HearingSettings, LogSettings, RecordSettings, Settings
from client_caller.sturdy import SturdyModel, SturdyTranscriber
from client_caller.thinking.scripted import ScriptedModel
from virtual import run

log = logging.getLogger("client_caller.somewhere")
_TIMES = re.compile(r"\d\d:\d\d:\d\d[.,]\d{3}")
"""Of the lines: their milliseconds may be any three digits."""

SECRET, NUMBER = "hippopotamus", "+15550100007"


Said = Callable[[], str]
"""What was said on standard error since this was last asked."""


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Said]:
    """The log is as it was before, afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("client_caller")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers[:] = []  # what stands there is closed otherwise
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def lines_of(text: str) -> list[dict[str, Any]]:
    """All lines, of which each is a JSON object."""
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_for_people_has_its_facts_behind_the_message(said: Said) -> None:
    set_up_logging()
    log.info("a call began", extra={"call": "CA1", "at_s": 2.5})
    log.debug("nobody wants to know")
    logging.getLogger("httpx2").info("an address with a token")
    logging.getLogger("httpx2").warning("an address is odd")
    began, odd = said().splitlines()
    assert began.endswith("INFO    client_caller.somewhere: a call began  call='CA1' at_s=2.5")
    assert odd.endswith("WARNING httpx2: an address is odd")


def test_a_line_for_programs_is_one_json_object(said: Said) -> None:
    set_up_logging(LogSettings(form="json"))
    log.warning(
        "the %s is slow", "line", extra={"call": "CA1", "why": 'it said "no"\nor so', "level": 3, "at": Path("x")}
    )
    (line,) = lines_of(said())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        **{"level": "warning", "logger": "client_caller.somewhere", "message": "the line is slow"},
        **{"call": "CA1", "why": 'it said "no"\nor so', "at": "x"},
    }


def test_form_and_level_change_while_it_runs_and_who_counts_lines_hears_them_all(said: Said) -> None:
    set_up_logging()
    heard: list[str] = []
    ear = logging.Handler()
    ear.addFilter(lambda record: bool(heard.append(record.msg)))
    logging.getLogger("client_caller").addHandler(ear)
    try:
        change_logging(LogSettings(form="json", level="error"))
        log.warning("one")
        log.error("two")
    finally:
        logging.getLogger("client_caller").removeHandler(ear)
    assert [line["message"] for line in lines_of(said())] == ["two"]
    assert heard == ["one", "two"]


def test_what_nobody_has_set_up_is_left_as_it_is(said: Said) -> None:
    before = [(handler, handler.level) for handler in logging.getLogger().handlers]
    change_logging(LogSettings(form="json", level="error"))
    assert [(handler, handler.level) for handler in logging.getLogger().handlers] == before


def test_whatever_is_logged_about_a_call_says_which(said: Said) -> None:
    set_up_logging(LogSettings(form="json"))

    async def main() -> None:
        async def other() -> None:
            logging.getLogger("httpx2").warning("a library warns")

        with about_call("CA1"):
            log.info("one")
            log.info("another's", extra={"call": "CA2"})
            await asyncio.create_task(other())
        log.info("none")

    run(main())
    assert [line.get("call") for line in lines_of(said())] == ["CA1", "CA2", "CA1", None]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_tells_places_and_kinds_and_what_we_say_ourselves(said: Said, form: Any) -> None:
    set_up_logging(LogSettings(form=form))
    try:
        try:
            int(SECRET)
        except ValueError as wrong:
            raise ExceptionGroup(SECRET, [KeyError(SECRET), ConfigError("the setting is wrong")]) from wrong
    except ExceptionGroup:
        log.exception("a call failed")
    told = said() if form == "text" else lines_of(said())[0]["traceback"]
    for part in ("test_logs.py", "in test_a_traceback", "ValueError", "KeyError", "ConfigError: the setting is wrong"):
        assert part in told
    assert SECRET not in told


class Breaking:
    """An engine that cannot do it, and one that has a bug."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def transcribe(self, samples: object) -> str:
        raise self._failure


def whole_call(folder: Path, made: Engines) -> None:
    """A caller asks, is answered, breaks in, and hangs up; the house is not to fail whatever happens."""

    async def main() -> None:
        settings = Settings(_env_file=None, hearing=HearingSettings(interim_s=0), records=RecordSettings(folder=folder))
        house = House(settings, AGENT, made)
        for is_lost in (True, False):
            line = SimulatedLine("CA1", parties=Parties(NUMBER, "+15550100002"))
            caller = Caller(line)
            running = asyncio.create_task(house.answer(line))
            await asyncio.sleep(FRAME_S / 2)
            for _ in range(2):
                await caller.wait(2.0)
                await caller.say()
            await caller.wait(3.0)
            (line.break_off if is_lost else line.hang_up_by_caller)()
            await running

    run(main())


def secretive() -> Iterator[tuple[str, Engines]]:
    """Engines that hear and say the secret, and fail in every way."""
    texts, reply = [f"My {SECRET} is {NUMBER}."] * 9, f"Your {SECRET} is at {NUMBER}, is it not?"
    yield "nothing fails", engines(texts, reply)
    failing = [Breaking(EngineCrashed("transcriber", "it is gone"))]
    yield "no words come", engines(texts, reply, transcriber=SturdyTranscriber(failing, 2.0))

    def refuses(messages: object) -> str:
        raise EngineCrashed("language model", "status 500")

    silent = SturdyModel([ScriptedModel(refuses, 0.1, 0.02)], 2.0, 1.5, 60.0)
    yield "no reply comes", engines(texts, reply, language_model=silent)
    yield "a bug", engines(texts, reply, transcriber=Breaking(ValueError(f"could not convert {SECRET} {NUMBER}")))


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("case", range(4))
def test_no_word_and_no_number_of_a_call_is_in_the_log_and_every_line_names_the_call(
    tmp_path: Path, said: Said, form: Any, case: int
) -> None:
    name, made = list(secretive())[case]
    set_up_logging(LogSettings(form=form, level="debug"))
    whole_call(tmp_path, made)
    text = said()
    assert "a call began" in text
    assert ("a call failed" in text) == (name == "a bug")
    assert ("an engine failed" in text) == (name.startswith("no "))
    for secret in (SECRET, NUMBER, "555", AGENT.greeting):
        assert secret not in _TIMES.sub("", text)
    kept = "".join(path.read_text() for path in tmp_path.glob("*/record.jsonl"))
    assert SECRET in kept or name in ("no words come", "a bug"), "it was said, and is where it belongs"
    if form == "json":
        assert {line.get("call") for line in lines_of(text)} == {"CA1"}
