"""Where a call goes for which there may be no room: to a stream, or what `Phrases.when_full` says.

In:   calls that ask for a stream; and, while they wait in Twilio's queue, what they ask there.     Out: documents.
Rule: first come, first served: nobody who has just called overtakes those who wait.

Source: twilio.com/docs/voice/twiml/enqueue. `waitUrl` is asked again whenever its document has been played; after
<Leave> the queue's `action` is asked.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from client_caller.line import twiml
from client_caller.line.protocol import CallBackWanted, Desk
from client_caller.line.twilio_calls import Call
from client_caller.line.twilio_requests import Answer, Asked
from client_caller.line.twilio_streams import Streams

log = logging.getLogger("client_caller.line")

_NAME: Final = "client-caller"
_PAUSE_S: Final = 5
"""Seconds of quiet between two sentences for who waits; the longest a free place stays empty, beside the sentence."""

_FORGET_S: Final = 30.0
_LONGEST_WAIT_S: Final = 600.0


@dataclass(slots=True)
class _Waiting:
    came_at: float
    asked_at: float


class WaitingLine:
    """Who waits, in the order of arrival. Whoever has not asked for half a minute is not there any more."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def ask(self, call_id: str, now: float, waited_s: float = 0.0) -> float:
        """Wait, or wait on; how long by now, in seconds.

        waited_s: what the carrier says of it, to be believed of a call that another process has put here.
        """
        waiting = self._waiting.setdefault(call_id, _Waiting(now - waited_s, now))
        waiting.asked_at = now
        return now - waiting.came_at

    def leave(self, call_id: str) -> None:
        """Wait no longer."""
        self._waiting.pop(call_id, None)

    def ahead(self, call_id: str, now: float) -> int:
        """How many come before this call: all, if it does not wait."""
        self._waiting = {waits: who for waits, who in self._waiting.items() if now - who.asked_at <= _FORGET_S}
        own = self._waiting.get(call_id)
        others = [who for who in self._waiting.values() if who is not own]
        return len(others) if own is None else sum(who.came_at < own.came_at for who in others)


class Reception:
    """Puts calls through, or has them wait."""

    def __init__(self, desk: Desk, streams: Streams) -> None:
        self._desk = desk
        self._streams = streams
        self._queue = WaitingLine()

    def connect(self, asked: Asked, call: Call) -> Answer:
        """A stream if there is room, or else what becomes of callers then."""
        if self._is_next(call):
            return self._put_through(asked, call)
        log.warning("a call found no room", extra={"call": call.id})
        phrases = self._desk.phrases
        when_full = "hang up" if call.parties.order else phrases.when_full  # whom we have rung up did not want anything
        if when_full == "forward" and phrases.transfer_to:
            return Answer(twiml.say_and_dial(phrases.busy, phrases.transfer_to))
        if when_full == "queue":
            self._queue.ask(call.id, _now())
            urls = f"{asked.public}/twilio/wait", f"{asked.public}/twilio/queue"
            return Answer(twiml.enqueue(phrases.busy, _NAME, *urls))
        if when_full == "call back" and call.tell_once("call back"):
            self._desk.hear_of(CallBackWanted(call.id, call.parties))
        return Answer(twiml.say_and_hang_up(phrases.busy))

    def wait(self, asked: Asked, call: Call) -> Answer:
        """A call in the queue asks what to do: leave it, or wait on."""
        if call.has_ended():
            return Answer(twiml.hang_up())
        waited_s = self._queue.ask(call.id, _now(), asked.number("QueueTime") or 0)
        phrases = self._desk.phrases
        if self._is_next(call):
            self._streams.promise(call)
            self._queue.leave(call.id)
            return Answer(twiml.leave())
        if waited_s > _LONGEST_WAIT_S:
            self._queue.leave(call.id)
            return Answer(twiml.say_and_hang_up(phrases.busy))
        return Answer(twiml.wait(phrases.queued, _PAUSE_S))

    def left(self, asked: Asked, call: Call) -> Answer:
        """A call has left the queue: a stream, unless it was its caller who left."""
        self._queue.leave(call.id)
        if asked.is_over or call.has_ended() or asked.form.get("QueueResult") == "hangup":
            self._streams.end(call)
            return Answer(twiml.hang_up())
        phrases = self._desk.phrases
        if wait_s := self._desk.ask_again_s:
            return Answer(twiml.ask_again(f"{asked.public}/twilio/voice", wait_s, phrases.wait))
        if self._is_next(call):
            return self._put_through(asked, call)
        return Answer(twiml.say_and_hang_up(phrases.busy))  # the queue was full or failed: not into it again

    def forget(self, call: Call) -> None:
        """The call is over: it does not wait."""
        self._queue.leave(call.id)

    def _is_next(self, call: Call) -> bool:
        return self._streams.has_room(call, self._queue.ahead(call.id, _now()))

    def _put_through(self, asked: Asked, call: Call) -> Answer:
        self._queue.leave(call.id)
        return Answer(self._streams.document(asked, call))


def _now() -> float:
    return asyncio.get_running_loop().time()
