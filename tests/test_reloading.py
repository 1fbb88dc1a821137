"""Reloading: what changes in place, what waits for a restart, and that a mistake anywhere changes nothing."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent_files import SAYS_WHO
from calls import AGENT, Caller, engines
from client_caller import app
from client_caller.agent import Agent, load_agent
from client_caller.audio.frame import FRAME_S
from client_caller.engines import Engines
from client_caller.house import House
from client_caller.line.simulated import SimulatedLine
from client_caller.records.flight import ActionEntry, read_record
from client_caller.reloading import IN_PLACE, Reloader, Source
from client_caller.server import run_server
from client_caller.settings import Settings, load_settings, settings_files
from client_caller.speaking.fillers import Fillers
from client_caller.speaking.protocol import Voice
from client_caller.toolkit import Toolkit
from client_caller.variables import each
from virtual import run

SECRET = "hippopotamus"
FILE = """
name = "{name}"
company = "Brightline"
greeting = "Hello, this is {name}."
persona = "You are {name}."
{more}

[limits]
silence_s = 60
"""


CALLS_BACK = 'when_full = "call back"\n' + SAYS_WHO + '[outbound]\nreason = "You called us."\n'


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("CLIENT_CALLER_", "TWILIO_"))]:
        monkeypatch.delenv(name)
    write(AGENT.name)


def write(name: str, more: str = "", **settings: object) -> None:
    """The agent file and `.env`, anew."""
    Path("agent.toml").write_text(FILE.format(name=name, more=more))
    lines = {"AGENT": "agent.toml", "HEARING__INTERIM_S": "0", **settings}
    Path(".env").write_text("".join(f"CLIENT_CALLER_{name}={value}\n" for name, value in lines.items()))


def spoil(file: Path, text: str) -> None:
    """Put a line before what stands in `.env`, or this in the place of an agent file."""
    file.write_text(text + (file.read_text() if file.name == ".env" else ""))


Done = TypeVar("Done")


async def at_once(work: Callable[[], Done]) -> Done:
    """Without a thread, for which a clock that jumps would not wait."""
    return work()


class Begun:
    """A house and its reloader, as they are after the start."""

    def __init__(self, made: Engines | None = None) -> None:
        settings = load_settings()
        toolkit = Toolkit(settings.tool_secrets, settings.thinking)
        self.house = House(settings, load_agent(settings.agent), made or engines(), toolkit=toolkit)
        self.reloader = Reloader(self.house, toolkit, Source(load_settings, settings_files), at_once)

    async def call(self, call_id: str = "CA1", then: Callable[[SimulatedLine], None] | None = None) -> None:
        """A call, from greeting to answer; the caller hangs up unless something else is to be done then."""
        line = SimulatedLine(call_id)
        caller = Caller(line)
        running = asyncio.create_task(self.house.answer(line))
        await asyncio.sleep(FRAME_S / 2)
        await caller.hear_out()
        await caller.say()
        await caller.hear_out()
        (then or SimulatedLine.hang_up_by_caller)(line)
        await running


def said_in(call: str) -> str:
    """All that the agent says in a call, by its record."""
    (path,) = Path("runs/calls").glob(f"*-{call}/record.jsonl")
    entries = [entry.action for entry in read_record(path)[1] if isinstance(entry, ActionEntry)]
    return " ".join(getattr(action, "text", "") for action in entries)


def manner_in(call: str) -> dict[str, Any]:
    (path,) = Path("runs/calls").glob(f"*-{call}/record.jsonl")
    return read_record(path)[0].conversation


def test_what_may_change_in_place_is_settings_that_there_are() -> None:
    assert {variable.name for variable in each(Settings(_env_file=None))} >= IN_PLACE


def test_calls_that_begin_afterwards_are_held_by_what_was_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "client_caller")

    async def main() -> None:
        begun = Begun()
        await begun.call("CA1")
        write("Berta", TURN__PATIENT_S=2.0, SERVER__CALLS_AT_ONCE=3)
        assert await begun.reloader.reload()
        assert begun.house.room == 3
        assert begun.house.phrases.busy == load_agent(Path("agent.toml")).phrases.busy
        await begun.call("CA2")
        assert await begun.reloader.reload()

    run(main())
    assert "this is Anna" in said_in("CA1")
    assert "this is Berta" in said_in("CA2")
    assert (manner_in("CA1")["patient_s"], manner_in("CA2")["patient_s"]) == (3.5, 2.0)
    changes = [record.changed for record in caplog.records if record.message == "the configuration was read anew"]
    assert changes == [
        "the agent file, CLIENT_CALLER_SERVER__CALLS_AT_ONCE, CLIENT_CALLER_TURN__PATIENT_S",
        "nothing",
    ]


def test_what_needs_a_restart_is_named_without_its_value_and_does_not_change(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        begun = Begun()
        before = begun.house.settings
        write("Anna", PUBLIC_URL=f"https://{SECRET}.example", API_KEY=SECRET, TURN__QUICK_S=0.3)
        assert await begun.reloader.reload()
        after = begun.house.settings
        assert after == before.model_copy(update={"turn": before.turn.model_copy(update={"quick_s": 0.3})})

    run(main())
    (line,) = caplog.records
    assert (line.message, line.levelno) == ("these settings need a restart", logging.WARNING)
    assert line.settings == "CLIENT_CALLER_PUBLIC_URL, CLIENT_CALLER_API_KEY"  # type: ignore[attr-defined]
    assert SECRET not in repr(vars(line))


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        (".env", "CLIENT_CALLER_TURN__PATIENT_S=-1\n", ".env, line 1: setting CLIENT_CALLER_TURN__PATIENT_S"),
        (".env", "CLIENT_CALLER_TURN__QUICK_S 1\n", ".env, line 1: this is no line"),
        (".env", "CLIENT_CALLER_TURN__QUIK_S=1\n", ".env, line 1: setting CLIENT_CALLER_TURN__QUIK_S"),
        ("agent.toml", FILE.format(name="Berta", more="greting = 'Hi'"), "agent.toml, line 6: greting"),
        ("agent.toml", "name = \n", "agent.toml is not valid TOML"),
        ("agent.toml", FILE.format(name="Berta", more=CALLS_BACK), "agent.toml: the agent promises to call back"),
    ],
)
def test_a_mistake_anywhere_changes_nothing_and_is_told_with_its_place(
    file: str, text: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        begun = Begun()
        before = begun.house.settings, begun.house.agent, begun.house._toolkit
        write("Berta", TURN__QUICK_S=0.3, SERVER__DRAIN_S=5)
        spoil(Path(file), text)
        assert not await begun.reloader.reload()
        assert (begun.house.settings, begun.house.agent, begun.house._toolkit) == before
        await begun.call()

    run(main())
    (line,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (line.message, line.levelno) == ("the configuration is wrong, and nothing was changed", logging.ERROR)
    assert place in line.why  # type: ignore[attr-defined]
    assert "this is Anna" in said_in("CA1")


TOOL = """
built_in = []
[[tools]]
name = "find_order"
description = "Looks something up."
url = "https://crm.example/x"
headers = {{ Authorization = "Bearer {{secret.crm}}" }}
"""


def test_a_tool_and_its_secret_come_together_or_not_at_all(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        begun = Begun()
        write("Berta", TOOL.format())
        assert not await begun.reloader.reload()
        assert begun.house.agent.tools == ()
        write("Berta", TOOL.format(), TOOL_SECRETS__CRM=SECRET)
        assert await begun.reloader.reload()
        assert [tool.name for tool in begun.house.agent.tools] == ["find_order"]

    run(main())
    assert "CLIENT_CALLER_TOOL_SECRETS__CRM" in caplog.records[0].why  # type: ignore[attr-defined]
    assert SECRET not in caplog.text


def test_a_voice_is_made_before_anybody_is_spoken_to_with_it() -> None:
    made: list[str] = []
    usual = engines()

    async def voices(agent: Agent) -> tuple[Voice, Fillers]:
        made.append(agent.name)
        return usual.voice, usual.fillers

    async def main() -> None:
        begun = Begun(replace(usual, voices=voices))
        write("Berta")
        assert await begun.reloader.reload()
        assert made == ["Berta"]

    run(main())


def test_hints_for_a_transcriber_that_was_given_them_at_the_start_wait_for_a_restart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        write("Anna", HEARING__ENGINE="whisper")
        begun = Begun()
        write("Anna", 'hints = ["Brightline"]', HEARING__ENGINE="whisper")
        assert await begun.reloader.reload()

    run(main())
    assert [record.settings for record in caplog.records] == ["hints of the agent file"]  # type: ignore[attr-defined]


def test_a_call_whose_line_is_lost_goes_on_with_the_agent_that_it_began_with() -> None:
    spoken_as: list[str] = []
    usual = engines(texts=["What are your opening hours?"] * 4)

    async def voices(agent: Agent) -> tuple[Voice, Fillers]:
        spoken_as.append(agent.name)
        return usual.voice, usual.fillers

    async def main() -> None:
        begun = Begun(replace(usual, voices=voices))
        await begun.call("CA1", SimulatedLine.break_off)
        write("Berta", TURN__PATIENT_S=2.0)
        assert await begun.reloader.reload()
        spoken_as.clear()
        await begun.call("CA1")
        await begun.call("CA2")

    run(main())
    assert spoken_as == ["Anna", "Berta"]
    assert "Berta" not in said_in("CA1")
    assert manner_in("CA1")["patient_s"] == 3.5


def test_who_asks_while_it_is_read_has_it_read_once_more() -> None:
    async def main() -> None:
        begun = Begun()
        begun.reloader._aside = asyncio.to_thread
        reads = asyncio.Event()
        times: list[int] = []

        def read() -> Settings:
            times.append(1)
            if len(times) == 1:
                begun.reloader.ask()
            else:
                loop.call_soon_threadsafe(reads.set)
            return load_settings()

        loop = asyncio.get_running_loop()
        begun.reloader._source = Source(read, settings_files)
        running = asyncio.create_task(begun.reloader.run())
        begun.reloader.ask()
        await reads.wait()
        running.cancel()

    asyncio.run(main())


@asynccontextmanager
async def engines_then_a_reload(settings: Settings, agent: Agent) -> AsyncIterator[Engines]:
    """Engines; once there are some, the configuration is changed, the signal given, and the server stopped."""

    read_anew = asyncio.Event()

    def listen(line: logging.LogRecord) -> bool:
        if line.msg == "the configuration was read anew":
            read_anew.set()
        return False

    async def change() -> None:
        write("Berta", SERVER__PORT=0, TURN__QUICK_S=0.3)
        os.kill(os.getpid(), signal.SIGHUP)
        await read_anew.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    ear = logging.Handler()
    ear.addFilter(listen)
    logging.getLogger("client_caller").addHandler(ear)
    changing = asyncio.create_task(change())
    yield engines()
    await changing
    logging.getLogger("client_caller").removeHandler(ear)


@pytest.mark.realtime
def test_a_server_reads_its_configuration_anew_at_sighup(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "client_caller")
    monkeypatch.setattr(app, "running_engines", engines_then_a_reload)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "a token")
    write("Anna", SERVER__PORT=0)
    before = signal.getsignal(signal.SIGHUP)
    try:
        run_server(load_settings(), source=Source(load_settings, settings_files))
    finally:
        signal.signal(signal.SIGHUP, before)
    (line,) = [record for record in caplog.records if record.message == "the configuration was read anew"]
    assert line.changed == "the agent file, CLIENT_CALLER_TURN__QUICK_S"  # type: ignore[attr-defined]
    assert "these settings need a restart" not in caplog.text, "its address is as it was"
