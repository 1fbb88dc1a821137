"""Whole calls that come in: answered, held, ended and kept, on a carrier that is simulated."""

import asyncio
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_caller.agent import Agent, AgentLimits, AgentOutbound, AgentRecording
from client_caller.conversation.actions import HangUp
from client_caller.twin.carried import CarriedCall
from client_caller.twin.people import KeyPress, Person
from outbound_calls import NOON
from telephone.world import (
    ADA,
    AGENT,
    BEN,
    CALLER,
    COLLEAGUE,
    OURS,
    PUBLIC,
    REPLY,
    Telephone,
    engines,
    hear,
    hear_out,
    person,
    say,
    stay,
    telephone,
    wait,
)
from virtual import run

OPENING = "Hello, this is Ruth, the automated assistant of Harbour Clinic. How can I help you?"
QUESTION = "what are your opening hours"


def agent(**changes: Any) -> Agent:
    """The usual agent, but for this."""
    return AGENT.model_copy(update=changes)


def entries_of(kept: dict[str, Any]) -> list[tuple[str, str]]:
    """What the ledger was told, in order: the kind of each entry, and its word."""
    words = ("direction", "state", "what", "outcome")
    return [(each["entry"], next(each[word] for word in words if word in each)) for each in kept["entries"]]


def asker() -> Person:
    """Hears the agent out, asks one question, hears the answer, and hangs up."""
    return person(hear_out(), say(QUESTION), hear_out())


def test_a_call_is_answered_held_and_kept(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            call = await at.call(asker())
            assert [(turn.speaker, turn.text, turn.cut_by) for turn in at.remembered(call)] == [
                ("agent", OPENING, None),
                ("caller", QUESTION, None),
                ("agent", REPLY, None),
            ]
            kept = await at.kept(call)
            *first, one, other = entries_of(kept)
            assert [*first, *sorted((one, other), reverse=True)] == [  # its end, and our word for it, are one instant
                ("CallBegan", "inbound"),
                ("CallNoted", "who is calling was heard"),
                ("CallReached", "completed"),
                ("CallEnded", "talked"),
            ]
            facts = {name: kept["call"][name] for name in ("theirs", "ours", "agent", "outcome", "record")}
            record = str(at.records(call)[0])
            assert facts == dict(theirs=CALLER, ours=OURS, agent="Ruth", outcome="talked", record=record)
            assert kept["call"]["began_at"] == f"{NOON:%Y-%m-%dT%H:%M:%SZ}"
            assert kept["call"]["duration_s"] == round(len(call.sent) / 8_000)
            assert (call.hung_up_by, call.codes, call.streams) == ("person", [], 1)

    run(scene())


def test_a_caller_who_breaks_in_is_heard_and_the_rest_of_the_answer_was_never_said(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            call = await at.call(person(hear_out(), say(QUESTION), hear(0.8), say("and on a sunday"), hear_out()))
            cut, last = at.remembered(call)[2], at.remembered(call)[-1]
            assert (cut.speaker, cut.cut_by) == ("agent", "caller")
            assert REPLY.startswith(cut.text)
            assert cut.text != REPLY
            assert at.said(call, "caller") == [QUESTION, "and on a sunday"]
            assert last.text == REPLY

    run(scene())


def test_ten_calls_at_once_are_each_held_in_full_and_lose_nothing(tmp_path: Path) -> None:
    questions = [f"what about number {name}" for name in ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")]

    async def scene() -> None:
        made_of = engines(lambda messages: f"You asked: {messages[-1].content}.")
        async with telephone(tmp_path, made_of=made_of, server={"calls_at_once": 10}) as at:
            legs = []
            for n, question in enumerate(questions):
                caller = person(hear_out(), say(question), hear_out(), wait(n / 10))
                legs.append(at.twin.begin_call_in(caller, OURS, f"+1212555{n:04}"))
                await asyncio.sleep(0.01)
            await at.twin.quiet()
            calls = [leg.record for leg in legs]
            for call, question in zip(calls, questions, strict=True):
                assert at.said(call, "caller") == [question]
                assert at.said(call)[-1] == f"You asked: {question}."
                assert (call.codes, call.streams, call.lateness_s < 1e-6) == ([], 1, True)
                assert "media lost" not in at.facts(call)
                assert (await at.kept(call))["call"]["outcome"] == "talked"

    run(scene())


# Who is not Twilio.


@pytest.mark.parametrize("signature", ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="])
def test_a_call_that_twilio_has_not_signed_is_none(tmp_path: Path, signature: str) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            form = {"CallSid": "CA" + "1" * 32, "AccountSid": at.twin.account_sid, "From": CALLER, "To": OURS}
            headers = {"X-Twilio-Signature": signature}
            answer = await at.network.http.post(f"{PUBLIC}/twilio/voice", data=form, headers=headers)
            assert answer.status_code == 403
            assert "Stream" not in answer.text
            assert at.records(form["CallSid"]) == []

    run(scene())


# How calls end.


def test_who_says_nothing_is_asked_once_and_then_let_go(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            call = await at.call(person(stay()))
            phrases = AGENT.phrases
            assert at.said(call) == [OPENING, phrases.still_there, phrases.farewell]
            assert at.did(call, HangUp) == [HangUp("the caller was silent")]
            assert call.hung_up_by == "document"
            assert 24 < len(call.sent) / 8_000 < 30  # twice ten seconds, and what was said
            assert (await at.kept(call))["call"]["outcome"] == "talked"

    run(scene())


def test_after_two_goodbyes_we_hang_up(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path, made_of=engines("Thank you, goodbye!")) as at:
            call = await at.call(person(hear_out(), say("thank you goodbye"), stay()))
            assert at.said(call) == [OPENING, "Thank you, goodbye!"]
            assert at.did(call, HangUp) == [HangUp("the caller said goodbye")]
            assert call.hung_up_by == "document"

    run(scene())


def test_a_call_lasts_no_longer_than_it_may_and_ends_with_a_sentence(tmp_path: Path) -> None:
    limits = AgentLimits(max_call_s=20, silence_s=60)

    async def scene() -> None:
        async with telephone(tmp_path, agent=agent(limits=limits)) as at:
            call = await at.call(person(hear_out(), say(QUESTION), stay()))
            assert at.said(call)[-1] == AGENT.phrases.goodbye
            assert at.did(call, HangUp) == [HangUp("the call lasted as long as it may")]
            assert 20 < len(call.sent) / 8_000 < 24

    run(scene())


def test_who_calls_to_be_called_no_more_is_told_so_and_is_on_the_list(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            call = await at.call(person(hear_out(), say("please stop calling me"), stay()))
            assert at.said(call)[-1] == AGENT.phrases.opted_out
            assert (await at.kept(call))["call"]["outcome"] == "opted out"
            assert await at.ledger.is_forbidden(CALLER)

    run(scene())


def test_keys_that_the_caller_presses_reach_the_agent_as_one_message(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            keys = tuple(KeyPress(6.0 + n, key) for n, key in enumerate("4711"))
            call = await at.call(person(hear_out(), wait(8), hear_out(), keys=keys))
            assert [text for text in at.said(call, "caller") if "4" in text] == at.said(call, "caller")
            assert len(at.said(call, "caller")) == 1
            assert at.said(call) == [OPENING, REPLY]

    run(scene())


# What may be recorded.

RECORDED = "May we record this call?"


def loudness(path: Path) -> Any:
    """How loud each second of a recording is, on either side: shape (seconds, 2)."""
    with wave.open(str(path)) as kept:
        rate, samples = kept.getframerate(), np.frombuffer(kept.readframes(kept.getnframes()), np.int16)
    seconds = len(samples) // (2 * rate)
    return np.abs(samples[: seconds * 2 * rate].reshape(seconds, rate, 2).astype(int)).max(axis=1)


def answering(words: str) -> Person:
    """Hears the question whether the call may be recorded, answers it, and asks one of their own."""
    return person(hear_out(), say(words), hear_out(), say(QUESTION), hear_out())


def test_what_was_said_before_a_yes_is_not_in_the_recording(tmp_path: Path) -> None:
    recording = AgentRecording(consent="asked", phrase=RECORDED)

    async def scene() -> None:
        async with telephone(tmp_path, agent=agent(recording=recording)) as at:
            call = await at.call(answering("yes please"))
            assert at.said(call, "caller") == ["yes please", QUESTION]
            heard = loudness(at.records(call)[0] / "call.wav")
            noted = [each["at"] for each in (await at.kept(call))["entries"] if each.get("what") == "recording allowed"]
            allowed_s = int(
                (np.datetime64(noted[0][:-1]) - np.datetime64(f"{NOON:%Y-%m-%dT%H:%M:%S}")) / np.timedelta64(1, "s")
            )
            assert allowed_s > 3
            assert not heard[:allowed_s].any()
            assert heard[allowed_s + 1 :].any(axis=0).all()

    run(scene())


@pytest.mark.parametrize("words", ["no thank you", "what are your opening hours"])
def test_without_a_yes_no_sound_is_kept(tmp_path: Path, words: str) -> None:
    recording = AgentRecording(consent="asked", phrase=RECORDED)

    async def scene() -> None:
        async with telephone(tmp_path, agent=agent(recording=recording)) as at:
            call = await at.call(answering(words))
            assert at.said(call, "caller") == [words, QUESTION]
            assert not (at.records(call)[0] / "call.wav").exists()
            assert ("CallNoted", "recording refused") in entries_of(await at.kept(call))

    run(scene())


def test_who_stays_after_the_announcement_is_recorded_from_then_on(tmp_path: Path) -> None:
    recording = AgentRecording(consent="announced", phrase="This call is recorded.")

    async def scene() -> None:
        async with telephone(tmp_path, agent=agent(recording=recording)) as at:
            call = await at.call(asker())
            heard = loudness(at.records(call)[0] / "call.wav")
            assert not heard[:2].any()  # the identity, of ten words
            assert heard[3:].any(axis=0).all()
            assert ("CallNoted", "recording allowed") in entries_of(await at.kept(call))

    run(scene())


def test_who_hangs_up_during_the_announcement_is_not_recorded(tmp_path: Path) -> None:
    recording = AgentRecording(consent="announced", phrase="This call is recorded.")

    async def scene() -> None:
        async with telephone(tmp_path, agent=agent(recording=recording)) as at:
            call = await at.call(person(hear(1.0)))
            assert not (at.records(call)[0] / "call.wav").exists()

    run(scene())


# When there is no room.


def test_who_finds_no_room_is_told_so_and_nothing_of_the_call_is_begun(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path, server={"calls_at_once": 1}) as at:
            first = at.twin.begin_call_in(person(hear_out(), wait(20)), OURS, ADA)
            await asyncio.sleep(1)
            second = await at.call(person(stay()), BEN)
            assert second.announcements == [AGENT.phrases.busy]
            assert (second.streams, second.hung_up_by, at.records(second)) == (0, "document", [])
            await first.over.wait()

    run(scene())


def test_three_who_wait_are_answered_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    async def scene() -> list[tuple[CarriedCall, float]]:
        async with telephone(tmp_path, agent=agent(when_full="queue"), server={"calls_at_once": 1}) as at:
            first = at.twin.begin_call_in(person(hear_out(), wait(20)), OURS, ADA)
            await asyncio.sleep(1)
            waiting = []
            for number in (BEN, CALLER, COLLEAGUE):
                waiting.append(at.twin.begin_call_in(asker(), OURS, number))
                await asyncio.sleep(0.7)
            for leg in (first, *waiting):
                await leg.over.wait()
            answered = [await began_s(at, leg.record) for leg in (first, *waiting)]
            assert answered == sorted(answered)
            for leg in waiting:
                assert at.said(leg.record, "caller") == [QUESTION]
                assert leg.record.announcements[0] == AGENT.phrases.busy
                assert AGENT.phrases.queued in leg.record.announcements
                assert [each.form["QueueResult"] for each in leg.record.asked("action")] == ["leave"]
            return [(leg.record, at_s) for leg, at_s in zip(waiting, answered[1:], strict=True)]

    waited = run(scene())
    assert len(waited) == 3


async def began_s(at: Telephone, call: CarriedCall) -> str:
    """When a call was begun to be held, as the ledger has it."""
    return str((await at.kept(call))["call"]["began_at"])


def test_who_gives_up_waiting_is_not_waited_for(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path, agent=agent(when_full="queue"), server={"calls_at_once": 1}) as at:
            first = at.twin.begin_call_in(person(hear_out(), wait(30)), OURS, ADA)
            await asyncio.sleep(1)
            impatient = at.twin.begin_call_in(person(wait(10)), OURS, BEN)
            await asyncio.sleep(1)
            patient = at.twin.begin_call_in(asker(), OURS, CALLER)
            for leg in (first, impatient, patient):
                await leg.over.wait()
            assert impatient.record.hung_up_by == "person"
            assert at.records(impatient.record) == []
            assert at.said(patient.record, "caller") == [QUESTION]

    run(scene())


def test_who_is_promised_a_call_back_is_called_back_once_there_is_room(tmp_path: Path) -> None:
    ours = AgentOutbound(reason="You called us a moment ago. What can I do for you?")
    calling_back = agent(when_full="call back", outbound=ours)

    def people(number: str) -> Person:
        assert number == BEN
        return person(say("hello this is ben"), hear_out(), say(QUESTION), hear_out())

    async def scene() -> None:
        async with telephone(tmp_path, agent=calling_back, people=people, server={"calls_at_once": 1}) as at:
            first = at.twin.begin_call_in(person(hear_out(), wait(20)), OURS, ADA)
            await asyncio.sleep(1)
            promised = await at.call(person(stay()), BEN)
            assert promised.announcements == [AGENT.phrases.busy]
            await first.over.wait()
            await asyncio.sleep(60)
            (back,) = at.legs(BEN)
            assert at.said(back, "caller")[-1] == QUESTION
            assert ours.reason in " ".join(at.said(back))
            assert (await at.kept(back))["call"]["outcome"] == "talked"
            assert [campaign["state"] for campaign in await at.office.campaigns()] == ["done"]
            assert ("CallNoted", "a call back was promised") in entries_of(await at.kept(promised))

    run(scene())


def test_who_finds_no_room_is_forwarded_if_that_is_wished(tmp_path: Path) -> None:
    forwarding = agent(when_full="forward", transfer_to=COLLEAGUE)

    async def scene() -> None:
        talker = lambda number: person(say("this is the front desk"), wait(5))  # noqa: E731
        async with telephone(tmp_path, agent=forwarding, people=talker, server={"calls_at_once": 1}) as at:
            first = at.twin.begin_call_in(person(hear_out(), wait(20)), OURS, ADA)
            await asyncio.sleep(1)
            second = await at.call(person(stay()), BEN)
            assert second.announcements == [AGENT.phrases.busy]
            assert second.dialled == [COLLEAGUE]
            assert at.legs(COLLEAGUE)[0].state == "completed"
            await first.over.wait()

    run(scene())
