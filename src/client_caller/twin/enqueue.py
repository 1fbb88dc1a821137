"""`<Enqueue>`: the call waits in a line until somebody takes it, or it leaves.

In:   the verb.     Out: how it went, to its `action`; or the next verb.
Rule: whoever takes a call sees to the conversation; the one who waited only waits for its end.

Source: twilio.com/docs/voice/twiml/enqueue: QueueResult is bridged, leave or hangup; `action` is asked of a caller who
hangs up, too.
"""

import asyncio
from xml.etree.ElementTree import Element

from client_caller.twin.handset import PersonHungUp
from client_caller.twin.interpreter import Interpreter, Next, Over
from client_caller.twin.leg import new_sid
from client_caller.twin.places import Hook, Waiter, WaitingLine
from client_caller.twin.waiting import wait


async def enqueue(run: Interpreter, verb: Element) -> Next:
    """Wait, and perhaps speak with somebody."""
    leg, loop = run.leg, asyncio.get_running_loop()
    name = (verb.text or "").strip()
    line = leg.exchange.lines.setdefault(name, WaitingLine(new_sid("QU"), name))
    waiter = Waiter(leg.sid, leg.handset, loop.time())
    line.waiting.append(waiter)

    def told() -> dict[str, str]:
        return {"QueueSid": line.sid, "QueueTime": str(round(loop.time() - waiter.since))}

    def place() -> dict[str, str]:
        position = line.waiting.index(waiter) + 1 if waiter in line.waiting else 0
        more = {"QueuePosition": str(position), "CurrentQueueSize": str(len(line.waiting)), "AvgQueueTime": "0"}
        return told() | more

    try:
        over = await wait(run, run.hook(verb, "waitUrl"), lambda: bool(waiter.taken_by), place)
        fields = told()
        if waiter.taken_by:
            await _speak(waiter)
    except PersonHungUp:
        if verb.get("action"):
            step = run.step(verb, told() | {"QueueResult": "hangup"})
            leg.tell("action", Hook(step.url, step.method), leg.form() | dict(step.fields))
        raise
    finally:
        waiter.gone = True
        if waiter in line.waiting:
            line.waiting.remove(waiter)
    if over is not None and over is not Over.LEFT:
        return over
    if not verb.get("action"):
        return None
    return run.step(verb, fields | {"QueueResult": "bridged" if waiter.taken_by else "leave"})


async def _speak(waiter: Waiter) -> None:
    """Wait for the end of a conversation that the other side sees to. Raises PersonHungUp."""
    await waiter.released.wait()
    if waiter.hung_up:
        raise PersonHungUp(waiter.handset)
