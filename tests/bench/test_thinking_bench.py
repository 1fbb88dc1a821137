"""How the benchmark of thinking judges what it measured, on samples made up for the purpose."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from calls import AGENT
from client_caller.conversation.actions import Turn
from client_caller.mind import Brief
from client_caller.thinking.protocol import Message
from client_caller.thinking.scripted import ScriptedModel
from thinking_judging import hit_percent, made_after, overhead, spread, verdict, words_whole_at
from thinking_server import Busy, busy_of, slot_of
from thinking_talk import SAID, OwnPath, histories
from virtual import run

STREAM = [(0.1, "We"), (0.2, " are"), (0.3, " open"), (0.4, ","), (0.5, " from"), (0.6, " eight")]
ENDED_S = 0.7

METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="gemma"} 2.0
vllm:generation_tokens_total{engine="0",model_name="gemma"} 1234.0
"""


def test_overhead_is_told_percentile_by_percentile_and_in_pairs():
    row = overhead([0.11, 0.22, 0.45], [0.10, 0.20, 0.30])
    assert (row["p50_percent"], row["p95_percent"]) == (10.0, 50.0)
    assert row["paired_ms"] == 20.0


def test_a_sample_that_failed_counts_in_no_percentile_and_in_no_pair():
    row = overhead([None, 0.2], [0.1, 0.1])
    assert (row["p50_percent"], row["paired_ms"]) == (100.0, 100.0)
    assert overhead([None], [0.1]) == {
        "p50_percent": None,
        "p75_percent": None,
        "p95_percent": None,
        "paired_ms": None,
    }


def test_an_aim_is_missed_where_one_percentile_is_over_it():
    assert verdict({"p50_percent": 3.0, "p95_percent": 10.0, "paired_ms": 99.0}) == "within 10 %"
    assert verdict({"p50_percent": 3.0, "p95_percent": 10.1}) == "over 10 % at p95"
    assert verdict({"p50_percent": None}) == "not measured"


@pytest.mark.parametrize(
    ("words", "at_s"),
    [
        (1, 0.2),  # the first word is known to be whole when the next one begins
        (3, 0.5),  # and its comma belongs to it
        (5, 0.7),  # the last one, at the end of the stream
        (6, None),
        (0, 0.1),
    ],
)
def test_the_bare_server_has_a_piece_when_as_many_words_are_whole(words: int, at_s: float | None):
    assert words_whole_at(STREAM, ENDED_S, words) == at_s


def test_a_space_behind_the_last_word_makes_it_whole():
    assert words_whole_at([(0.1, "We are "), (0.2, "open")], ENDED_S, 2) == 0.1
    assert words_whole_at([], ENDED_S, 1) is None


def test_tokens_for_nobody_are_those_beyond_what_was_taken():
    assert made_after(taken=6, before=0, after=8) == 2
    assert made_after(taken=6, before=1_000, after=1_009) == 3
    assert made_after(taken=6, before=0, after=0) == 0  # freed before anybody could look


def test_a_share_of_an_unknown_prompt_is_unknown():
    assert hit_percent(400, 390) == 97.5
    assert hit_percent(400, 0) == 0.0
    assert hit_percent(400, None) is None
    assert hit_percent(None, 3) is None


def test_spreads_leave_out_what_was_not_measured():
    assert spread([0.01, None, 0.0302]) == {"n": 2, "p50_ms": 10.0, "p95_ms": 30.2, "max_ms": 30.2}
    assert spread([None])["p50_ms"] is None


def test_what_servers_say_of_themselves_is_understood():
    assert busy_of(METRICS) == Busy(True, 1234)
    assert busy_of("# nothing of the kind\nother_requests_running 1.0\n") is None
    assert slot_of({"is_processing": True, "next_token": [{"n_decoded": 7}]}) == Busy(True, 7)
    assert slot_of({"is_processing": False}) == Busy(False, 0)


def test_each_history_begins_with_the_one_before_and_ends_with_the_caller():
    talk = histories(AGENT)
    assert len(talk) == len(SAID) == 12
    assert all(history[-1].speaker == "caller" for history in talk)
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(talk))
    assert talk[0][0] == Turn("agent", f"{AGENT.identity} {AGENT.greeting}".strip())


def test_our_own_path_is_timed_to_its_first_token_and_its_first_piece():
    def reply(messages: Sequence[Message]) -> str:
        return "We are open Monday to Friday, from eight to six."

    async def ask() -> tuple[str, bool, int]:
        model = ScriptedModel(reply, 0.1, 0.02)
        own = OwnPath(model, Brief(AGENT), "CA1")
        heard = await own.ask(histories(AGENT)[1])
        assert heard.first_token_s is not None
        assert heard.first_piece_s is not None
        await asyncio.sleep(1)
        return heard.piece, heard.first_token_s <= heard.first_piece_s, model.open_streams

    piece, in_order, left_open = run(ask())
    assert reply(()).startswith(piece)
    assert in_order
    assert left_open == 0


def test_a_reply_that_fails_has_no_times():
    async def ask() -> tuple[float | None, str]:
        heard = await OwnPath(ScriptedModel(lambda messages: ""), Brief(AGENT), "CA1").ask(histories(AGENT)[0])
        return heard.first_piece_s, heard.piece

    assert run(ask()) == (None, "")
