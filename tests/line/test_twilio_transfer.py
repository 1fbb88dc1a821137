"""Errands: a call leaves its stream, something is done for it, and it comes back or is over."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any
from xml.etree import ElementTree

import pytest
from exchange import CALL, PUBLIC, DialsInMemory, ListeningDesk, Reply, Socket, SteersInMemory, Wire, stop

from client_caller.conversation.actions import SendKeys, Transfer
from client_caller.errors import CallRefused, CallUnsure, CarrierFailed
from client_caller.line.control import DialOrder
from client_caller.line.protocol import Errand, Line, Past
from virtual import run

CALLER, OURS, COLLEAGUE = "+15550100001", "+15550100002", "+15550100009"
PARTIES = {"From": CALLER, "To": OURS}
RESUME = PUBLIC + "/twilio/resume"
COLD = Transfer(COLLEAGUE)
WARM = Transfer(COLLEAGUE, "A caller asks for a refund.")


class LeavingDesk(ListeningDesk):
    """Sends the first line of a call on an errand, and listens to all others."""

    def __init__(self, errand: Errand) -> None:
        super().__init__(places=1)
        self.errand: Errand | None = errand
        self.back_from: list[str] = []

    async def answer(self, line: Line) -> None:
        self.back_from.append(line.back_from)
        if self.errand is not None:
            errand, self.errand = self.errand, None
            await line.leave(errand)
        await super().answer(line)


class Transferred:
    """One call whose agent has sent it on an errand, and what was asked about it since."""

    def __init__(
        self, errand: Errand, dials: DialsInMemory | None = None, steers: SteersInMemory | None = None
    ) -> None:
        self.desk = LeavingDesk(errand)
        self.dials = dials
        self.steers = steers
        self.wire = Wire(self.desk, dials=dials, steers=steers)

    async def leave(self, path: str = "/twilio/voice") -> Socket:
        socket = await self.wire.stream(path=path, **PARTIES)
        assert await socket.closing_code() == 1000
        return socket

    async def post(self, path: str, **fields: str) -> Reply:
        return await self.wire.post(path, **PARTIES, **fields)

    async def hold(self) -> str:
        """The caller is put on hold. Gives the id of the handover once the colleague's telephone rings."""
        await self.leave()
        dial = ElementTree.fromstring((await self.post("/twilio/resume")).text)[0]
        assert dial.attrib["action"].startswith(PUBLIC + "/twilio/held#")
        [conference] = dial
        assert [conference.tag, conference.attrib["startConferenceOnEnter"]] == ["Conference", "false"]
        await asyncio.sleep(0.01)
        return str(conference.text)

    async def colleague(self, path: str, **fields: str) -> Reply:
        return await self.wire.post(f"/twilio/colleague/{path}", CallSid="CA-colleague-1", To=COLLEAGUE, **fields)

    async def is_back_from(self, how: str) -> None:
        """The caller is asked back, follows, and the desk has the line again."""
        assert self.steers is not None
        called, url = self.steers.led[-1]
        assert (called, url) == (CALL, f"{RESUME}?back={how}")
        await self.wire.stream(path=url.removeprefix(PUBLIC))
        assert self.desk.back_from == ["", how]
        assert len(self.desk.lines) == 1


def warm(dials: DialsInMemory | None = None, steers: SteersInMemory | None = None) -> Transferred:
    return Transferred(WARM, dials or DialsInMemory(), steers or SteersInMemory())


def verbs(reply: Reply) -> list[str]:
    return [verb.tag for verb in ElementTree.fromstring(reply.text)]


def test_keys_are_pressed_and_the_call_comes_back_without_having_lost_a_stream() -> None:
    async def main() -> None:
        call = Transferred(SendKeys("1w2#"))
        await call.leave()
        for _ in range(2):  # Twilio may ask twice
            play, redirect = ElementTree.fromstring((await call.post("/twilio/resume")).text)
            assert [play.tag, play.attrib] == ["Play", {"digits": "1w2#"}]
            assert (redirect.text or "").partition("#")[0] == RESUME + "?back=keys"
        await call.wire.stream(path="/twilio/resume?back=keys")
        assert call.desk.back_from == ["", "keys"]
        assert call.desk.losses == ["the stream was given up"]

    run(main())


def test_errands_are_not_counted_as_streams_that_broke() -> None:
    async def main() -> None:
        call = Transferred(SendKeys("1"))
        path = "/twilio/voice"
        for _ in range(10):
            await call.leave(path)
            assert verbs(await call.post("/twilio/resume")) == ["Play", "Redirect"]
            call.desk.errand, path = SendKeys("1"), "/twilio/resume?back=keys"
        assert call.desk.back_from == ["", *["keys"] * 9]

    run(main())


def test_only_the_next_stream_is_told_what_the_call_is_back_from() -> None:
    async def main() -> None:
        call = Transferred(SendKeys("1"))
        await call.leave()
        await call.post("/twilio/resume")
        (await call.wire.stream(path="/twilio/resume?back=keys")).cut()
        await asyncio.sleep(0.01)
        await call.wire.stream(path="/twilio/resume")
        assert call.desk.back_from == ["", "keys", ""]

    run(main())


def test_twilio_is_told_to_ask_what_is_next_before_the_stream_is_closed() -> None:
    async def main() -> None:
        call = Transferred(COLD, steers=SteersInMemory())
        await call.leave()
        assert call.steers is not None
        assert call.steers.led == [(CALL, RESUME)]

    run(main())


def test_a_call_that_twilio_does_not_lead_away_leaves_by_closing_its_stream(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        call = Transferred(COLD, steers=SteersInMemory(fails=1))
        await call.leave()
        assert verbs(await call.post("/twilio/resume")) == ["Dial"]

    run(main())
    assert [record.message for record in caplog.records] == ["a call is led away by closing its stream"]


def test_the_next_step_is_answered_at_once_though_the_old_stream_lingers() -> None:
    class Slow(SteersInMemory):
        async def lead_to(self, call_id: str, url: str) -> None:
            await asyncio.sleep(5.0)

    async def main() -> None:
        call = Transferred(COLD, steers=Slow())
        await call.wire.stream(**PARTIES)
        reply = await call.post("/twilio/resume")
        assert verbs(reply) == ["Dial"]
        assert reply.told_s < 0.1

    run(main())


@pytest.mark.parametrize(("path", "shown"), [("/twilio/voice", None), ("/twilio/voice/order-7", CALLER)])
def test_a_caller_is_put_through_under_their_own_number_and_whom_we_called_under_ours(
    path: str, shown: str | None
) -> None:
    async def main() -> None:
        call = Transferred(COLD)
        await call.leave(path)
        [dial] = ElementTree.fromstring((await call.post("/twilio/resume")).text)
        assert [dial.tag, dial.text, dial.attrib.get("callerId")] == ["Dial", COLLEAGUE, shown]
        assert dial.attrib["action"].startswith(PUBLIC + "/twilio/dialled#")
        assert [dial.attrib["timeout"], dial.attrib["answerOnBridge"]] == ["25", "true"]

    run(main())


@pytest.mark.parametrize("status", ["completed", "answered"])
def test_a_call_that_was_put_through_is_over_with_that(status: str) -> None:
    async def main() -> None:
        call = Transferred(COLD)
        await call.leave()
        await call.post("/twilio/resume")
        assert verbs(await call.post("/twilio/dialled", DialCallStatus=status)) == ["Hangup"]
        assert verbs(await call.post("/twilio/resume")) == ["Hangup"]

    run(main())


@pytest.mark.parametrize(
    ("status", "back"),
    [("busy", "busy"), ("no-answer", "no-answer"), ("failed", "failed"), ("canceled", "failed"), ("", "failed")],
)
def test_a_call_that_nobody_took_comes_back_to_the_agent(status: str, back: str) -> None:
    async def main() -> None:
        call = Transferred(COLD)
        await call.leave()
        await call.post("/twilio/resume")
        await call.wire.stream(path="/twilio/dialled", DialCallStatus=status)
        assert call.desk.back_from == ["", back]

    run(main())


def test_a_caller_who_hangs_up_while_it_rings_is_gone() -> None:
    async def main() -> None:
        call = Transferred(COLD)
        await call.leave()
        await call.post("/twilio/resume")
        reply = await call.post("/twilio/dialled", DialCallStatus="no-answer", CallStatus="completed")
        assert verbs(reply) == ["Hangup"]

    run(main())


def test_a_new_process_takes_back_a_call_that_nobody_took() -> None:
    async def main() -> None:
        desk = ListeningDesk(places=0)
        desk.pasts[CALL] = Past(over=False)
        wire = Wire(desk)
        await wire.stream(path="/twilio/dialled", DialCallStatus="busy", **PARTIES)
        assert desk.lines[0].back_from == "busy"
        assert verbs(await Wire(ListeningDesk()).post("/twilio/dialled", DialCallStatus="completed")) == ["Hangup"]
        assert verbs(await Wire(ListeningDesk()).post("/twilio/held")) == ["Hangup"]

    run(main())


def test_room_is_kept_for_a_caller_who_may_come_back() -> None:
    async def main() -> None:
        call = Transferred(COLD)
        await call.leave()
        await call.post("/twilio/resume")
        await asyncio.sleep(30.0)
        assert "<Stream" not in (await call.wire.post("/twilio/voice", CallSid="CA2")).text
        await call.post("/twilio/dialled", DialCallStatus="completed")
        assert "<Stream" in (await call.wire.post("/twilio/voice", CallSid="CA2")).text

    run(main())


@pytest.mark.parametrize("known", ["nobody", "dials only", "steers only"])
def test_without_control_over_calls_nobody_is_briefed_and_the_caller_is_put_through(
    known: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        call = Transferred(
            WARM,
            DialsInMemory() if known == "dials only" else None,
            SteersInMemory() if known == "steers only" else None,
        )
        await call.leave()
        assert verbs(await call.post("/twilio/resume")) == ["Dial"]
        assert "Conference" not in (await call.post("/twilio/resume")).text

    run(main())
    assert {record.message for record in caplog.records} == {"nobody can be briefed: a call is put through at once"}


def test_a_colleague_is_rung_up_once_while_the_caller_is_on_hold() -> None:
    async def main() -> None:
        call = warm()
        handover = await call.hold()
        again = await call.post("/twilio/resume")
        await call.wire.settle()
        assert handover in again.text
        assert handover.startswith(CALL + "-")
        assert call.dials is not None
        assert call.dials.orders == [
            DialOrder(handover, COLLEAGUE, OURS, ring_s=25, path="colleague", detect_machine=False)
        ]

    run(main())


def test_a_slow_carrier_keeps_no_caller_from_being_put_on_hold() -> None:
    async def main() -> None:
        call = warm(DialsInMemory(takes_s=10.0))
        await call.leave()
        assert (await call.post("/twilio/resume")).told_s < 0.1

    run(main())


def test_a_colleague_hears_the_briefing_and_is_asked_twice() -> None:
    async def main() -> None:
        call = warm()
        handover = await call.hold()
        first, second, then = ElementTree.fromstring((await call.colleague(handover)).text)
        assert [first.tag, second.tag, then.tag] == ["Gather", "Gather", "Redirect"]
        assert first.attrib == second.attrib
        assert first.attrib["action"] == then.text
        assert (then.text or "").startswith(f"{PUBLIC}/twilio/colleague/{handover}/choice#")
        said = first[0].text or ""
        assert said.startswith("A caller asks for a refund.")
        assert "Press 1" in said

    run(main())


def test_a_colleague_who_takes_the_call_meets_the_caller_and_then_it_is_over() -> None:
    async def main() -> None:
        call = warm()
        handover = await call.hold()
        await call.colleague(handover)
        for _ in range(2):  # Twilio may ask twice
            dial, ended = ElementTree.fromstring((await call.colleague(handover + "/choice", Digits="1")).text)
            assert [dial[0].tag, dial[0].text, ended.tag] == ["Conference", handover, "Hangup"]
            assert dial[0].attrib["startConferenceOnEnter"] == "true"
        assert verbs(await call.post("/twilio/held")) == ["Hangup"]
        await call.colleague(handover + "/status", CallStatus="completed")
        await call.wire.settle()
        assert call.steers is not None
        assert (call.steers.led, call.steers.ended) == ([(CALL, RESUME)], [])
        assert call.desk.back_from == [""]

    run(main())


@pytest.mark.parametrize("keys", [{"Digits": "2"}, {"Digits": "9"}, {"Digits": ""}, {}])
def test_a_colleague_who_declines_or_presses_nothing_does_not_get_the_call(keys: dict[str, str]) -> None:
    async def main() -> None:
        call = warm()
        handover = await call.hold()
        await call.colleague(handover)
        for _ in range(2):
            assert verbs(await call.colleague(handover + "/choice", **keys)) == ["Say", "Hangup"]
        await call.colleague(handover + "/status", CallStatus="completed")
        await call.wire.settle_webhooks()
        assert call.steers is not None
        assert len(call.steers.led) == 2
        await call.is_back_from("declined")

    run(main())


@pytest.mark.parametrize(
    ("status", "back"),
    [
        ("busy", "busy"),
        ("no-answer", "no-answer"),
        ("canceled", "no-answer"),
        ("failed", "failed"),
        ("completed", "declined"),
    ],
)
def test_a_caller_whose_colleague_cannot_be_had_comes_back_to_the_agent(status: str, back: str) -> None:
    async def main() -> None:
        call = warm()
        handover = await call.hold()
        for reached in ("initiated", "ringing", status, status):
            await call.colleague(handover + "/status", CallStatus=reached)
        await call.wire.settle_webhooks()
        await call.is_back_from(back)

    run(main())


@pytest.mark.parametrize("why", [CallRefused("not a number", 21211), CallUnsure("it broke off")])
def test_a_colleague_who_cannot_be_rung_up_fails_the_transfer(why: CarrierFailed) -> None:
    async def main() -> None:
        call = warm(DialsInMemory(fails=why))
        handover = await call.hold()
        await call.is_back_from("failed")
        assert verbs(await call.colleague(handover)) == ["Say", "Hangup"]  # if they were rung up all the same

    run(main())


def gone(call: Transferred, how: str) -> Coroutine[Any, Any, Reply]:
    if how == "held":
        return call.post("/twilio/held", CallStatus="completed", DialCallStatus="completed")
    return call.post("/twilio/status", CallStatus="completed")


@pytest.mark.parametrize("how", ["held", "status"])
def test_a_caller_who_hangs_up_on_hold_ends_the_colleague_s_call(how: str) -> None:
    async def main() -> None:
        call = warm()
        handover = await call.hold()
        await call.colleague(handover)
        await gone(call, how)
        await call.wire.settle_webhooks()
        assert call.steers is not None
        assert call.steers.ended == ["CA-colleague-1"]
        assert verbs(await call.colleague(handover + "/choice", Digits="1")) == ["Say", "Hangup"]
        await call.colleague(handover + "/status", CallStatus="completed")
        assert len(call.steers.led) == 1

    run(main())


def test_a_colleague_s_call_is_ended_though_the_caller_left_before_it_had_a_name() -> None:
    async def main() -> None:
        call = warm(DialsInMemory(takes_s=3.0))
        await call.hold()
        await gone(call, "held")
        await call.wire.settle()
        assert call.steers is not None
        assert call.steers.ended == ["CA-colleague-1"]

    run(main())


def test_a_colleague_s_call_that_cannot_be_ended_is_no_calamity(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        steers = SteersInMemory()
        call = warm(steers=steers)
        await call.hold()
        steers.fails = 1
        await gone(call, "status")
        await call.wire.settle()

    run(main())
    assert [record.message for record in caplog.records] == ["a colleague's call could not be ended"]


def test_a_caller_is_led_back_though_the_carrier_fails_twice() -> None:
    async def main() -> None:
        steers = SteersInMemory()
        call = warm(steers=steers)
        handover = await call.hold()
        steers.fails = 2
        await call.colleague(handover + "/status", CallStatus="busy")
        await call.wire.settle_webhooks()
        await call.is_back_from("busy")

    run(main())


@pytest.mark.parametrize("meanwhile", ["hung up", "came back all the same"])
def test_nobody_is_led_back_who_is_not_on_hold_any_more(meanwhile: str) -> None:
    async def main() -> None:
        steers = SteersInMemory()
        call = warm(steers=steers)
        handover = await call.hold()
        steers.fails = 1
        await call.colleague(handover + "/status", CallStatus="busy")
        if meanwhile == "hung up":
            await gone(call, "status")
        else:
            await call.wire.stream(path="/twilio/resume?back=busy")
        await call.wire.settle_webhooks()
        assert [steers.fails, len(steers.led)] == [0, 1]

    run(main())


def test_a_caller_who_cannot_be_led_back_is_told_of_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        steers = SteersInMemory()
        call = warm(steers=steers)
        handover = await call.hold()
        steers.fails = 1_000
        await call.colleague(handover + "/choice")
        await call.wire.settle()
        assert len(steers.led) == 1

    run(main())
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "a caller is left on hold"
    ]


def test_a_caller_who_never_met_the_colleague_that_took_the_call_comes_back() -> None:
    async def main() -> None:
        call = warm()
        handover = await call.hold()
        await call.colleague(handover + "/choice", Digits="1")
        await call.colleague(handover + "/status", CallStatus="completed")
        await call.wire.settle_webhooks()
        await call.is_back_from("failed")

    run(main())


def test_a_caller_whose_hold_ends_by_itself_comes_back() -> None:
    async def main() -> None:
        call = warm()
        handover = await call.hold()
        await call.wire.stream(path="/twilio/held", **PARTIES)
        assert call.desk.back_from == ["", "failed"]
        assert verbs(await call.colleague(handover)) == ["Say", "Hangup"]

    run(main())


def test_what_is_heard_late_of_an_earlier_transfer_changes_nothing_of_a_later_one() -> None:
    async def main() -> None:
        call = warm()
        first = await call.hold()
        await call.colleague(first + "/status", CallStatus="busy")
        await call.wire.settle_webhooks()
        call.desk.errand = Transfer(COLLEAGUE, "Again.")
        await call.leave("/twilio/resume?back=busy")
        second = ElementTree.fromstring((await call.post("/twilio/resume")).text)[0][0].text or ""
        await call.wire.settle()
        assert second != first
        assert verbs(await call.colleague(first + "/choice", Digits="1")) == ["Say", "Hangup"]
        assert call.dials is not None
        assert [order.id for order in call.dials.orders] == [first, second]
        assert "Again." in (await call.colleague(second)).text

    run(main())


def test_another_process_goes_on_with_a_colleague_who_was_rung_up() -> None:
    async def main() -> None:
        handover = await (call := warm()).hold()
        steers = SteersInMemory()
        for keys, verb in (("1", "Dial"), ("2", "Say")):
            other = Wire(ListeningDesk(), dials=call.dials, steers=steers)
            asked = await other.post(f"/twilio/colleague/{handover}", CallSid="CA-colleague-1")
            assert "Press 1" in asked.text
            reply = await other.post(f"/twilio/colleague/{handover}/choice", CallSid="CA-colleague-1", Digits=keys)
            assert verbs(reply)[0] == verb
            await other.settle()
        assert steers.led == [(CALL, RESUME + "?back=declined")]

    run(main())


def test_a_caller_who_leaves_an_agent_for_good_is_no_loss() -> None:
    async def main() -> None:
        call = Transferred(COLD)
        (await call.leave()).say(stop())
        await call.post("/twilio/status", CallStatus="completed")
        assert verbs(await call.post("/twilio/resume")) == ["Hangup"]

    run(main())
