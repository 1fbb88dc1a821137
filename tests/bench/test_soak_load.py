"""How calls at once are judged: gaps, steps, the knee and what is behind it."""

from dataclasses import replace

import pytest

from client_caller.rehearsal.timeline import TurnFigures
from load_judging import Held, bottleneck, gaps, knee, spread, steps
from wire_caller import Arrival

TURN = TurnFigures(
    "say", "a question", "a question", "an answer", "", 1.0, 2.0, 0.1, 0.2, 0.35, 0.5, 0.4, 0.55, False, None
)


def sound(*instants: float) -> list[Arrival]:
    """A second of the agent's at each of these."""
    return [Arrival(at, 1.0) for at in instants]


def held(calls: int, p95_s: float | None = 0.5, gaps: int = 0, lost: int = 0, **changes: float) -> Held:
    turn = replace(TURN, **changes)
    return Held(calls, p95_s, gaps, lost, steps([turn]))


def test_sound_that_comes_before_the_last_is_played_has_no_gap() -> None:
    assert gaps(sound(1.0, 1.7, 2.9), []) == []


def test_silence_in_the_midst_of_what_the_agent_says_is_a_gap() -> None:
    assert gaps(sound(1.0, 2.25), []) == [pytest.approx(0.25)]


def test_less_than_a_frame_is_none() -> None:
    assert gaps(sound(1.0, 2.01), []) == []


def test_silence_in_which_the_caller_speaks_is_none() -> None:
    assert gaps(sound(1.0, 2.4), [(2.1, 2.2)]) == []
    assert gaps(sound(1.0, 2.4), [(1.9, 2.05)]) == [], "the agent was interrupted"
    assert gaps(sound(1.0, 2.4), [(0.2, 0.9)]) == [pytest.approx(0.4)]


def test_silence_that_the_caller_takes_for_the_end_is_none() -> None:
    assert gaps(sound(1.0, 3.0), []) == []


def test_what_waits_at_the_carrier_is_played_first() -> None:
    assert gaps(sound(1.0, 1.0, 3.1), []) == [pytest.approx(0.1)]


def test_the_steps_of_an_answer_add_up_to_it() -> None:
    assert [row["p50_ms"] for row in steps([TURN]).values()] == [100, 100, 150, 150, 50]


def test_what_a_draft_has_done_before_costs_nothing() -> None:
    drafted = replace(TURN, first_token_s=-0.1, first_audio_s=0.15)
    assert [row["p50_ms"] for row in steps([drafted]).values()] == [100, 100, 0, 0, 350]


def test_turns_without_an_answer_have_no_steps() -> None:
    assert steps([replace(TURN, voice_to_voice_s=None), replace(TURN, cut_off=True)])["words"]["n"] == 0


def test_the_knee_is_the_last_before_the_first_that_is_too_many() -> None:
    assert knee([held(1), held(2), held(3, p95_s=1.2), held(5)]) == 2
    assert knee([held(2), held(1), held(3, p95_s=1.0)]) == 3


@pytest.mark.parametrize("bad", [held(1, p95_s=1.01), held(1, gaps=1), held(1, lost=1), held(1, p95_s=None)])
def test_there_may_be_no_knee(bad: Held) -> None:
    assert knee([bad, held(2)]) == 0


def test_the_bottleneck_is_the_step_that_grew_most() -> None:
    later = {"words_s": 0.3, "first_token_s": 0.9, "first_audio_s": 1.1, "voice_to_voice_s": 1.2}
    assert bottleneck(held(1), held(5, **later)) == ("first token", pytest.approx(450))


def test_where_nothing_grew_there_is_no_bottleneck() -> None:
    assert bottleneck(held(1), held(5)) == ("", 0.0)
    assert bottleneck(held(1), Held(5, None, 0, 0, steps([]))) == ("", 0.0)


def test_percentiles_are_values_that_were_measured() -> None:
    row = spread([0.1, 0.2, None, 0.3])
    assert row == {"n": 3, "p50_ms": 200, "p95_ms": 300, "p99_ms": 300, "max_ms": 300}
    assert spread([])["p99_ms"] is None
