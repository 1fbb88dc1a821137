"""How a peer is compared with us: that both say the same at the same pace, and that their calls are judged alike."""

import ast
import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.agent import answering, load_agent
from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ
from client_caller.audio.mulaw import SILENCE, encode
from client_caller.errors import ConfigError
from client_caller.rehearsal.measure import TurnHeard
from client_caller.rehearsal.script import Kind
from client_caller.rehearsal.stage import Stage
from client_caller.settings import load_settings
from client_caller.thinking.protocol import Message
from client_caller.twin.carried import CarriedCall
from client_caller.twin.people import QUIET
from first_call import counts, heard
from peers import numbering, pipecat_process
from peers.callers import AskingCaller, Together, hold
from peers.comparison import by_turns
from peers.embedded import models_of, wiring
from peers.judging import DRY_P99_MS, Ear, carried, most, row
from peers.sides import OURS, Script, Side, pipecat
from virtual import run
from wire_caller import Arrival, Arrivals, Held
from wire_frames import NumberedVoice, Place, numbered
from wire_server import engines
from wire_stage import Used

PEERS = Path(numbering.__file__).parent
ASKED = [bytes([64]) * FRAME_SAMPLES] * 50
GOOD = {"refused": 0, "lost": 0, "dry_p99_ms": DRY_P99_MS, "questions": 20, "unanswered": 1}


@given(st.integers(0, numbering.PIECES - 1), st.integers(0, 509), st.integers(1, 511))
def test_a_peer_numbers_its_frames_as_we_do(piece, index, total):
    assert numbering.numbered(piece, index, total) == numbered(Place(piece, index, total).number, loud=True)


def test_a_piece_of_a_peer_sounds_as_ours_does():
    async def ours() -> list[bytes]:
        return [encode(speech.samples) async for speech in NumberedVoice().speak("We open at eight.")]

    assert numbering.words(0, 4) == run(ours())
    assert numbering.words(numbering.PIECES, 4) == numbering.words(0, 4)


def test_the_script_of_peers_is_what_our_own_fakes_do():
    async def paces() -> Script:
        fakes, now = engines(), asyncio.get_running_loop().time
        began_at = now()
        question = await fakes.transcriber.transcribe(np.ones(LINE_HZ, np.float32))
        transcribed_at = now()
        await fakes.turn_model.p_done(np.ones(LINE_HZ, np.float32))
        judged_at = now()
        said = [(now(), text) async for text in fakes.language_model.stream([Message("user", question)], "", 100)]
        return Script(
            question=question,
            answer="".join(str(text) for _, text in said),
            transcript_s=round(transcribed_at - began_at, 3),
            turn_s=round(judged_at - transcribed_at, 3),
            first_token_s=round(said[0][0] - judged_at, 3),
            token_s=round(said[1][0] - said[0][0], 3),
        )

    assert run(paces()) == Script()


ENGINES = {
    "client_caller.audio.resample",
    "client_caller.hearing.moonshine",
    "client_caller.speaking.espeak",
}


@pytest.mark.parametrize(
    ("file", "of_ours"),
    [
        ("numbering.py", set()),
        ("pipecat_wiring.py", set()),
        ("pipecat_fakes.py", {"numbering", "pipecat_wiring"}),
        ("pipecat_embedded.py", ENGINES | {"pipecat_wiring"}),
    ],
)
def test_what_runs_in_the_environment_of_a_peer_needs_nothing_of_ours_but_engines(file, of_ours):
    imported = set()
    for node in ast.walk(ast.parse((PEERS / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    beside = {path.stem for path in PEERS.parent.rglob("*.py")}
    assert {name for name in imported if name.split(".")[0] in beside | {"client_caller", "peers"}} == of_ours


def test_a_peer_says_and_reads_what_we_do_when_its_models_are_real():
    agent = answering(load_agent(load_settings().agent))
    told = models_of(load_settings(), "http://127.0.0.1:1/v1", "key", Path("moonshine"))
    said = [message["content"] for message in told.messages]
    assert [message["role"] for message in told.messages] == ["system", *["user", "assistant"] * (len(said) // 2)]
    assert said.count(told.greeting) == 1
    assert all(said.count(example.agent) == 2 for example in agent.examples)
    assert agent.identity in told.greeting
    assert (told.voice, told.words_per_minute) == (agent.voice.name, agent.voice.words_per_minute)
    assert told.max_tokens < agent.limits.max_reply_tokens


def test_the_ear_tells_the_same_of_a_peer_as_of_us():
    def turn(kind: Kind, waited_s: float | None, *, cut_off: bool = False, silence_s: float | None = None) -> TurnHeard:
        return TurnHeard(kind, "Hello?", 1.0, 2.0, 0.0, 2.0, waited_s, cut_off, silence_s)

    turns = [
        turn("say", 0.5),
        turn("say", None),
        turn("say with pause", None, cut_off=True),
        turn("interrupt", 0.25, silence_s=0.125),
        turn("interrupt", 9.0),
    ]
    rows = heard(turns)
    assert rows["voice to voice, plain turns"] == {"n": 1, "p50_ms": 500, "p95_ms": 500, "max_ms": 500}
    assert rows["voice to voice, halting turns"]["n"] == 0
    assert rows["voice to voice, after a barge-in"]["p50_ms"] == 250
    assert rows["barge-in to silence"]["p50_ms"] == 125
    assert counts(turns) == {
        "mid-sentence pauses": 1,
        "of them cut off": 1,
        "other turns": 4,
        "of these cut off": 0,
        "turns without an answer": 1,
        "interruptions while the agent spoke": 1,
    }


def test_without_pipecat_it_is_said_how_to_get_it(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(pipecat_process, "PYTHON", tmp_path / "python")
    with pytest.raises(ConfigError, match=r"scripts/peers\.sh"):
        pipecat(Script())
    with pytest.raises(ConfigError, match=r"scripts/peers\.sh"):
        wiring()


def test_a_caller_asks_after_the_greeting_and_every_six_seconds_and_hangs_up():
    caller = AskingCaller(9.5, [bytes([slot]) * FRAME_SAMPLES for slot in range(50)])
    heard = [caller.next_frame(QUIET) for _ in range(476)]
    asked = [bytes([slot]) * FRAME_SAMPLES for slot in range(50)]
    assert heard == [QUIET] * 100 + asked + [QUIET] * 250 + asked + [QUIET] * 25 + [None]


def test_calls_that_end_before_the_last_has_begun_are_not_held(tmp_path: Path):
    stage = Stage("http://127.0.0.1:1", "token", tmp_path, process_id=1)
    with pytest.raises(ConfigError, match="100 callers"):
        run(hold(stage, 100, 10.0, ASKED))


def ear(*bursts: tuple[int, int], heard: str = "", began_at: float = 100.0) -> Ear:
    """Of a call in which a digit is a slot with sound, of that piece, and a point one without."""
    places = [None if each == "." else Place(int(each), slot, 500) for slot, each in enumerate(heard)]
    return Ear(places, list(bursts), began_at)


def test_what_comes_before_all_has_been_played_leaves_nobody_dry():
    in_time = [Arrival(101.0, 0.04), Arrival(101.03, 0.04), Arrival(101.08, 0.02)]
    assert [each.seconds for each in ear().dry(in_time)] == [0.0, 0.0]


def test_the_buffer_is_dry_from_its_last_sample_to_the_next_message():
    late = [Arrival(101.0, 0.04), Arrival(101.1, 0.04), Arrival(102.64, 0.04)]
    assert [(each.at, pytest.approx(each.seconds)) for each in ear().dry(late)] == [(101.1, 0.06), (102.64, 1.5)]


def test_silence_in_which_the_caller_speaks_leaves_nobody_dry():
    two_answers = [Arrival(101.0, 0.04), Arrival(104.0, 0.04), Arrival(104.05, 0.04)]
    asks = ear((100, 150))
    assert [(each.at, pytest.approx(each.seconds)) for each in asks.dry(two_answers)] == [(104.05, 0.01)]


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from([0.02, 0.04, 0.1])), min_size=1, max_size=30))
def test_who_hears_an_answer_hears_its_sound_and_was_dry_for_the_rest(messages):
    at, arrivals, plays_until = 101.0, [], 101.0
    for after_s, seconds in messages:
        at += after_s
        arrivals.append(Arrival(at, seconds))
        plays_until = max(plays_until, at) + seconds
    sound_s = sum(each.seconds for each in arrivals)
    dry_s = sum(each.seconds for each in ear().dry(arrivals))
    assert dry_s == pytest.approx(plays_until - arrivals[0].at - sound_s, abs=1e-6)


def test_a_gap_is_a_silence_in_which_the_caller_does_not_speak():
    heard = "..111.1...222........333.3"
    found = ear((14, 20), heard=heard).gaps()
    assert [(round(gap.at_s / FRAME_S), round(gap.length_s / FRAME_S)) for gap in found] == [(5, 1), (7, 3), (24, 1)]


def test_an_answer_that_is_broken_off_by_the_next_question_has_no_gap():
    assert ear((10, 20), heard="1111111111111..........22222").gaps() == []


def test_a_question_too_near_the_end_need_not_be_answered():
    heard = "." * 100 + "1" * 20 + "." * 280
    assert ear((50, 80), (150, 250), (260, 330), heard=heard).waits() == [pytest.approx(0.4), None]


@pytest.mark.parametrize(
    ("figure", "value"), [("refused", 1), ("lost", 1), ("dry_p99_ms", DRY_P99_MS + 0.1), ("unanswered", 2)]
)
def test_one_thing_amiss_is_enough_for_not_having_carried_the_calls(figure, value):
    assert carried(GOOD)
    assert not carried({**GOOD, figure: value})


def test_the_most_calls_are_those_before_the_first_number_that_was_too_many():
    rows = [
        {"calls": 8, "carried": True, "gaps": 3},
        {"calls": 4, "carried": True, "gaps": 0},
        {"calls": 12, "carried": False, "gaps": 9},
        {"calls": 16, "carried": True, "gaps": 0},
    ]
    assert most(rows) == 8
    assert most(rows, without_gap=True) == 4
    assert most([]) == 0


def test_sides_are_measured_by_turns_each_to_its_first_number_that_is_too_many():
    asked: list[tuple[str, int]] = []
    other = Side("other", OURS.start, {})

    async def measure(side: Side, count: int) -> dict[str, object]:
        asked.append((side.name, count))
        return {"calls": count, "carried": (side.name, count) != ("other", 4)}

    rows = run(by_turns([other, OURS], {"other": [4, 1, 8], OURS.name: [1, 10, 20]}, measure))
    assert asked == [("other", 1), (OURS.name, 1), ("other", 4), (OURS.name, 10), (OURS.name, 20)]
    assert [[found["calls"] for found in rows[name]] for name in ("other", OURS.name)] == [[1, 4], [1, 10, 20]]


def call(spoken: range, lost: int | None = None) -> Held:
    """A call of 8 s that began at 100, in which the agent was heard in these slots, but for one."""
    frames = [
        numbered(Place(1, slot - spoken.start, len(spoken)).number, loud=True)
        if slot in spoken and slot != lost
        else bytes([SILENCE]) * FRAME_SAMPLES
        for slot in range(400)
    ]
    caller = AskingCaller(8.0, ASKED)
    carried_call = CarriedCall("CA1", played=bytearray(b"".join(frames)), began_at=100.0, streams=1)
    sound = [Arrival(100.0 + slot * FRAME_S, FRAME_S) for slot in spoken]
    return Held(carried_call, Arrivals(sound), caller.schedule)


def test_a_row_tells_of_the_calls_and_of_the_server():
    idle, before, after = Used(99.0, 1.0, 100.0), Used(101.0, 2.0, 110.0), Used(106.0, 2.5, 104.0)
    held = [call(range(170, 270)), call(range(180, 280), lost=200)]
    found = row(Together(held, 0, idle, before, after, callers_s=0.25, others_s=0.05))
    wanted = {
        "calls": 2,
        "gaps": 1,
        "gap_ms": 20,
        "lost": 1,
        "questions": 2,
        "unanswered": 0,
        "voice_to_voice_p50_ms": 400.0,
        "voice_to_voice_max_ms": 600.0,
        "dry_max_ms": 0.0,
        "cpu_percent_of_a_core": 10.0,
        "cpu_percent_a_call": 5.0,
        "mb": 104.0,
        "mb_a_call": 4.0,
        "callers_cpu_percent_of_a_core": 5.0,
        "others_cpu_percent_of_a_core": 1.0,
        "carried": False,
    }
    assert {name: found[name] for name in wanted} == wanted


def test_what_is_amiss_before_all_speak_is_not_counted_and_who_is_refused_is():
    before, after = Used(104.2, 2.0, 110.0), Used(106.0, 2.5, 104.0)
    found = row(Together([call(range(180, 280), lost=200)], 1, before, before, after, callers_s=0.0, others_s=0.0))
    assert (found["calls"], found["refused"], found["gaps"]) == (2, 1, 0)
