import numpy as np
import pytest
from trial_server import tone

from client_caller.audio.mulaw import encode
from client_caller.rehearsal.measure import TurnHeard, measure
from client_caller.rehearsal.script import Spoken


def agent_speaking(*stretches: tuple[float, float]) -> bytes:
    """Ten seconds of an agent that is audible from each first to each second instant."""
    sound = np.zeros(80_000, np.float32)
    for begin, end in stretches:
        sound[round(begin * 8_000) : round(end * 8_000)] = tone(end - begin)
    return encode(sound)


def heard(spoken: Spoken, *stretches: tuple[float, float]) -> TurnHeard:
    played = agent_speaking(*stretches)
    return measure(b"\xff" * len(played), played, [spoken], 0.0).turns[0]


SAID = Spoken("say", "hello", 1.0, 2.0)
PAUSED = Spoken("say with pause", "my number is ... five", 1.0, 4.0, pause_at=2.0, pause_s=1.5)
BROKE_IN = Spoken("interrupt", "wait", 3.0, 3.5)


def test_an_answer_is_timed_from_the_caller_s_last_sample_to_the_agent_s_first() -> None:
    turn = heard(SAID, (0.1, 0.5), (2.73, 4.0))
    assert turn.agent_audible_at == pytest.approx(2.73)
    assert turn.voice_to_voice_s == pytest.approx(0.73)
    assert not turn.cut_off


def test_a_turn_nobody_answers_has_no_time() -> None:
    turn = heard(SAID, (0.1, 0.5))
    assert (turn.agent_audible_at, turn.voice_to_voice_s, turn.cut_off) == (None, None, False)


@pytest.mark.parametrize("at", [2.5, 3.9])
def test_an_agent_that_speaks_before_the_caller_has_finished_has_cut_in(at: float) -> None:
    turn = heard(PAUSED, (at, 6.0))
    assert turn.cut_off
    assert turn.agent_audible_at == pytest.approx(at)
    assert turn.voice_to_voice_s is None


def test_an_interrupted_agent_is_silent_from_its_last_audible_sample() -> None:
    turn = heard(BROKE_IN, (1.0, 3.15), (3.25, 3.31), (4.1, 5.0))  # a gap of 100 ms is a word's end, not silence
    assert turn.barge_in_silence_s == pytest.approx(0.31)
    assert turn.voice_to_voice_s == pytest.approx(0.6)
    assert not turn.cut_off


def test_an_agent_that_talks_on_was_not_interrupted() -> None:
    turn = heard(BROKE_IN, (1.0, 10.0))
    assert (turn.barge_in_silence_s, turn.agent_audible_at) == (None, None)


def test_an_agent_that_stops_and_starts_again_over_the_caller_has_cut_in() -> None:
    assert heard(BROKE_IN, (1.0, 3.05), (3.3, 5.0)).cut_off


def test_each_turn_ends_where_the_next_begins() -> None:
    played = agent_speaking((0.2, 0.6), (5.5, 6.0))
    call = measure(played, played, [SAID, Spoken("say", "hello?", 4.0, 5.0)], 0.003)
    assert call.greeting_at == pytest.approx(0.2)
    assert [turn.agent_audible_at for turn in call.turns] == [None, pytest.approx(5.5)]
    assert call.lateness_s == 0.003


def test_a_call_in_which_the_caller_said_nothing_has_no_turns() -> None:
    played = agent_speaking((0.2, 0.6))
    call = measure(played, played, [], 0.0)
    assert (call.turns, call.greeting_at) == ((), pytest.approx(0.2))
