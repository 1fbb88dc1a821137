"""A call of any length fits into the prompt, and what the caller gave is still in it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.actions import Turn
from client_caller.settings import ThinkingSettings
from client_caller.thinking.condensing import (
    Condensed,
    Older,
    Recollection,
    accepted,
    condense_messages,
    estimate_tokens,
    told_in_short,
)
from client_caller.thinking.llamacpp import LlamaServer
from client_caller.thinking.pins import pins

NAMED = Turn("caller", "hi my name is ada lovelace")
GREETING = Turn("agent", "Hello, this is Anna. How can I help you?")
TALK = (
    Turn("caller", "and what do you do when somebody is afraid of the dentist"),
    Turn("agent", "We take our time. Nothing is done before you say so, and there is no hurry at all."),
)
PER_TURN = 6


def cost(*turns: Turn) -> int:
    return sum(estimate_tokens(turn.text) + estimate_tokens(turn.arguments) + PER_TURN for turn in turns)


def size(view: tuple[str, tuple[Turn, ...]]) -> int:
    return estimate_tokens(view[0]) + cost(*view[1])


def older(*turns: Turn, before: str = "") -> Older:
    return Older(turns, before, pins(turns), len(turns))


def grows(before: tuple[str, tuple[Turn, ...]], after: tuple[str, tuple[Turn, ...]]) -> bool:
    return before[0] == after[0] and after[1][: len(before[1])] == before[1]


def last_exchange(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    at = max((place for place, turn in enumerate(turns) if turn.speaker == "caller"), default=0)
    return turns[at:]


def test_while_everything_fits_everything_is_told() -> None:
    recollection = Recollection(1_000)
    history = (GREETING, NAMED, *TALK)
    assert recollection.view(history) == ("", history)
    assert recollection.due(history) is None


def test_at_three_quarters_of_the_budget_the_older_turns_are_due_and_then_told_in_short() -> None:
    recollection = Recollection(400)
    history: tuple[Turn, ...] = (GREETING, NAMED)
    while (due := recollection.due(history)) is None:
        history = (*history, *TALK)
    assert 300 < cost(*history) < 400
    assert due.turns == history[: due.upto]
    assert due.pins == ("hi my name is ada lovelace",)
    recollection.take(Condensed(due.upto, "The caller is afraid of the dentist."))
    short, turns = recollection.view(history)
    assert short.startswith("Earlier in this call: The caller is afraid of the dentist.\n")
    assert short.endswith('- "hi my name is ada lovelace"')
    assert turns == history[due.upto :]
    assert size((short, turns)) <= 0.5 * 400
    assert recollection.due(history) is None


def test_a_second_summary_continues_the_first() -> None:
    recollection = Recollection(300)
    history: tuple[Turn, ...] = (NAMED, *TALK)
    found: list[Older] = []
    while len(found) < 2:
        history = (*history, *TALK)
        if due := recollection.due(history):
            found.append(due)
            recollection.take(Condensed(due.upto, f"Summary {len(found)}."))
    assert found[1].before == "Summary 1."
    assert history[: found[1].upto] == found[0].turns + found[1].turns


def test_over_the_budget_turns_give_way_at_once_and_are_still_condensed_later() -> None:
    recollection = Recollection(300)
    history = (NAMED, *TALK * 40)
    short, turns = recollection.view(history)
    assert "my name is ada lovelace" in short
    assert size((short, turns)) <= 300
    told: tuple[Turn, ...] = ()
    while due := recollection.due(history):
        assert cost(*due.turns) <= 300, "what is to be condensed must fit into a prompt, too"
        told += due.turns
        recollection.take(Condensed(due.upto, "Talk."))
    assert told == history[: len(history) - len(recollection.view(history)[1])]


def test_a_summary_that_comes_too_late_is_passed_over() -> None:
    recollection = Recollection(1_000)
    history = (NAMED, *TALK * 9)
    recollection.take(Condensed(7, "New."))
    recollection.take(Condensed(3, "Old."))
    assert recollection.view(history) == (told_in_short("New.", ["hi my name is ada lovelace"]), history[7:])


def test_the_last_caller_turn_is_whole_however_long() -> None:
    endless = Turn("caller", "and then " * 500)
    assert Recollection(200).view((NAMED, *TALK, endless))[1] == (endless,)


def test_a_draft_that_came_to_nothing_leaves_no_tool_without_what_it_was_asked_for() -> None:
    recollection = Recollection(200)
    settled = (NAMED, *TALK * 3)
    recollection.view((*settled, Turn("caller", "word " * 300)))
    tool = Turn("tool", "Booked.", tool="book", arguments="{}")
    assert recollection.view((*settled, tool, GREETING))[1][0].speaker == "caller"


def test_the_name_from_turn_one_is_there_at_turn_two_hundred() -> None:
    for has_model in (True, False):
        recollection, history, jumps = Recollection(600), (GREETING, NAMED), 0
        view = recollection.view(history)
        while len(history) < 200:
            history = (*history, *TALK)
            before, view = view, recollection.view(history)
            jumps += not grows(before, view)
            if has_model and (due := recollection.due(history)):
                recollection.take(Condensed(due.upto, accepted("The caller asks this and that.", due)))
        assert '"hi my name is ada lovelace"' in view[0]
        assert size(view) <= 600
        assert jumps <= cost(*history) / (0.25 * 600) + 1, "seldom, for each time the prompt is read anew"


FACTS = st.sampled_from(["my name is ada", "on tuesday", "it is 5550100001", "no it is ava", "i have 2 dogs"])
TEXTS = st.one_of(FACTS, st.lists(st.sampled_from(["well", "and", "you know.", "é"]), max_size=30).map(" ".join))
EXCHANGES = st.tuples(TEXTS, TEXTS, st.booleans()).map(
    lambda told: (
        Turn("caller", told[0]),
        *([Turn("tool", told[1], tool="book", arguments='{"at": 3}')] if told[2] else []),
        Turn("agent", told[1]),
    )
)


@given(st.integers(150, 900), st.booleans(), st.lists(st.tuples(EXCHANGES, st.integers(0, 3)), max_size=60))
def test_a_growing_history_keeps_to_every_promise(
    budget: int, greets: bool, exchanges: list[tuple[tuple[Turn, ...], int]]
) -> None:
    recollection = Recollection(budget)
    history: tuple[Turn, ...] = (GREETING,) if greets else ()
    view = recollection.view(history)
    waiting: list[Older] = []
    taken = False
    for exchange, model in exchanges:
        for turn in exchange:
            history = (*history, turn)
            before, view = view, recollection.view(history)
            short, turns = view
            if not grows(before, view):
                assert taken or size((before[0], (*before[1], turn))) > budget, "the prompt changed without need"
            taken = False
            assert size(view) <= max(budget, size((short, last_exchange(turns)))), "over the budget without need"
            assert history[len(history) - len(turns) :] == turns
            assert len(turns) == len(history) or turns[0].speaker == "caller"
            assert last_exchange(history)[0] in turns
            gone = history[: len(history) - len(turns)]
            wanted = [pin for pin in pins(gone) if pin == "my name is ada"]
            assert all(pin in short for pin in wanted)
            if estimate_tokens(told_in_short("", pins(gone))) < 0.15 * budget:
                assert all(pin in short for pin in pins(gone))
        if model == 0 and (due := recollection.due(history)):
            assert due.turns[-1].speaker != "caller"
            waiting.append(due)
        if model == 1 and waiting:  # models are slow, and may be overtaken
            done = waiting.pop()
            recollection.take(Condensed(done.upto, accepted("He wants this and that. " * 40, done)))
            taken = True


def test_a_model_is_asked_with_the_pins_and_what_was_known_before() -> None:
    system, user = condense_messages([NAMED, *TALK], "They greeted each other.", ["hi my name is ada lovelace"])
    assert (system.role, user.role) == ("system", "user")
    assert "So far: They greeted each other.\n" in user.content
    assert '- "hi my name is ada lovelace"\n' in user.content
    assert "Caller: hi my name is ada lovelace\nCaller: and what do you" in user.content


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("  The caller, Ada, wants a dentist.\n", "The caller, Ada, wants a dentist."),
        ("**Summary:** The caller wants a dentist.", "The caller wants a dentist."),
        ("Here is a summary of the call: She wants a dentist.", "She wants a dentist."),
        (" ".join(f"Point {n} is it." for n in range(60)), " ".join(f"Point {n} is it." for n in range(29))),
    ],
)
def test_what_a_model_wrote_is_cleaned_and_kept_short(written: str, kept: str) -> None:
    assert accepted(written, older(NAMED)) == kept


@pytest.mark.parametrize("written", ["", " \n", "…", "<|im_start|>user", "a<end_of_turn>", "word " * 200, "so " * 90])
def test_where_a_model_wrote_nothing_of_use_the_callers_first_words_stand(written: str) -> None:
    said = older(NAMED, *TALK, before="They greeted each other.")
    assert accepted(written, said) == (
        "They greeted each other. The caller said: hi my name is ada lovelace; and what do you do when somebody is."
    )


def test_what_is_made_without_a_model_is_short_whatever_the_call_was() -> None:
    assert len(accepted("", older(*TALK * 99, before="so " * 99)).split()) <= 90


PHONE_TALK = (
    "uh yeah hi i was wondering whether you guys are open on sunday because my daughter has a toothache",
    "my name is ada lovelace and my number is five five five one two three four",
    "+1 555 010 0001",
    "A-D-A L-O-V-E-L-A-C-E",
    "ada.lovelace@example.com",
    "The appointment costs $1,249.50, due on 05/17/2026 at 3:30 p.m.",
    '{"day":"2026-05-05","time":"15:00","name":"Ada Lovelace"}',
    "I am sorry, I cannot answer that now. You can leave your name, and somebody will call you back.",
    "yes",
)


async def _never_too_few(model: Path) -> None:
    server = LlamaServer(model, ThinkingSettings(slots=1))
    await server.start()
    try:
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {server.api_key}"}, timeout=None) as client:
            for text in PHONE_TALK:
                answer = await client.post(server.base_url.removesuffix("/v1") + "/tokenize", json={"content": text})
                tokens = len(answer.json()["tokens"])
                assert tokens <= estimate_tokens(text) <= 1.8 * tokens + 1, text
    finally:
        await server.stop()


@pytest.mark.models
def test_tokens_of_telephone_talk_are_never_too_few_for_the_embedded_tokenizer(models: Callable[[str], Path]) -> None:
    asyncio.run(_never_too_few(models("SmolLM2-135M-Instruct.Q4_1.gguf")))
