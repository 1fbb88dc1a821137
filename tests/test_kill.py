"""The serving process is killed in the middle of a call: the call goes on, in the next one."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from calls import AGENT, GREETING, WORD_S, heart_of
from client_caller.audio.frame import FRAME_S, LINE_HZ
from client_caller.audio.mulaw import SILENCE
from client_caller.conversation.actions import Say
from client_caller.conversation.events import CallAnswered, HungUp, LineLost, LineResumed
from client_caller.errors import ConfigError
from client_caller.records.flight import ActionEntry, EventEntry, read_record
from client_caller.records.replay import replay
from client_caller.rehearsal.carrier import place_call
from client_caller.rehearsal.stage import ACCOUNT_SID, serving_process
from client_caller.settings import environment_with

pytestmark = pytest.mark.realtime

TOKEN = "a token"
LIGHT_SERVER = Path(__file__).with_name("light_server.py")
QUIET = bytes([SILENCE]) * 160


class Server:
    """A supervised server with fakes for engines, reached over sockets only."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.up_at: list[float] = []  # loop times at which a serving process said that it answers

    async def wait_until_up(self) -> None:
        assert self.process.stdout is not None
        line = (await self.process.stdout.readline()).decode()
        assert " answers calls at " in line
        self.url = line.split(" answers calls at ")[1].strip()
        self.up_at.append(asyncio.get_running_loop().time())


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    changes = {
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "CLIENT_CALLER_RECORDS__FOLDER": str(folder),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(LIGHT_SERVER)),
        env=environment_with(changes),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        server = Server(process)
        await server.wait_until_up()
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class PatientCaller:
    """Says nothing. Hangs up when, after the kill, the agent has been heard for a while again."""

    def __init__(self) -> None:
        self.heard_s = 0.0
        self.has_heard_words = asyncio.Event()
        self.was_killed = False
        self.frames_left = 40

    def next_frame(self, heard: bytes) -> bytes | None:
        audible = heard != QUIET
        self.heard_s += audible * FRAME_S
        if self.heard_s >= 2 * WORD_S:
            self.has_heard_words.set()
        if self.was_killed and audible:
            self.frames_left -= 1
        return QUIET if self.frames_left else None


async def is_answering(url: str) -> bool:
    try:
        await serving_process(url)
    except ConfigError:
        return False
    return True


async def call_during_a_kill(folder: Path) -> tuple[Path, bytes, float]:
    """The call's record, what it held at the kill, and how long after the next process was up the agent was heard."""
    loop = asyncio.get_running_loop()
    async with serving(folder) as server:
        caller = PatientCaller()
        calling = asyncio.create_task(place_call(f"{server.url}/twilio/voice", ACCOUNT_SID, TOKEN, caller.next_frame))
        await caller.has_heard_words.wait()
        killed = await serving_process(server.url)
        os.kill(killed, signal.SIGKILL)
        killed_at = loop.time()
        path, before = kept(folder)
        await asyncio.sleep(0.1)  # what was on its way to the caller's ear
        caller.was_killed = True
        await server.wait_until_up()
        call = await calling
        assert await serving_process(server.url) != killed
        assert call.streams == 2
        assert call.hung_up_by_caller
        assert call.began_at is not None
        audible_at = call.began_at + np.flatnonzero(np.frombuffer(call.played, np.uint8) != SILENCE) / LINE_HZ
        heard_after_s = float(audible_at[audible_at > killed_at + 0.1][0]) - server.up_at[1]

        server.process.kill()  # the supervisor: nobody is left to start another process
        async with asyncio.timeout(5):
            await server.process.wait()
            await gone(server.url)
        return path, before, heard_after_s


async def gone(url: str) -> None:
    """Wait until nobody answers there any more."""
    if await is_answering(url):
        await asyncio.sleep(0.05)
        await gone(url)


def kept(folder: Path) -> tuple[Path, bytes]:
    (path,) = folder.glob("*/record.jsonl")
    return path, path.read_bytes()


def test_a_call_survives_the_kill_of_its_process(tmp_path: Path) -> None:
    path, before, heard_after_s = asyncio.run(call_during_a_kill(tmp_path))
    assert heard_after_s < 3.0
    now = kept(tmp_path)
    assert now[0] == path
    assert now[1].startswith(before[: before.rfind(b"\n") + 1])
    assert replay(path, heart_of).difference is None
    entries = read_record(path)[1]
    kinds = (CallAnswered, LineLost, LineResumed, HungUp)
    events = [e.event for e in entries if isinstance(e, EventEntry) and isinstance(e.event, kinds)]
    assert [type(event) for event in events] == list(kinds)
    said = [e.action.text for e in entries if isinstance(e, ActionEntry) and isinstance(e.action, Say)]
    assert said[:2] == [GREETING, AGENT.phrases.dropped]
