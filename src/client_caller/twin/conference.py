"""`<Conference>`: the call is in a room with others.

In:   the noun.     Out: the room's SID, and for how many seconds the call was in it.
Rule: who is there and whether it has begun counts, and not what is said: nobody hears the others.

Source: twilio.com/docs/voice/twiml/conference: it begins when two are there and one of them may begin it.
"""

import asyncio
from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import Element

from client_caller.twin.interpreter import Interpreter
from client_caller.twin.leg import new_sid
from client_caller.twin.places import Hook, Room
from client_caller.twin.waiting import wait

_EVENTS: Final = {
    "start": "conference-start",
    "end": "conference-end",
    "join": "participant-join",
    "leave": "participant-leave",
}


async def confer(run: Interpreter, noun: Element, limit_s: float) -> tuple[str, int]:
    """Be in the room until it is over. Raises PersonHungUp."""
    leg, loop = run.leg, asyncio.get_running_loop()
    name = (noun.text or "").strip()
    leg.record.dialled.append(name)
    room = _room(run, noun, name)
    joined_at = loop.time()
    leg.handset.begin(joined_at)
    begins, ends = noun.get("startConferenceOnEnter", "true"), noun.get("endConferenceOnExit", "false")
    begun_now = room.enter(leg.sid, begins == "true", ends == "true")
    _tell(run, room, "join", {"StartConferenceOnEnter": begins, "EndConferenceOnExit": ends})
    if begun_now:
        _tell(run, room, "start", {})
    try:
        await wait(run, run.hook(noun, "waitUrl"), lambda: room.has_begun or room.is_over, dict)
        await leg.handset.listen(limit_s, until=lambda: room.is_over)
    finally:
        over_now = room.leave(leg.sid)
        _tell(run, room, "leave", {})
        if over_now:
            _tell(run, room, "end", {})
            leg.exchange.rooms.pop(name, None)
    return room.sid, round(loop.time() - joined_at)


def _room(run: Interpreter, noun: Element, name: str) -> Room:
    """The room of this name; a new one where there is none. The first to ask to be told is told."""
    rooms = run.leg.exchange.rooms
    room = rooms.setdefault(name, Room(new_sid("CF"), name))
    if room.hook is None:
        room.hook = run.hook(noun)
    return room


def _tell(run: Interpreter, room: Room, event: str, more: Mapping[str, str]) -> None:
    hook: Hook | None = room.hook
    if hook is None or event not in hook.events:
        return
    leg = run.leg
    told = {
        "AccountSid": leg.exchange.account_sid,
        "ConferenceSid": room.sid,
        "FriendlyName": room.name,
        "StatusCallbackEvent": _EVENTS[event],
        "SequenceNumber": str(room.told),
        "Timestamp": leg.exchange.stamp(asyncio.get_running_loop().time()),
    }
    room.told += 1
    if event in {"join", "leave"}:
        told["CallSid"] = leg.sid
    leg.tell("conference", hook, {**told, **more})
