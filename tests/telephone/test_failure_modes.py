"""What may go wrong with a line, in whole calls on a simulated carrier; docs/reliability.md names what shows what.

A caller asks one question, hears the answer, and hangs up. The opening lasts 3.4 s, question and answer about two; the
answer begins some 6.5 s into the call.
"""

import ast
import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from client_caller.agent import AgentLimits, AgentOutbound
from client_caller.conversation.events import LineLost, LineResumed
from client_caller.hearing.scripted import LoudnessActivity
from client_caller.line.protocol import OVER, Parties, StateReached
from client_caller.records.flight import EventEntry
from client_caller.twin.carried import CarriedCall
from client_caller.twin.faults import Break, BreakAt, Faults, RestFault, WebhookFault
from client_caller.twin.people import Person
from telephone.world import (
    ADA,
    AGENT,
    BEN,
    CALLER,
    OURS,
    PUBLIC,
    REPLY,
    Telephone,
    engines,
    hear_out,
    leaving,
    person,
    say,
    stay,
    telephone,
    wait,
)
from virtual import VirtualLoop, run

ROOT = Path(__file__).parents[2]
OPENING = "Hello, this is Ruth, the automated assistant of Harbour Clinic. How can I help you?"
QUESTION = "what are your opening hours"
PHRASES = AGENT.phrases
PATIENT = AGENT.model_copy(update={"limits": AgentLimits(silence_s=120)})
CALLING = AGENT.model_copy(update={"outbound": AgentOutbound(reason="Your appointment is tomorrow. Will you come?")})

IN_THE_QUESTION_S, IN_THE_ANSWER_S = 5.0, 7.0
ANSWERED = [OPENING, REPLY]


def asker(quiet_s: float = 1.0) -> Person:
    """Asks one question. quiet_s: how long nothing must be heard before they hang up."""
    return person(hear_out(), say(QUESTION), hear_out(quiet_s))


def callee() -> Person:
    """Lifts, says hello, hears why we call, agrees, and hangs up after the answer."""
    return person(say("hello"), hear_out(), say("yes i will come"), hear_out())


def held(
    folder: Path,
    caller: Person,
    check: Callable[[Telephone, CarriedCall], Any],
    *,
    faults: Faults | None = None,
    **options: Any,
) -> None:
    """Hold one call in which this goes wrong, and look at it."""

    async def scene() -> None:
        async with telephone(folder, agent=PATIENT, faults=faults, **options) as at:
            call = await at.call(caller)
            check(at, call)

    run(scene())


def was_answered(at: Telephone, call: CarriedCall) -> None:
    """As if nothing had gone wrong: one stream, and every word said and heard."""
    assert at.said(call) == ANSWERED
    assert at.said(call, "caller") == [QUESTION]
    assert call.streams == 1


def once(what: Break, at_s: float) -> BreakAt:
    """Breaks the stream one time."""
    left = [what]
    return lambda at: left.pop() if left and at >= at_s else None


def at_webhooks(**faults: WebhookFault) -> Callable[[str, Mapping[str, str]], WebhookFault]:
    """What befalls webhooks of each kind."""
    return lambda kind, form: faults.get(kind, WebhookFault())


# The stream.


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_stream_that_breaks_is_followed_by_another_and_the_sentence_is_ended(tmp_path: Path, how: Break) -> None:
    def check(at: Telephone, call: CarriedCall) -> None:
        was_resumed(at, call, IN_THE_ANSWER_S)
        cut, rest = at.remembered(call)[-2:]
        assert cut.cut_by == "line"
        again = rest.text.removeprefix(f"{PHRASES.dropped} {PHRASES.as_i_said} ")  # from a word or two before
        assert REPLY.endswith(again)
        assert again.endswith(REPLY.removeprefix(cut.text).strip())

    held(tmp_path, asker(), check, faults=Faults(break_at=once(how, IN_THE_ANSWER_S)))


def test_a_line_on_which_nothing_comes_any_more_is_given_up_after_three_seconds(tmp_path: Path) -> None:
    """Nobody has closed it. What was said into it meanwhile is believed to be heard."""

    def check(at: Telephone, call: CarriedCall) -> None:
        was_resumed(at, call, IN_THE_ANSWER_S + 10.0)  # when the carrier has noticed, too
        (lost_at,) = [each.t for each in at.entries(call) if isinstance(each, EventEntry) and each.event == LineLost()]
        assert lost_at == pytest.approx(IN_THE_ANSWER_S + 3.0, abs=0.1)
        assert at.said(call)[-1] == f"{PHRASES.dropped} {PHRASES.go_on}"

    held(tmp_path, asker(13.0), check, faults=Faults(break_at=once("silence", IN_THE_ANSWER_S)))


def was_resumed(at: Telephone, call: CarriedCall, broke_at_s: float) -> None:
    """The call has lost one stream, got another within a tenth of a second, and knows what was said."""
    assert call.streams == 2
    assert len(at.happened(call, LineLost)) == len(at.happened(call, LineResumed)) == 1
    assert at.said(call, "caller") == [QUESTION]
    assert at.said(call)[0] == OPENING
    assert call.began_at is not None
    assert 0 <= call.asked("action")[0].at - call.began_at - broke_at_s < 0.1


def test_who_is_gone_while_the_line_is_broken_is_kept_as_lost(tmp_path: Path) -> None:
    faults = Faults(break_at=once("reset", IN_THE_ANSWER_S), webhook=at_webhooks(action=WebhookFault(lost=True)))

    async def scene() -> None:
        async with telephone(tmp_path, faults=faults) as at:
            call = await at.call(asker(30.0))
            assert (call.streams, call.hung_up_by) == (1, "fault")
            kept = await at.kept(call)
            assert (kept["call"]["state"], kept["call"]["outcome"]) == ("completed", "line lost")

    run(scene())


def test_a_carrier_that_tells_of_the_end_before_its_stream_breaks_is_believed(tmp_path: Path) -> None:
    faults = Faults(break_at=once("reset", IN_THE_ANSWER_S), webhook=at_webhooks(action=WebhookFault(lost=True)))

    async def scene() -> None:
        async with telephone(tmp_path, faults=faults) as at:
            leg = at.twin.begin_call_in(asker(30.0), OURS, CALLER)
            await asyncio.sleep(IN_THE_ANSWER_S - 0.1)
            at.house.hear_of(StateReached(leg.sid, Parties(CALLER, OURS), "completed"))
            await asyncio.sleep(1.0)
            assert (await at.kept(leg.sid))["call"]["outcome"] == "line lost"
            await leg.over.wait()

    run(scene())


def test_a_caller_whose_first_stream_cannot_be_opened_gets_another(tmp_path: Path) -> None:
    refused: list[str] = []

    async def scene() -> None:
        async with telephone(tmp_path) as at:
            app = at.network.apps[PUBLIC]

            async def deaf(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "websocket" and not refused:
                    refused.append(scope["path"])
                    await send({"type": "websocket.close", "code": 1013})
                else:
                    await app(scope, receive, send)

            at.network.apps[PUBLIC] = deaf
            call = await at.call(asker())
            assert call.codes == [31_920]
            was_answered(at, call)

    run(scene())
    assert refused


@pytest.mark.parametrize("lines", [12])
def test_a_rush_of_calls_beyond_what_may_wait_at_once_is_answered_all_the_same(tmp_path: Path, lines: int) -> None:
    """More sockets at one instant, of one address, than may wait for their start: the others come again."""

    async def scene() -> None:
        async with telephone(tmp_path, server={"calls_at_once": lines}) as at:
            legs = [at.twin.begin_call_in(person(hear_out()), OURS, f"+1212555{n:04}") for n in range(lines)]
            await at.twin.quiet()
            assert any(leg.record.codes for leg in legs)  # or nobody was turned away
            assert [leg.record.streams for leg in legs] == [1] * lines
            assert [at.said(leg.record) for leg in legs] == [[OPENING]] * lines

    run(scene())


def test_a_minute_in_which_nobody_speaks_costs_no_line(tmp_path: Path) -> None:
    """Whatever stands between the carrier and us, and gives up what is idle, has 50 messages a second to carry."""
    held(tmp_path, person(hear_out(), wait(65), say(QUESTION), hear_out()), lambda at, call: was_answered(at, call))


# Webhooks.


def test_a_call_whose_webhook_is_lost_is_answered_by_the_fallback(tmp_path: Path) -> None:
    def check(at: Telephone, call: CarriedCall) -> None:
        was_answered(at, call)
        assert len(call.asked("fallback")) == 1

    held(tmp_path, asker(), check, faults=Faults(webhook=at_webhooks(voice=WebhookFault(lost=True))))


def test_a_fresh_stream_that_cannot_be_asked_for_at_once_is_asked_for_again(tmp_path: Path) -> None:
    failed: list[str] = []

    async def scene() -> None:
        async with telephone(tmp_path, faults=Faults(break_at=once("reset", IN_THE_ANSWER_S))) as at:
            app = at.network.apps[PUBLIC]

            async def unwell(scope: Any, receive: Any, send: Any) -> None:
                if scope["path"] == "/twilio/resume" and len(failed) < 3:
                    failed.append(scope["path"])
                    await send({"type": "http.response.start", "status": 503, "headers": []})
                    await send({"type": "http.response.body", "body": b""})
                else:
                    await app(scope, receive, send)

            at.network.apps[PUBLIC] = unwell
            call = await at.call(asker(4.0))
            assert [each.status for each in call.asked("action")] == [503, 503, 503, 200]
            assert at.said(call)[-1].startswith(PHRASES.dropped)

    run(scene())


def test_whatever_is_asked_and_told_twice_counts_once(tmp_path: Path) -> None:
    async def scene() -> None:
        twice = lambda kind, form: WebhookFault(twice=True)  # noqa: E731
        async with telephone(tmp_path, faults=Faults(webhook=twice)) as at:
            call = await at.call(asker())
            was_answered(at, call)
            kinds = [entry["entry"] for entry in (await at.kept(call))["entries"]]
            assert sorted(kinds) == ["CallBegan", "CallEnded", "CallNoted", "CallReached"]

    run(scene())


@pytest.mark.parametrize(
    "late_s",
    [
        {"initiated": 9.0, "ringing": 6.0, "in-progress": 2.0},
        {"initiated": 0.0, "ringing": 40.0, "in-progress": 45.0},
        {"completed": 8.0, "ringing": 30.0},
    ],
)
def test_states_told_late_and_in_any_order_close_the_order_once(tmp_path: Path, late_s: dict[str, float]) -> None:
    def late(kind: str, form: Mapping[str, str]) -> WebhookFault:
        after_s = late_s.get(form.get("CallStatus", ""), 0.0) if kind == "status" else 0.0
        return WebhookFault(late_s=after_s, twice=kind == "status")

    async def scene() -> None:
        async with calling(tmp_path, faults=Faults(webhook=late)) as at:
            order = await at.office.call(ADA, "answering", {}, consent="by telephone")
            await asyncio.sleep(60)
            assert (await at.office.order(order) or {})["outcome"] == "talked"
            (call,) = at.legs(ADA)
            kept = await at.kept(call)
            assert (kept["call"]["state"], kept["call"]["outcome"]) == ("completed", "talked")
            assert [entry["entry"] for entry in kept["entries"]].count("CallEnded") == 1

    run(scene())


def test_a_call_of_whose_states_nothing_is_told_is_looked_up_and_closed(tmp_path: Path) -> None:
    async def scene() -> None:
        faults = Faults(webhook=at_webhooks(status=WebhookFault(lost=True)))
        async with calling(tmp_path, faults=faults) as at:
            order = await at.office.call(ADA, "answering", {}, consent="by telephone")
            await asyncio.sleep(1_000)
            assert (await at.office.order(order) or {})["outcome"] == "talked"

    run(scene())


def calling(folder: Path, **options: Any) -> Any:
    """An installation that places calls, to people who answer."""
    return telephone(folder, agent=CALLING, people=lambda number: callee(), **options)


# Who hangs up when.


def test_a_hundred_callers_who_hang_up_in_a_hundred_instants_leave_nothing_behind(tmp_path: Path) -> None:
    """Every 30 ms of a short call: in the greeting, the question, the pause, the thinking, the answer, the silence."""
    terse = AGENT.model_copy(update={"identity": "", "greeting": "Hello there."})

    async def scene() -> None:
        async with telephone(
            tmp_path, agent=terse, made_of=engines("Of course we can."), server={"calls_at_once": 100}
        ) as at:
            legs = []
            for n in range(100):
                caller = leaving(0.03 * n, hear_out(0.1), say("yes please"), hear_out(0.1), wait(9))
                legs.append(at.twin.begin_call_in(caller, OURS, CALLER))
                await asyncio.sleep(0.05)
            await at.twin.quiet()
            await asyncio.sleep(1)
            assert {leg.record.hung_up_by for leg in legs} == {"person"}
            assert {leg.record.state for leg in legs} == {"completed"}
            said = ["".join(at.said(leg.record)) for leg in legs if at.records(leg.record)]
            assert said[-1] == "Hello there.Of course we can."
            assert len(set(said)) > 5  # they hung up at different words
            outcomes = [(await at.kept(leg.record))["call"]["outcome"] for leg in legs if at.records(leg.record)]
            assert set(outcomes) == {"talked"}

    run(scene())


def test_callees_who_hang_up_in_every_phase_leave_no_order_open(tmp_path: Path) -> None:
    phases = 12

    def people(number: str) -> Person:
        return leaving(0.5 * int(number[-2:]), say("hello"), hear_out(), say("yes"), hear_out(), wait(9))

    async def scene() -> None:
        options = {"outbound": {"calls_per_s": 100, "calls_at_once": phases}, "server": {"calls_at_once": phases}}
        async with telephone(
            tmp_path, agent=CALLING, people=people, twin_options={"calls_per_second": 5}, **options
        ) as at:
            orders = [await at.office.call(f"+121255501{n:02}", "answering", {}, consent="yes") for n in range(phases)]
            await asyncio.sleep(120)
            found = [await at.office.order(order) or {} for order in orders]
            assert {each["state"] for each in found} == {"over"}
            assert {each["outcome"] for each in found} <= {"talked", "no-answer"}
            assert len({each["outcome"] for each in found}) == 2  # who hung up before a word was no human to us

    run(scene())


# Sound.


def test_a_server_that_does_not_read_for_a_while_loses_sound_and_not_the_call(tmp_path: Path) -> None:
    class Slow:
        """Judges one window, in the silence after the opening, for six seconds."""

        def __init__(self) -> None:
            self._well, self._windows = LoudnessActivity(), 0

        async def probability(self, window: Any) -> float:
            self._windows += 1
            if self._windows == 130:
                await asyncio.sleep(6)
            return await self._well.probability(window)

        def reset(self) -> None:
            self._well.reset()

    def check(at: Telephone, call: CarriedCall) -> None:
        assert call.codes == [31_930]
        was_answered(at, call)

    made_of = engines(activity=Slow)
    held(tmp_path, person(hear_out(), wait(9), say(QUESTION), hear_out()), check, made_of=made_of)


def test_a_process_that_stands_still_for_a_second_goes_on_where_it_was(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            leg = at.twin.begin_call_in(asker(), OURS, CALLER)
            await asyncio.sleep(IN_THE_ANSWER_S)
            cast(VirtualLoop, asyncio.get_running_loop()).stall(1.0)
            await leg.over.wait()
            was_answered(at, leg.record)
            assert leg.record.codes == []

    run(scene())


def test_a_carrier_that_reads_nothing_for_a_second_is_waited_for(tmp_path: Path) -> None:
    held(tmp_path, asker(), was_answered, faults=Faults(slow=((IN_THE_ANSWER_S, IN_THE_ANSWER_S + 1.0),)))


def test_a_carrier_that_reads_nothing_any_more_is_given_up_and_the_call_goes_on(tmp_path: Path) -> None:
    long = " ".join(["word"] * 60) + "."

    def check(at: Telephone, call: CarriedCall) -> None:
        assert call.streams == 2
        assert len(at.happened(call, LineLost)) == 1
        assert at.said(call)[-1].startswith(f"{PHRASES.dropped} {PHRASES.as_i_said}")

    faults = Faults(slow=((IN_THE_ANSWER_S, IN_THE_ANSWER_S + 15.0),))
    held(tmp_path, asker(16.0), check, faults=faults, made_of=engines(long))


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(Faults(bursts=((IN_THE_QUESTION_S, IN_THE_QUESTION_S + 0.8),)), id="a burst after a stall"),
        pytest.param(Faults(late_s=lambda slot: 0.2 * (slot % 40 == 0)), id="late now and then"),
        pytest.param(Faults(late_s=lambda slot: 0.3), id="always late"),
    ],
)
def test_sound_that_comes_late_is_understood_to_the_word(tmp_path: Path, faults: Faults) -> None:
    held(tmp_path, asker(), was_answered, faults=faults)


def test_a_gap_in_the_sound_is_no_pause_and_costs_a_letter(tmp_path: Path) -> None:
    def check(at: Telephone, call: CarriedCall) -> None:
        (heard,) = at.said(call, "caller")
        assert heard != QUESTION
        assert len(QUESTION) - 4 <= len(heard) < len(QUESTION)
        assert at.said(call) == ANSWERED

    held(tmp_path, asker(), check, faults=Faults(gaps=((IN_THE_QUESTION_S, IN_THE_QUESTION_S + 0.14),)))


def test_a_carrier_that_returns_no_marks_is_believed_to_play(tmp_path: Path) -> None:
    """A second later than they would tell, so who speaks sooner is taken to have broken in."""
    slow = person(hear_out(1.6), say(QUESTION), hear_out(1.6))
    held(tmp_path, slow, was_answered, faults=Faults(lose_marks=True))


# Requests to the carrier.


def test_we_hang_up_though_the_carrier_takes_no_requests(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path, faults=Faults(rest=lambda method, path: RestFault())) as at:
            call = await at.call(person(stay()))
            assert call.hung_up_by == "document"
            assert at.said(call)[-1] == PHRASES.farewell

    run(scene())


def test_a_call_that_waits_at_the_carrier_for_more_than_a_minute_is_called_off(tmp_path: Path) -> None:
    async def scene() -> None:
        async with calling(tmp_path, outbound={"calls_per_s": 10}, twin_options={"calls_per_second": 1 / 600}) as at:
            first, second = [await at.office.call(to, "answering", {}, consent="yes") for to in (ADA, BEN)]
            await asyncio.sleep(200)
            assert (await at.office.order(first) or {})["outcome"] == "talked"
            assert (await at.office.order(second) or {})["outcome"] == "canceled"
            assert [each.state for each in at.legs(BEN)[0].states] == ["queued", "canceled"]

    run(scene())


def test_a_colleague_s_telephone_that_cannot_be_silenced_rings_out_and_nobody_is_left_waiting(tmp_path: Path) -> None:
    agent = AGENT.model_copy(update={"transfer_to": BEN, "transfer_briefly": "{words}"})
    ends = lambda method, path: RestFault() if method == "POST" and "/Calls/" in path else None  # noqa: E731

    async def scene() -> None:
        people = lambda number: replace(person(stay()), ring_s=100.0)  # noqa: E731
        async with telephone(tmp_path, agent=agent, people=people, faults=Faults(rest=ends)) as at:
            call = await at.call(person(hear_out(), say("i want to talk to a human please"), hear_out(), wait(4)))
            await asyncio.sleep(40)
            assert call.hung_up_by == "person"
            assert at.legs(BEN)[0].state == "no-answer"
            assert (await at.kept(call))["call"]["state"] in OVER

    run(scene())


# What is written about all this.


def written() -> str:
    """The section of the document that is about the line."""
    document = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    return document.split("\n## The line\n")[1].split("\n## ")[0]


def names_in(path: Path) -> set[str]:
    """The names of the tests of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name for node in functions if node.name.startswith("test_")}


def test_every_test_that_the_document_names_exists_where_it_says() -> None:
    named = re.findall(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)", written())
    assert len(named) >= 20
    assert [name for name, path in named if name not in names_in(ROOT / path)] == []


def test_every_test_of_this_file_is_named_in_the_document() -> None:
    ours = {name for name in names_in(Path(__file__)) if not name.startswith("test_every_test")}
    assert [name for name in sorted(ours) if f"`{name}`" not in written()] == []
