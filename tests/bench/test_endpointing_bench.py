"""What the endpointing benchmark counts, and that every policy is judged by the same measure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.policy import Manner
from endpointing_figures import (
    UNANSWERED_S,
    Point,
    at_cut_share,
    at_latency,
    auc,
    cut_by,
    figures,
    frontier,
    judge,
)
from endpointing_heart import FREE, Costs, run_heart
from endpointing_policies import SmartTurnOnce, VadOnly
from endpointing_records import Fire, Heard, Onset, Pause, Span, Truth, silences
from endpointing_sweep import FILES, changed, variants

MANNER = Manner("How can I help you?", "Could you say that again?", "I am sorry.", "Goodbye.")
HOLD = Span(1.0, 2.0, "natural")
TURN = Truth("clip", "tuning", "spoken", -55.0, (HOLD,), 4.0, timed=True)


def heard(voiced: str, *pauses: Pause, onsets: tuple[Onset, ...] = (), p_done: float = 0.5) -> Heard:
    """voiced: one character per window, "v" for voice."""
    probabilities = tuple(0.9 if mark == "v" else 0.1 for mark in voiced)
    return Heard(onsets, pauses, probabilities, ((0.0, p_done),))


def two_halves(first: str, second: str, silence_s: float) -> Heard:
    """A turn of two utterances of a second each, the end of each noticed after 0.1 s."""
    again_at = 2.0 + silence_s
    onsets = (Onset(1.1, 1.0), Onset(again_at + 0.1, again_at))
    pauses = (
        Pause(2.1, 2.0, 1.0, first, 0.5),
        Pause(again_at + 1.1, again_at + 1.0, 1.0, f"{first} {second}", 0.9),
    )
    return Heard(onsets, pauses, (0.1,) * round((again_at + 6) / 0.032), ((2.0, 0.5), (again_at + 1.0, 0.9)))


def test_a_fire_in_a_silence_inside_the_turn_is_a_cut_off_and_one_after_its_end_is_an_answer() -> None:
    verdict = judge(TURN, [Fire(1.3), Fire(4.25)])
    assert [cut.span for cut in verdict.cuts] == [HOLD]
    assert verdict.cuts[0].age_s == pytest.approx(0.3)
    assert verdict.latency_s == pytest.approx(0.25)


def test_a_fire_just_after_a_silence_belongs_to_it_for_the_new_words_were_not_yet_noticed() -> None:
    assert judge(TURN, [Fire(2.1)]).cuts[0].span is HOLD


def test_a_fire_in_mid_speech_is_a_cut_off_of_no_silence() -> None:
    verdict = judge(TURN, [Fire(3.2)])
    assert [cut.span for cut in verdict.cuts] == [None]
    assert figures([verdict]).mid_speech == 1
    assert figures([verdict]).cut_turns_share == 1


def test_a_turn_nobody_answers_counts_as_the_longest_wait() -> None:
    found = figures([judge(TURN, []), judge(TURN, [Fire(4.5)])])
    assert found.never == 1
    assert found.latency_mean_s == pytest.approx((UNANSWERED_S + 0.5) / 2)


def test_a_lengthened_turn_counts_for_its_long_silence_only() -> None:
    long = Truth("clip, 3 s", "tuning", "spoken", -55.0, (Span(1.0, 4.0, "incomplete"),), 6.0, timed=False)
    verdict = judge(long, [Fire(5.0), Fire(6.3)])
    assert (verdict.cuts, verdict.latency_s) == ((), None)


def test_a_long_silence_tells_what_would_have_happened_in_each_shorter_one() -> None:
    long = Truth("clip, 3 s", "tuning", "spoken", -55.0, (Span(1.0, 4.0, "incomplete"),), 6.0, timed=False)
    verdicts = [judge(long, [Fire(2.5)])]
    assert [cut_by(verdicts, "incomplete", pause_s) for pause_s in (1.0, 2.0, 3.0)] == [(1, 0), (1, 1), (1, 1)]


def test_what_the_caller_silences_at_once_is_a_retract() -> None:
    assert figures([judge(TURN, [Fire(1.7, 1.9)])]).retracts == 1
    assert figures([judge(TURN, [Fire(1.3, 1.9)])]).retracts == 0


POINTS = st.builds(Point, st.just("p"), st.floats(0, 3), st.floats(0, 1))


@given(st.lists(POINTS, max_size=12))
def test_the_frontier_keeps_the_best_there_is_at_every_response_time(points: list[Point]) -> None:
    best = frontier(points)
    assert all(at_latency(best, point.latency_s) == at_latency(points, point.latency_s) for point in points)
    assert all(at_cut_share(best, point.cut_share) == at_cut_share(points, point.cut_share) for point in points)
    assert [point.cut_share for point in best] == sorted({point.cut_share for point in best}, reverse=True)


@given(st.lists(st.floats(0, 1), min_size=1), st.lists(st.floats(0, 1), min_size=1))
def test_a_feature_that_is_turned_round_parts_ends_and_holds_as_badly_as_it_did_well(
    ends: list[float], holds: list[float]
) -> None:
    assert auc(ends, holds) == pytest.approx(1 - (auc(holds, ends) or 0))


def test_silence_before_the_first_word_is_no_pause() -> None:
    found = silences(heard("...vv..v...").probabilities)
    assert found == [pytest.approx((5 * 0.032, 7 * 0.032)), pytest.approx((8 * 0.032, 11 * 0.032))]


def test_silence_alone_fires_once_in_each_silence_that_lasts() -> None:
    take = heard("v" * 10 + "." * 5 + "v" * 10 + "." * 20)
    assert [fire.at for fire in VadOnly(0.2).fires(take)] == [pytest.approx(25 * 0.032 + 0.2)]


@pytest.mark.parametrize(("p_done", "waited_s"), [(0.9, 0.2), (0.1, 1.0)])
def test_smart_turn_waits_the_whole_time_when_it_is_not_sure(p_done: float, waited_s: float) -> None:
    take = heard("v" * 10 + "." * 60, p_done=p_done)
    assert [fire.at for fire in SmartTurnOnce(0.5, 0.2, 1.0).fires(take)] == [pytest.approx(10 * 0.032 + waited_s)]


def test_our_policy_is_silent_through_a_pause_after_words_that_cannot_be_an_end() -> None:
    ran = run_heart(two_halves("I would like to cancel my", "order please.", 2.5), MANNER, FREE)
    assert [fire.at > 5.5 for fire in ran.fires] == [True]


def test_our_policy_is_heard_when_words_that_sound_whole_are_gone_on_with_and_stops() -> None:
    ran = run_heart(two_halves("No.", "That is wrong.", 1.5), MANNER, FREE)
    first = ran.fires[0]
    assert 2.0 < first.at < 3.5
    assert first.stopped_at == pytest.approx(3.6)


def test_the_engines_time_delays_what_is_heard() -> None:
    take = two_halves("I would like to cancel my", "order please.", 2.5)
    slow = Costs(words_s=0.5, verdict_s=0.1, score_s=0.1, reply_s=0.6, sound_s=0.1)
    quick_at, slow_at = (run_heart(take, MANNER, costs).fires[-1].at for costs in (FREE, slow))
    assert slow_at > quick_at + 0.5


def test_a_number_of_the_policy_is_changed_for_a_while_only() -> None:
    before = [dict(vars(file)) for file in FILES]
    labels = []
    for variant in variants(MANNER):
        labels.append(variant.label)
        with changed(MANNER, variant) as manner:
            assert (manner != MANNER) is (variant.file is None)
            assert [dict(vars(file)) for file in FILES] != before or variant.file is None
    assert len(labels) == len(set(labels))
    assert {"quick_s = 0.11", "_WAITS[0.5] = 0.125"} <= set(labels)
    assert [dict(vars(file)) for file in FILES] == before
