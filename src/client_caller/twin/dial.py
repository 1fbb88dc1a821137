"""`<Dial>`: the call is connected to telephones, a conference, or who waits in a line.

In:   the verb.     Out: how it went, to its `action`; or the next verb.
Rule: the dialled leg goes through its own life; here are only the ringing, the conversation and its end.

Source: twilio.com/docs/voice/twiml/dial, .../number. Of several numbers the first to take the call has it. A called
party that hangs up during its own document counts as "completed", with DialBridged false: what Twilio says then is not
written down, and who reads the status alone is misled.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Final
from xml.etree.ElementTree import Element

from client_caller.twin.conference import confer
from client_caller.twin.handset import STRIDE_S, Handset, PersonHungUp, converse
from client_caller.twin.interpreter import NOT_IN_THE_SCHEMA, DocumentFailed, Interpreter, Next
from client_caller.twin.leg import Ending, Leg
from client_caller.twin.life import carry_dialled
from client_caller.twin.orders import Order, RecordingOrder, Step
from client_caller.twin.places import Waiter, WaitingLine

_RINGS_S: Final = "30"
_LIMIT_S: Final = "14400"


@dataclass(frozen=True, slots=True)
class _Dialled:
    """How it went. status: as DialCallStatus says it."""

    status: str
    sid: str = ""
    duration_s: int = 0
    is_bridged: bool = False


async def dial(run: Interpreter, verb: Element) -> Next:
    """Connect the call, until the other side is gone."""
    nouns = list(verb)
    conference, queue = verb.find("Conference"), verb.find("Queue")
    numbers = [each for each in nouns if each.tag == "Number"] or ([] if nouns else [verb])
    with _recorded(run, verb) as fields:
        if conference is not None:
            sid, duration_s = await confer(run, conference, float(verb.get("timeLimit", _LIMIT_S)))
            dialled = _Dialled("answered", sid, duration_s, True)
        elif queue is not None:
            dialled = await _take_from(run, verb, (queue.text or "").strip())
        elif numbers:
            dialled = await _Numbers(run, verb, numbers).connect()
        else:
            raise DocumentFailed(NOT_IN_THE_SCHEMA, f"Dial holds {nouns[0].tag}, which is not known here")
    if not verb.get("action"):
        return None
    told = {"DialCallStatus": dialled.status, "DialBridged": str(dialled.is_bridged).lower()}
    if dialled.sid:
        told |= {"DialCallSid": dialled.sid, "DialCallDuration": str(dialled.duration_s)}
    return run.step(verb, told | fields)


@contextmanager
def _recorded(run: Interpreter, verb: Element) -> Iterator[dict[str, str]]:
    """Keep a recording meanwhile, if the verb asks for one; its fields, once it is over."""
    fields: dict[str, str] = {}
    how = verb.get("record", "do-not-record")
    if how in {"do-not-record", "false"}:
        yield fields
        return
    hook = run.hook(verb, "recordingStatusCallback", ("completed",))
    channels = 2 if how.endswith("dual") else 1
    kept = run.leg.record_from_now(RecordingOrder("DialVerb", channels, hook=hook))
    try:
        yield fields
    finally:
        run.leg.stop_recording(kept)
        fields |= run.leg.recording_fields(kept)


class _Numbers:
    """Telephones that ring at once."""

    def __init__(self, run: Interpreter, verb: Element, numbers: list[Element]) -> None:
        self._run = run
        self._leg = run.leg
        self._limit_s = float(verb.get("timeLimit", _LIMIT_S))
        own = self._leg.record.from_ if self._leg.record.direction == "inbound" else self._leg.record.to
        from_ = verb.get("callerId", own)
        ring_s = float(verb.get("timeout", _RINGS_S))
        self._legs = [self._called(number, from_, ring_s) for number in numbers]

    def _called(self, number: Element, from_: str, ring_s: float) -> Leg:
        run, to = self._run, (number.text or "").strip()
        self._leg.record.dialled.append(to)
        url = number.get("url")
        first = run.step(number, {}, url) if url else None
        order = Order(
            first=first and Step(first.url, first.method, kind="number"),
            status=run.hook(number, events=("completed",)),
            ring_s=ring_s,
            send_digits=number.get("sendDigits", ""),
        )
        exchange = self._leg.exchange
        return Leg(exchange, exchange.people(to), order, to, from_, "outbound-dial", self._leg.sid)

    async def connect(self) -> _Dialled:
        """Ring them, and speak with the first to take the call. Raises PersonHungUp of the one who dialled."""
        tasks, legs, taken = self._leg.exchange.tasks, self._legs, None
        lives = [tasks.create_task(carry_dialled(Interpreter(each, self._run.verbs))) for each in legs]
        try:
            await self._leg.hear(inf, lambda: any(leg.parked for leg in legs) or all(life.done() for life in lives))
            taken = next((leg for leg in legs if leg.parked), None)
            if taken is not None:
                await self._speak_with(taken)
        finally:
            _let_go(legs, taken)
        ending = [life for leg, life in zip(legs, lives, strict=True) if leg is not taken or leg.parked or leg.is_over]
        if ending:  # who was taken and then led elsewhere by REST goes on
            await asyncio.wait(ending)
        return _dialled(taken or legs[-1], taken is not None)

    async def _speak_with(self, taken: Leg) -> None:
        _let_go([leg for leg in self._legs if leg is not taken], None)
        self._leg.answer()
        try:
            await speak(self._leg.handset, taken.handset, lambda: not taken.parked, self._limit_s)
        except PersonHungUp as hung_up:
            if hung_up.handset is self._leg.handset:
                raise
            taken.interrupt(Ending("completed", "person"))


def _let_go(legs: Iterable[Leg], taken: Leg | None) -> None:
    """End dialled legs, or release the one that spoke."""
    for leg in legs:
        leg.released.set()
        if leg is not taken and not leg.is_over:
            leg.interrupt(Ending("completed", "document"))


def _dialled(leg: Leg, is_bridged: bool) -> _Dialled:
    if leg.answered_at is None:
        return _Dialled(leg.status, leg.sid)
    until = asyncio.get_running_loop().time() if leg.ended_at is None else leg.ended_at
    return _Dialled("completed", leg.sid, round(until - leg.answered_at), is_bridged)


async def speak(one: Handset, other: Handset, until: Callable[[], bool], limit_s: float) -> None:
    """Have two telephones hear each other, until it is so. Raises PersonHungUp of either."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + limit_s
    for each in (one, other):
        each.begin(loop.time())
    while not until() and loop.time() < ends_at:
        await asyncio.sleep(STRIDE_S)
        converse(one, other, loop.time())


async def _take_from(run: Interpreter, verb: Element, name: str) -> _Dialled:
    """Speak with who has waited longest in a line, or comes into it before the verb's timeout."""
    leg = run.leg
    leg.record.dialled.append(name)
    await leg.hear(float(verb.get("timeout", _RINGS_S)), lambda: _longest(leg, name) is not None)
    waiter = _longest(leg, name)
    if waiter is None:
        return _Dialled("no-answer")
    return await _speak_with_waiter(run, leg.exchange.lines[name], waiter, float(verb.get("timeLimit", _LIMIT_S)))


def _longest(leg: Leg, name: str) -> Waiter | None:
    line = leg.exchange.lines.get(name)
    return line.waiting[0] if line is not None and line.waiting else None


async def _speak_with_waiter(run: Interpreter, line: WaitingLine, waiter: Waiter, limit_s: float) -> _Dialled:
    leg, loop = run.leg, asyncio.get_running_loop()
    line.waiting.remove(waiter)
    waiter.taken_by, began_at = leg.sid, loop.time()
    try:
        await speak(leg.handset, waiter.handset, lambda: waiter.gone, limit_s)
    except PersonHungUp as hung_up:
        if hung_up.handset is leg.handset:
            raise
        waiter.hung_up = True
    finally:
        waiter.released.set()
    return _Dialled("completed", waiter.call_sid, round(loop.time() - began_at), True)
