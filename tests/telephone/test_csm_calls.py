"""Whole calls with the voice csm, in real time: a carrier, a house, and the engine's process, over real sockets."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from itertools import groupby
from pathlib import Path
from threading import Event
from typing import Any

import httpx2
import numpy as np
import pytest

from calls import AGENT
from client_caller.agent import AgentVoice
from client_caller.app import _voice_engines
from client_caller.audio.frame import LINE_HZ
from client_caller.audio.mulaw import SILENCE, decode
from client_caller.cli.checks import check_voice
from client_caller.conversation.actions import Remember
from client_caller.house import House
from client_caller.records.flight import ActionEntry, read_record
from client_caller.rehearsal.carrier import CarriedCall, place_call
from client_caller.settings import HearingSettings, RecordSettings, Settings, SpeakingSettings, load_settings
from client_caller.speaking.csm.turns import OwnTurn
from client_caller.speaking.csm.wire import Cancel, Heard, Open, Request, Speak
from client_caller.speaking.pronounce import Pronouncer
from client_caller.speaking.pronounced import PronouncedVoice
from client_caller.speaking.protocol import Voice
from client_caller.sturdy import SturdyVoice
from client_caller.thinking.protocol import Message
from client_caller.twin.people import QUIET, NextFrame
from csm_process import Wiretap, figure, process_at, running_csm, wiretapped
from rehearsal.trial_server import ACCOUNT, TOKEN, serving
from telephone.world import Step, engines, hear, hear_out, person, say, speech, wait

pytestmark = pytest.mark.realtime

GREETING = "Hello."
LONG = "I know of many things and nobody ever wants to hear about all of them."
ANSWERS = {"hello": "Good day.", "go on": LONG, "wait": "Yes?"}
ANNA = AGENT.model_copy(update={"greeting": GREETING, "voice": AgentVoice(prompt="noise")})
GONE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an engine that is started again whenever it dies."""
    with running_csm(tmp_path_factory.mktemp("engine")) as (url, _):
        yield url


@pytest.fixture(autouse=True)
def csm_is_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIENT_CALLER_SPEAKING__ENGINE", "csm")


def answer(messages: Sequence[Message]) -> str:
    return ANSWERS.get(messages[-1].content.rpartition("\n")[2].strip(" .?").lower(), "Excuse me?")


def speaking(url: str) -> SpeakingSettings:
    return load_settings().speaking.model_copy(update={"csm_url": url})


async def calls_to(folder: Path, url: str, *callers: NextFrame) -> list[CarriedCall]:
    """Calls at once to a house whose voice the settings have chosen, with the engine at `url`."""
    async with AsyncExitStack() as stack:
        voice = voice_of(speaking(url), stack)
        house = House(settings(folder), ANNA, engines(answer, voice=voice))
        address = await stack.enter_async_context(serving(house))
        async with asyncio.TaskGroup() as calls:
            held = [calls.create_task(place_call(address, ACCOUNT, TOKEN, caller)) for caller in callers]
    return [call.result() for call in held]


def voice_of(speaking: SpeakingSettings, stack: AsyncExitStack) -> Voice:
    """As an agent gets it, but for the bank of phrases."""
    chain = _voice_engines(speaking, ANNA.voice, stack)
    sturdy = SturdyVoice(chain, speaking.first_sound_s, speaking.next_sound_s)
    return PronouncedVoice(sturdy, Pronouncer(ANNA.language, ANNA.pronounce))


def settings(folder: Path) -> Settings:
    hearing, records = HearingSettings(interim_s=0), RecordSettings(folder=folder / "calls", audio=False)
    return Settings(_env_file=None, hearing=hearing, records=records)


def caller(*steps: Step) -> NextFrame:
    found = person(hear_out(), *steps).next_frame
    assert found is not None
    return found


def do(what: Callable[[], Any]) -> Step:
    """Have something happen."""

    def doing() -> Generator[bytes, bytes, None]:
        what()
        yield QUIET

    return doing


def until(condition: Callable[[], bool]) -> Step:
    """Say nothing until it is so; looked at twice a second."""

    def waiting() -> Generator[bytes, bytes, None]:
        while not condition():
            yield from wait(0.5)()

    return waiting


def is_up(url: str) -> bool:
    address = httpx2.URL(url)
    with suppress(ConnectionRefusedError), socket.create_connection((address.host, address.port or 0)):
        return True
    return False


def said(folder: Path, call: CarriedCall, speaker: str = "agent") -> list[str]:
    """What became history of one side."""
    (path,) = folder.glob(f"calls/*-{call.call_sid}/record.jsonl")
    found = [entry.action for entry in read_record(path)[1] if isinstance(entry, ActionEntry)]
    return [each.turn.text for each in found if isinstance(each, Remember) and each.turn.speaker == speaker]


def stretches(call: CarriedCall) -> list[np.ndarray]:
    """What the caller heard between two silences of 0.3 s or more, at 8 kHz."""
    heard = decode(bytes(call.played))
    blocks = np.abs(heard[: len(heard) // 80 * 80].reshape(-1, 80)).max(axis=1) > 0.003
    found: list[np.ndarray] = []
    at = quiet_from = 0
    for is_loud, group in groupby(blocks):
        count = len(list(group))
        if is_loud:
            piece = heard[80 * at : 80 * (at + count)]
            joined = found and at - quiet_from < 30
            found[-1:] = [np.concatenate((found[-1], piece))] if joined else [*found[-1:], piece]
            quiet_from = at + count
        at += count
    return found


def is_noise(sound: np.ndarray) -> bool:
    """Whether it is what random weights say, and not eSpeak: its spectrum is flat."""
    size = 1_024
    windows = sound[: len(sound) // size * size].reshape(-1, size) * np.hanning(size)
    power = np.abs(np.fft.rfft(windows)) ** 2 + 1e-9
    flatness = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    return bool(np.median(flatness) > 0.1)  # that of noise is 0.33, of eSpeak 0.02


def words_of(heard: Sequence[Request], *kinds: type) -> list[Any]:
    return [request for request in heard if isinstance(request, kinds)]


def test_the_engine_hears_the_call_that_it_speaks_in_and_of_its_own_only_what_the_caller_heard(
    engine: str, tmp_path: Path
) -> None:
    async def main() -> tuple[CarriedCall, Wiretap]:
        async with wiretapped(engine) as tap:
            steps = say("hello"), hear_out(), say("go on"), hear(0.8), say("wait"), hear_out()
            (call,) = await calls_to(tmp_path, tap.url, caller(*steps))
            return call, tap

    call, tap = asyncio.run(main())
    assert said(tmp_path, call, "caller") == ["hello", "go on", "wait"]
    greeted, hello, cut_off, yes = said(tmp_path, call)
    assert (greeted, hello, yes) == (GREETING, "Good day.", "Yes?")
    assert LONG.startswith(f"{cut_off} ")
    assert len(stretches(call)) == 4
    assert all(is_noise(sound) for sound in stretches(call))

    assert len(tap.sent) == 1, "one connection a call"
    requests = tap.requests(0)
    assert requests[0] == Open("noise")
    heard = words_of(requests, Heard)
    assert [turn.text for turn in heard] == ["hello", "go on", "wait"]
    last = {speak.text: speak for speak in words_of(requests, Speak)}  # of drafts, the one that was heard
    begun = next(text for text in last if LONG.startswith(text))
    first, second, third, fourth = (last[text] for text in (GREETING, "Good day.", begun, "Yes?"))
    assert first.turns == ()
    assert second.turns == (OwnTurn(first.id), heard[0].id)
    assert third.turns == (*second.turns[:1], heard[0].id, OwnTurn(second.id), heard[1].id)
    *before, broken, wait = fourth.turns
    assert (tuple(before), wait) == (third.turns, heard[2].id)
    assert isinstance(broken, OwnTurn)
    assert (broken.id, broken.text) == (third.id, cut_off)
    assert broken.seconds is not None
    assert 0.5 < broken.seconds < len(stretches(call)[2]) / LINE_HZ + 0.5
    (cancelled,) = words_of(requests, Cancel)
    assert cancelled.id.split(".")[0] == third.id.split(".")[0], "what nobody hears is not made"
    silent_from = bytes(call.sent).rindex(speech("wait")) + len(speech("wait")) // 2
    assert set(call.played[silent_from : silent_from + LINE_HZ // 10]) == {SILENCE}, "while the caller speaks"


def test_without_an_engine_the_call_is_held_with_espeak_and_the_doctor_says_so(tmp_path: Path) -> None:
    check = check_voice(speaking(GONE))
    assert check.verdict == "FAIL"
    assert check.remedy == "start it with `client-caller engine csm`, or correct CLIENT_CALLER_SPEAKING__CSM_URL"
    (call,) = asyncio.run(calls_to(tmp_path, GONE, caller(say("hello"), hear_out())))
    assert said(tmp_path, call) == [GREETING, "Good day."]
    assert not any(is_noise(sound) for sound in stretches(call))


@pytest.mark.long
def test_when_the_engine_is_killed_in_mid_piece_espeak_goes_on_until_it_is_back(
    engine: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed = process_at(engine)
    steps = [say("go on"), hear(1.0), do(lambda: os.kill(killed, signal.SIGKILL)), hear_out()]
    steps += [until(lambda: is_up(engine)), say("hello"), hear_out()]
    (call,) = asyncio.run(calls_to(tmp_path, engine, caller(*steps)))
    assert said(tmp_path, call) == [GREETING, LONG, "Good day."], "to the last word"
    _, interrupted, again = stretches(call)  # none is cut in two
    second = LINE_HZ
    assert is_noise(interrupted[:second])
    assert not is_noise(interrupted[2 * second :])
    assert is_noise(again)
    assert process_at(engine) != killed
    assert figure(engine, "csm_utterances") == 1
    assert caplog.messages.count("another engine does the work now") == 2


@pytest.mark.long
def test_when_the_engine_hangs_in_mid_piece_espeak_goes_on(engine: str, tmp_path: Path) -> None:
    hanging = process_at(engine)
    steps = [say("go on"), hear(1.0), do(lambda: os.kill(hanging, signal.SIGSTOP)), hear_out(2.0)]
    steps += [say("hello"), hear_out(), do(lambda: os.kill(hanging, signal.SIGCONT))]
    steps += [wait(10.0), say("hello"), hear_out()]  # it is left in peace for so long
    try:
        (call,) = asyncio.run(calls_to(tmp_path, engine, caller(*steps)))
    finally:
        os.kill(hanging, signal.SIGCONT)
    greeting, long, *others = said(tmp_path, call)
    assert [greeting, *others] == [GREETING, "Good day.", "Good day."]
    for filler in ANNA.phrases.fillers:  # said while nothing comes
        long = long.replace(f"{filler} ", "")
    assert long == LONG, "to the last word"
    _, interrupted, *_, meanwhile, again = stretches(call)
    assert [is_noise(sound) for sound in (interrupted[:LINE_HZ], meanwhile, again)] == [True, False, True]


@pytest.mark.long
def test_the_call_that_an_engine_has_no_room_for_is_voiced_by_espeak_meanwhile(tmp_path: Path) -> None:
    speaks, is_over = Event(), Event()
    with running_csm(tmp_path, "--slots", "1") as (url, _):
        one = caller(say("go on"), hear(0.5), do(speaks.set), hear_out(), do(is_over.set))
        steps = until(speaks.is_set), say("hello"), hear_out(), until(is_over.is_set), say("hello"), hear_out()
        taken, refused = asyncio.run(calls_to(tmp_path, url, one, caller(*steps)))
        assert figure(url, "csm_refused") >= 1
    assert said(tmp_path, taken) == [GREETING, LONG]
    assert said(tmp_path, refused) == [GREETING, "Good day.", "Good day."]
    assert is_noise(stretches(taken)[1])
    greeting, meanwhile, later = stretches(refused)
    assert is_noise(greeting) != is_noise(stretches(taken)[0]), "they are greeted at the same time"
    assert not is_noise(meanwhile)
    assert is_noise(later), "as soon as there is room"
