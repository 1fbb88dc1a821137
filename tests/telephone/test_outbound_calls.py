"""Whole calls that we place, on a simulated carrier: who answers, what they hear, and what is kept of it."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from client_caller.agent import Agent, AgentRecording
from client_caller.dialler import NotAllowedError
from client_caller.errors import ClientCallerError
from client_caller.twin.carried import AnsweredBy
from client_caller.twin.faults import FINE, Faults, RestFault, WebhookFault
from client_caller.twin.people import BEEP, Human, KeyPress, Machine, Outcome, Person
from telephone.outbound_world import (
    CLINIC,
    HUMAN,
    IDENTITY,
    MACHINE,
    MAILBOX,
    MENU,
    SCREENING,
    STOP,
    YES,
    Ended,
    beep_over_s,
    fax,
    first_sound_s,
    human,
    lasts_s,
    nobody,
    outbound,
    states,
    voicemail,
)
from telephone.world import ADA, BEN, hear, hear_out, person, say, sounding, wait
from virtual import run

assert CLINIC.outbound
WITH_KEYS = CLINIC.model_copy(update={"outbound": CLINIC.outbound.model_copy(update={"menu_keys": "2"})})
ASKS_TO_RECORD = CLINIC.model_copy(
    update={"recording": AgentRecording(consent="asked", phrase="May we record this call?")}
)


def called(folder: Path, who: Person, agent: Agent = CLINIC, faults: Faults | None = None, **settings: Any) -> Ended:
    """How a call to this person ends."""

    async def scene() -> Ended:
        async with outbound(folder, {ADA: who}, agent=agent, faults=faults, **settings) as world:
            return await world.call_and_wait(ADA)

    return run(scene())


# Who answers, and what they hear.


def test_a_human_who_answers_hears_who_calls_and_why_and_talks(tmp_path: Path) -> None:
    async def scene() -> None:
        async with outbound(tmp_path, {ADA: human(YES, "Thank you, goodbye.")}) as world:
            ended = await world.call_and_wait(ADA)
            assert (ended.outcome, ended.call.hung_up_by) == ("talked", "person")
            assert HUMAN in ended.notes
            assert ended.notes.index(HUMAN) < ended.notes.index(IDENTITY)
            assert states(ended.call) == ["queued", "initiated", "ringing", "in-progress", "completed"]
            assert ended.kept
            assert (ended.kept.direction, ended.kept.theirs, ended.kept.order_id) == ("outbound", ADA, ended.order)
            assert (ended.kept.state, ended.kept.outcome, ended.kept.agent) == ("completed", "talked", "Ruth")
            audit = await world.ledger.audit(ended.call.call_sid)
            assert audit
            assert (audit["order"]["state"], audit["order"]["to"]) == ("over", ADA)
            assert [consent["text"] for consent in audit["consents"]] == ["yes"]
            assert first_sound_s(ended.call) < 0.02 + lasts_s("Hello?") + 1.0, "who says hello waits for an answer"

    run(scene())


def test_a_human_who_hangs_up_at_once_has_not_heard_who_called(tmp_path: Path) -> None:
    ended = called(tmp_path, person(say("Hello?"), hear(0.5), answerer=Human()))
    assert ended.outcome == "talked"
    assert IDENTITY not in ended.notes


def test_a_machine_hears_the_message_after_its_beep_and_then_nothing(tmp_path: Path) -> None:
    ended = called(tmp_path, voicemail())
    assert (ended.outcome, ended.call.hung_up_by) == ("voicemail left", "document")
    assert {MACHINE, IDENTITY, "a message was left"} <= set(ended.notes)
    assert HUMAN not in ended.notes
    assert beep_over_s() <= first_sound_s(ended.call) < beep_over_s() + 2.0


def test_a_machine_without_a_beep_hears_the_message_after_its_greeting(tmp_path: Path) -> None:
    greeting = "You have reached Ada. I cannot come to the phone right now."
    ended = called(tmp_path, voicemail(greeting, beeps=False))
    assert ended.outcome == "voicemail left"
    assert lasts_s(greeting) < first_sound_s(ended.call) < lasts_s(greeting) + 6.0


def test_a_mailbox_that_takes_no_message_gets_none(tmp_path: Path) -> None:
    ended = called(tmp_path, voicemail("The mailbox is full and cannot accept any messages.", beeps=False))
    assert ended.outcome == "machine, no message"
    assert not any(byte != 0xFF for byte in ended.call.played)


@pytest.mark.parametrize("verdict", ["machine_start", "machine_end_silence", "machine_end_beep", "fax", "unknown"])
def test_a_human_whom_the_carrier_takes_for_something_else_is_talked_with(tmp_path: Path, verdict: AnsweredBy) -> None:
    ended = called(tmp_path, human(YES, verdict=verdict))
    assert (ended.outcome, ended.call.hung_up_by) == ("talked", "person")
    assert {HUMAN, IDENTITY} <= set(ended.notes)
    assert "a message was left" not in ended.notes
    assert ended.call.answered_by == verdict


@pytest.mark.parametrize("verdict", ["human", "unknown"])
def test_a_machine_that_the_carrier_takes_for_a_human_gets_its_message(tmp_path: Path, verdict: AnsweredBy) -> None:
    ended = called(tmp_path, voicemail(verdict=verdict, answerer=Human()))
    assert ended.outcome == "voicemail left"
    assert HUMAN not in ended.notes
    assert first_sound_s(ended.call) >= beep_over_s()


@pytest.mark.parametrize("late_s", [4.0, 30.0])
@pytest.mark.parametrize("who", [human, voicemail])
def test_a_verdict_of_the_carrier_that_comes_late_changes_nothing(
    tmp_path: Path, who: Callable[..., Person], late_s: float
) -> None:
    def webhook(kind: str, form: Mapping[str, str]) -> WebhookFault:
        return WebhookFault(late_s=late_s) if kind == "amd" else FINE

    callee = human(YES) if who is human else voicemail()
    ended = called(tmp_path, callee, faults=Faults(webhook=webhook))
    assert ended.outcome == ("talked" if who is human else "voicemail left")


def test_without_the_carriers_detection_a_machine_is_told_all_the_same(tmp_path: Path) -> None:
    ended = called(tmp_path, voicemail(), detect_machine=False)
    assert ended.outcome == "voicemail left"
    assert ended.call.asked("amd") == []
    assert first_sound_s(ended.call) >= beep_over_s()


@pytest.mark.parametrize("takes", [True, False])
def test_an_assistant_that_screens_calls_hears_why_we_call(tmp_path: Path, takes: bool) -> None:
    behind = [wait(2.0), say("Hello?"), hear_out(), say(YES), hear_out()] if takes else []
    ended = called(tmp_path, person(say(SCREENING), hear_out(), *behind, verdict="unknown"))
    assert ended.outcome == ("talked" if takes else "no-answer")
    assert (HUMAN in ended.notes) is takes
    assert lasts_s(SCREENING) < first_sound_s(ended.call) < lasts_s(SCREENING) + 2.0


@pytest.mark.parametrize("before", ["an assistant", "a machine"])
def test_a_human_who_takes_over_hears_who_is_calling_again(tmp_path: Path, before: str) -> None:
    machine = [say(MAILBOX), wait(0.3), sounding(BEEP, 0.5), hear(2.5)]
    assistant = [say(SCREENING), hear_out(), wait(2.0)]
    takes_over = [say("Hello? Hello, who is this?"), hear_out(), say(YES), hear_out()]
    steps = [*(assistant if before == "an assistant" else machine), *takes_over]
    ended = called(tmp_path, person(*steps, answerer=Machine(lasts_s(MAILBOX) + 0.3), verdict="unknown"))
    assert (ended.outcome, ended.call.hung_up_by) == ("talked", "person")
    assert ended.notes.index(IDENTITY) < ended.notes.index(HUMAN)
    assert ended.notes.count(IDENTITY) == 2


def test_a_telephone_menu_gets_the_key_that_leads_to_a_human(tmp_path: Path) -> None:
    behind = [wait(4.0), say("Hello?"), hear_out(), say(YES), hear_out()]
    ended = called(tmp_path, person(say(MENU), *behind, answerer=Machine(lasts_s(MENU), beeps=False)), WITH_KEYS)
    assert ended.call.keys_heard == "2"
    assert ended.outcome == "talked"
    assert {HUMAN, IDENTITY} <= set(ended.notes)
    assert ended.call.streams == 2


def test_a_telephone_menu_without_a_key_for_it_is_left(tmp_path: Path) -> None:
    ended = called(tmp_path, person(say(MENU), wait(60.0), answerer=Machine(lasts_s(MENU), beeps=False)))
    assert (ended.outcome, ended.call.hung_up_by) == ("machine, no message", "document")


@pytest.mark.parametrize(("who", "outcome"), [(fax, "machine, no message"), (nobody, "no-answer")])
def test_a_fax_and_a_silent_line_are_left_within_a_minute(
    tmp_path: Path, who: Callable[[], Person], outcome: str
) -> None:
    ended = called(tmp_path, who())
    assert (ended.outcome, ended.call.hung_up_by) == (outcome, "document")
    assert ended.call.states[-1].at - ended.call.states[-2].at < 60.0


def test_a_human_who_picks_up_during_the_message_is_talked_with(tmp_path: Path) -> None:
    machine = [say(MAILBOX), wait(0.3), sounding(BEEP, 0.5), hear(2.0)]
    picks_up = [say("Hello? Hello, I am here."), hear_out(), say(YES), hear_out()]
    ended = called(tmp_path, person(*machine, *picks_up, answerer=Machine(lasts_s(MAILBOX))))
    assert (ended.outcome, ended.call.hung_up_by) == ("talked", "person")
    assert {MACHINE, HUMAN, IDENTITY} <= set(ended.notes)


# Nobody answers.


@pytest.mark.parametrize("outcome", ["busy", "no-answer", "failed"])
def test_a_call_that_nobody_answers_ends_as_the_carrier_says(tmp_path: Path, outcome: Outcome) -> None:
    ended = called(tmp_path, Person(outcome=outcome), ring_s=20)
    assert (ended.outcome, ended.call.state) == (outcome, outcome)
    assert ended.kept
    assert ended.kept.state == outcome
    assert ended.notes == []


def test_a_call_that_is_cancelled_while_it_rings_ends_so(tmp_path: Path) -> None:
    async def scene() -> None:
        async with outbound(tmp_path, {ADA: human(ring_s=20.0)}) as world:
            order = await world.call(ADA)
            await world.until_told("ringing")
            await world.ours.carrier.hang_up(world.twin.calls[0].call_sid)
            assert (await world.ended(order)).outcome == "canceled"

    run(scene())


# What must not be.


@pytest.mark.parametrize("how", ["word", "key", "key while it is said who calls"])
def test_who_wants_no_calls_is_never_called_again(tmp_path: Path, how: str) -> None:
    keys = (KeyPress(2.0 if "while" in how else 9.0, "9"),)
    who = human(STOP) if how == "word" else person(say("Hello?"), hear_out(), wait(60.0), keys=keys)

    async def scene() -> None:
        async with outbound(tmp_path, {ADA: who, BEN: human()}) as world:
            ended = await world.call_and_wait(ADA)
            assert (ended.outcome, ended.call.hung_up_by) == ("opted out", "document")
            assert "opted out" in ended.notes
            assert [each["number"] for each in await world.office.forbidden()] == [ADA]
            await asyncio.sleep(3_600)
            with pytest.raises(NotAllowedError, match="must not be called"):
                await world.call(ADA)
            assert (await world.call_and_wait(BEN)).outcome == "talked"
            assert len(world.calls_to(ADA)) == 1

    run(scene())


@pytest.mark.parametrize("agrees", [True, False])
def test_a_call_is_recorded_when_it_was_allowed_and_not_otherwise(tmp_path: Path, agrees: bool) -> None:
    who = human("Yes, sure." if agrees else "No, I do not want that.", YES)
    ended = called(tmp_path, who, ASKS_TO_RECORD)
    assert ended.outcome == "talked"
    assert ended.kept
    assert (Path(ended.kept.record) / "call.wav").exists() is agrees
    assert ("recording allowed" in ended.notes, "recording refused" in ended.notes) == (agrees, not agrees)


# The carrier's API fails.


class Failing:
    """Fails the first requests that place calls, so many of them."""

    def __init__(self, fault: RestFault, times: int = 1) -> None:
        self.fault = fault
        self.times = times

    def __call__(self, method: str, path: str) -> RestFault | None:
        if method != "POST" or not path.endswith("/Calls.json") or not self.times:
            return None
        self.times -= 1
        return self.fault


@pytest.mark.parametrize("listed_after_s", [0.0, 20.0])
@pytest.mark.parametrize("status", [None, 503])
def test_a_call_that_was_placed_without_an_answer_is_found_and_never_placed_again(
    tmp_path: Path, status: int | None, listed_after_s: float
) -> None:
    faults = Faults(rest=Failing(RestFault(status, done=True)), listed_after_s=listed_after_s)

    async def scene() -> None:
        async with outbound(tmp_path, {ADA: human(YES)}, faults=faults) as world:
            ended = await world.call_and_wait(ADA)
            assert ended.outcome == "talked"
            assert ended.call is world.twin.calls[0]
            assert {HUMAN, IDENTITY} <= set(ended.notes)
            assert len(world.twin.calls) == 1

    run(scene())


def test_of_two_calls_to_one_number_the_one_of_another_order_is_not_adopted(tmp_path: Path) -> None:
    """The first has rung in vain; nobody can tell whether the second was placed, and it was not."""
    failing = Failing(RestFault(503), times=0)
    people = {ADA: Person(outcome="busy")}

    async def scene() -> None:
        async with outbound(tmp_path, people, faults=Faults(rest=failing)) as world:
            assert (await world.call_and_wait(ADA)).outcome == "busy"
            await asyncio.sleep(1_000)
            failing.times = 1
            second = await world.call_and_wait(ADA)
            assert (second.outcome, second.carried) == ("failed", None)
            assert len(world.twin.calls) == 1

    run(scene())


def test_a_call_that_was_surely_not_placed_is_closed_after_it_was_looked_for(tmp_path: Path) -> None:
    async def scene() -> None:
        async with outbound(tmp_path, {ADA: human()}, faults=Faults(rest=Failing(RestFault(503)))) as world:
            ended = await world.call_and_wait(ADA)
            assert (ended.outcome, ended.carried) == ("failed", None)
            assert world.twin.calls == []

    run(scene())


@pytest.mark.parametrize(("status", "code"), [(400, 21211), (429, 20429), (401, 20003)])
def test_a_call_that_the_carrier_refuses_is_over_with_its_code(tmp_path: Path, status: int, code: int) -> None:
    ended = called(tmp_path, human(), faults=Faults(rest=Failing(RestFault(status, code))))
    assert (ended.outcome, ended.carried) == (f"refused: {code}", None)


@pytest.mark.parametrize("lost", ["all", "the last"])
def test_a_call_whose_states_are_not_told_is_looked_up(tmp_path: Path, lost: str) -> None:
    def webhook(kind: str, form: Mapping[str, str]) -> WebhookFault:
        is_lost = kind == "status" and (lost == "all" or form["CallStatus"] in ("completed", "busy"))
        return WebhookFault(lost=is_lost)

    async def scene() -> None:
        people = {ADA: human(YES), BEN: Person(outcome="busy")}
        async with outbound(tmp_path, people, faults=Faults(webhook=webhook)) as world:
            assert (await world.call_and_wait(BEN)).outcome == "busy"
            assert (await world.call_and_wait(ADA)).outcome == "talked"
            assert len(world.twin.calls) == 2

    run(scene())


def test_states_told_twice_and_out_of_order_are_understood(tmp_path: Path) -> None:
    def webhook(kind: str, form: Mapping[str, str]) -> WebhookFault:
        late = {"initiated": 8.0, "ringing": 30.0, "in-progress": 2.0}
        return WebhookFault(late_s=late.get(form["CallStatus"], 0.0), twice=True) if kind == "status" else FINE

    ended = called(tmp_path, human(YES), faults=Faults(webhook=webhook))
    assert ended.outcome == "talked"
    assert ended.kept
    assert ended.kept.state == "completed"


# The process dies.


@pytest.mark.parametrize(
    ("dies_at", "away_s"), [("queued", 2.0), ("ringing", 2.0), ("in-progress", 2.0), ("completed", 60.0)]
)
def test_a_process_that_dies_leaves_a_call_that_the_next_one_takes_up(
    tmp_path: Path, dies_at: str, away_s: float
) -> None:
    async def scene() -> None:
        who = person(say("Hello?"), hear_out(), say(YES), hear_out(), wait(1.0), answerer=Human(), ring_s=6.0)
        async with outbound(tmp_path, {ADA: who}) as world:
            order = await world.call(ADA)
            await world.until_told(dies_at) if dies_at != "queued" else await asyncio.sleep(0)
            await asyncio.sleep(2.0 if dies_at == "in-progress" else 0.0)
            await world.die()
            await asyncio.sleep(away_s)
            await world.start()
            await asyncio.sleep(1.0)
            ended = await world.ended(order)
            if dies_at == "queued":  # it had not been asked for
                assert (ended.outcome, ended.carried) == ("failed", None)
                return
            assert len(world.twin.calls) == 1
            assert ended.outcome == "talked"
            assert {HUMAN, IDENTITY} <= set(ended.notes)

    run(scene())


def test_a_call_that_is_over_before_the_next_process_comes_is_closed_as_lost(tmp_path: Path) -> None:
    async def scene() -> None:
        async with outbound(tmp_path, {ADA: human(YES)}) as world:
            order = await world.call(ADA)
            await world.until_told("in-progress")
            await world.die()
            await asyncio.sleep(300.0)
            await world.start()
            await asyncio.sleep(1.0)
            assert (await world.ended(order)).outcome == "line lost"
            with pytest.raises(ClientCallerError):
                await world.office.call(ADA, "nobody's agent", {})
            assert len(world.twin.calls) == 1

    run(scene())
