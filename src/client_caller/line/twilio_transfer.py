"""Errands: what a media stream cannot do, and Twilio does for it. Keys are pressed; callers are put through.

In:   calls that have left their stream; and, of a transfer, the colleague who is to take the call.
Out:  documents, and how it ended, with which the call comes back.
Rule: a transfer is settled once, and nothing cancels it half-way but its own end: a colleague who takes the call or
      does not, or a caller who hangs up.

With a briefing the caller waits in a conference, to music, while the colleague is rung up, told what it is about and
asked for a key: who presses none is a machine, or unwilling. The id of the handover begins with the caller's call, so
that another process can go on with it.

Source: twilio.com/docs/voice/twiml/dial, .../conference, .../gather, .../play (digits).
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from client_caller.conversation.actions import SendKeys, Transfer
from client_caller.errors import CarrierFailed
from client_caller.line import twiml
from client_caller.line.control import DialOrder, Dials, Steers
from client_caller.line.protocol import OVER, Errand
from client_caller.line.twilio_calls import Call, Calls, Handover
from client_caller.line.twilio_requests import Answer, Asked, resume_url

log = logging.getLogger("client_caller.line")

_RING_S: Final = 25
_KEY_WITHIN_S: Final = 8
_TAKE: Final = "1"
_CHOICE: Final = "Press 1 to take the call, or 2 to decline."
_UNTOLD: Final = "A caller would like to talk to you."
_THANKS: Final = "Thank you. Goodbye."
_GONE: Final = "The caller is not waiting any more. Goodbye."
"""What a colleague is told, beside the briefing."""

_PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds between tries to lead a caller back, who would otherwise be on hold for ever: two minutes of an outage."""

_PARTED_S: Final = 5.0
"""Seconds after a colleague's call in which that of the caller, who was in conference with them, ends as well."""

_CALL_ID: Final = re.compile(r"[A-Za-z0-9_]{1,40}")

_DIALLED: Final = {"completed": "", "answered": "", "busy": "busy", "no-answer": "no-answer"}
_UNTAKEN: Final = {"busy": "busy", "failed": "failed", "completed": "declined"}

Then = Callable[[], Awaitable[None]]


class Errands:
    """Runs them. dials, steers: without both, nobody is briefed, and the call simply rings there."""

    def __init__(self, calls: Calls, dials: Dials | None, steers: Steers | None) -> None:
        self._calls = calls
        self._dials = dials
        self._steers = steers

    def run(self, asked: Asked, call: Call, errand: Errand) -> Answer:
        """The document that runs the errand the call is away for; asked again, the same one, and nothing else."""
        match errand:
            case SendKeys(keys=keys):
                return Answer(twiml.press_keys(keys, resume_url(asked.public, call.parties.order, "keys")))
            case Transfer(to=to, briefing=briefing) as order:
                if briefing and self._dials and self._steers and call.parties.ours and _CALL_ID.fullmatch(call.id):
                    return self._hand_over(asked, call, order, self._dials)
                if briefing:
                    log.warning("nobody can be briefed: a call is put through at once", extra={"call": call.id})
                shown = call.parties.ours if call.parties.order else ""  # of a call we placed, Twilio knows no caller
                return Answer(twiml.dial(to, _RING_S, f"{asked.public}/twilio/dialled", shown))

    def dialled(self, asked: Asked) -> str:
        """How a transfer without a briefing ended: what the call comes back from, empty if it does not."""
        return "" if asked.is_over else _DIALLED.get(asked.form.get("DialCallStatus", ""), "failed")

    def held(self, asked: Asked, call: Call) -> str:
        """The same of one with a briefing: the caller does not wait any more, or not in that conference."""
        handover = call.handover
        if asked.is_over or handover is None:  # another process began it: it is over, then, as it mostly is
            return ""
        handover.settle("failed")
        return "" if handover.ended in ("accepted", "gone") else handover.ended

    def end(self, call: Call) -> Then | None:
        """The caller has gone; what is left to be done, if somebody was being asked to take the call."""
        handover, steers = call.handover, self._steers
        if handover is None or steers is None or not handover.settle("gone"):
            return None
        return partial(_dismiss, steers, handover)

    def colleague(self, asked: Asked) -> Answer:
        """A colleague has picked up: tell them, and ask."""
        _, handover = self._found(asked)
        if handover.ended:
            return Answer(twiml.say_and_hang_up(_GONE))
        sentence = f"{handover.order.briefing or _UNTOLD} {_CHOICE}"
        return Answer(
            twiml.ask_for_a_key(sentence, _KEY_WITHIN_S, f"{asked.public}/twilio/colleague/{asked.id}/choice")
        )

    def choice(self, asked: Asked) -> Answer:
        """A colleague has chosen, by a key or by pressing none."""
        call, handover = self._found(asked)
        is_news = handover.settle("accepted" if asked.form.get("Digits") == _TAKE else "declined")
        if handover.ended == "accepted":
            return Answer(twiml.join(handover.id))
        if handover.ended == "declined":
            back = partial(self._lead_back, call, handover)
            return Answer(twiml.say_and_hang_up(_THANKS), back if is_news else None)
        return Answer(twiml.say_and_hang_up(_GONE))

    def colleague_status(self, asked: Asked) -> Answer:
        """The colleague's call has ended, picked up or not."""
        status = asked.form.get("CallStatus", "")
        if status not in OVER:
            return Answer()
        call, handover = self._found(asked)
        if handover.settle(_UNTAKEN.get(status, "no-answer")):
            return Answer(then=partial(self._lead_back, call, handover))
        if handover.ended == "accepted":
            return Answer(then=partial(self._see_parted, call, handover))
        return Answer()

    def _found(self, asked: Asked) -> tuple[Call, Handover]:
        """The caller's call, and the handover that a colleague asks about; another process may have begun it."""
        call = self._calls.of(asked.id.rpartition("-")[0])
        if call.handover is None:
            call.public = asked.public
            call.handover = Handover(asked.id, Transfer(""), asked.call_id, "gone" if call.over else "")
        if call.handover.id != asked.id:  # a later one has taken its place
            return call, Handover(asked.id, Transfer(""), asked.call_id, "gone")
        call.handover.colleague = asked.call_id
        return call, call.handover

    def _hand_over(self, asked: Asked, call: Call, order: Transfer, dials: Dials) -> Answer:
        """The caller waits, and the colleague is rung up; asked again, the caller waits where they did."""
        then: Then | None = None
        handover = call.handover
        if handover is None or handover.order is not order:
            handover = call.handover = Handover(f"{call.id}-{secrets.token_hex(8)}", order)
            then = partial(self._ring_up, call, handover, dials)
        return Answer(twiml.hold(handover.id, f"{asked.public}/twilio/held"), then)

    async def _ring_up(self, call: Call, handover: Handover, dials: Dials) -> None:
        to, ours = handover.order.to, call.parties.ours
        try:
            handover.colleague = await dials.dial(
                DialOrder(handover.id, to, ours, ring_s=_RING_S, path="colleague", detect_machine=False)
            )
        except CarrierFailed as failed:
            log.warning("a colleague could not be rung up", extra={"call": call.id, "why": str(failed)})
            if handover.settle("failed"):
                await self._lead_back(call, handover)
            return
        if handover.ended in ("gone", "failed") and self._steers:  # before the carrier had a name for this call
            await _dismiss(self._steers, handover)

    async def _lead_back(self, call: Call, handover: Handover) -> None:
        """Have the caller come back from hold, told how it ended."""
        url = resume_url(call.public, call.parties.order, handover.ended)
        for pause_s in (*_PAUSES_S, None):
            is_back = call.held and call.errand is None
            if call.over or is_back or self._steers is None:
                return
            try:
                await self._steers.lead_to(call.id, url)
            except CarrierFailed as failed:
                log.warning("a caller was not led back from hold", extra={"call": call.id, "why": str(failed)})
            else:
                return
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        log.error("a caller is left on hold", extra={"call": call.id})

    async def _see_parted(self, call: Call, handover: Handover) -> None:
        """A colleague who took the call has gone. If the caller has not, they never met."""
        await asyncio.sleep(_PARTED_S)
        if call.handover is handover:
            handover.ended = "failed"
            await self._lead_back(call, handover)


async def _dismiss(steers: Steers, handover: Handover) -> None:
    """End the colleague's call, if it is known: nobody is there for them to talk to."""
    if not handover.colleague:
        return
    try:
        await steers.hang_up(handover.colleague)
    except CarrierFailed as failed:
        log.warning("a colleague's call could not be ended", extra={"call": handover.colleague, "why": str(failed)})
