"""The life of a call: it rings, is answered, follows its documents, and ends.

In:   a leg with its order.     Out: a leg that is over.
Rule: one function for each way in which a call comes to be; they share how it is gone through and how it ends.
"""

import asyncio
from typing import Final

from client_caller.twin.detection import verdict
from client_caller.twin.handset import PersonHungUp
from client_caller.twin.interpreter import DocumentFailed, Interpreter, Over
from client_caller.twin.leg import Ending, Leg
from client_caller.twin.orders import Step
from client_caller.twin.people import Outcome
from client_caller.twin.verbs import press

APOLOGY: Final = "We are sorry, an application error has occurred. Goodbye."
"""What a caller hears when a document fails. Source: twilio.com/docs/api/errors/11200."""

_STATE_OF: Final = {Over.BUSY: "busy", Over.REJECTED: "no-answer"}


async def carry_in(run: Interpreter) -> None:
    """A call that came in."""
    leg = run.leg
    try:
        leg.started_at = leg.created_at
        leg.reach("ringing")
        await _go_through(run, leg.order.first)
    finally:
        await leg.wind_up()


async def carry_out(run: Interpreter, dialled_at: float) -> None:
    """A call ordered by REST, which waits for its turn until that loop time."""
    leg = run.leg
    try:
        leg.reach("queued")
        if await _waited(leg, dialled_at) and await _answered(leg):
            await _go_through(run, leg.order.first)
    finally:
        await leg.wind_up()


async def carry_dialled(run: Interpreter) -> None:
    """A call ordered by `<Dial>`: after its own document it is parked, for its parent to speak with."""
    leg = run.leg
    try:
        if not await _answered(leg):
            return
        if leg.order.first is not None and not await _went_through(run, leg.order.first):
            return
        leg.parked = True
        outcome = await leg.during(leg.released.wait())
        leg.parked = False
        await _go_through(run, outcome if isinstance(outcome, Step | Ending) else None)
    finally:
        leg.parked = False
        await leg.wind_up()


async def _waited(leg: Leg, until: float) -> bool:
    wait_s = max(0.0, until - asyncio.get_running_loop().time())
    outcome = await leg.during(asyncio.sleep(wait_s))
    return not _canceled(leg, outcome)


def _canceled(leg: Leg, outcome: object) -> bool:
    """End a call that was interrupted before anybody answered; whether it was."""
    if isinstance(outcome, Step | Ending):
        leg.finish("canceled", outcome.by if isinstance(outcome, Ending) else "request")
        return True
    return False


async def _answered(leg: Leg) -> bool:
    """Ring; whether somebody answered. If not, the call is over."""
    leg.started_at = asyncio.get_running_loop().time()
    leg.reach("initiated")
    outcome = await leg.during(_ring(leg))
    if _canceled(leg, outcome):
        return False
    if outcome != "answers":
        leg.finish(str(outcome))
        return False
    leg.answer()
    leg.handset.begin(asyncio.get_running_loop().time())
    if leg.order.detection is not None and not leg.order.detection.waits:
        leg.detect()
    return True


async def _ring(leg: Leg) -> Outcome:
    person = leg.handset.person
    if person.outcome in {"busy", "failed"}:
        await asyncio.sleep(person.ring_s)
        return person.outcome
    leg.reach("ringing")
    if person.outcome == "no-answer" or person.ring_s > leg.order.ring_s:
        await asyncio.sleep(leg.order.ring_s)
        return "no-answer"
    await asyncio.sleep(person.ring_s)
    return "answers"


async def _go_through(run: Interpreter, outcome: Step | Ending | Over | None) -> None:
    """Follow documents, wherever the call is led, and end it."""
    if isinstance(outcome, Step) and not await _went_through(run, outcome):
        return
    leg = run.leg
    if isinstance(outcome, Ending):
        leg.finish(outcome.state, outcome.by)
    leg.finish("completed", "document")


async def _went_through(run: Interpreter, step: Step) -> bool:
    """Follow documents; whether they ran out, and the call is not over."""
    leg = run.leg
    outcome: Step | Ending | Over | None = step
    try:
        while isinstance(outcome, Step):
            outcome = await leg.during(_follow(run, outcome))
    except PersonHungUp:
        leg.finish("completed" if leg.answered_at is not None else "no-answer", "person")
        return False
    except DocumentFailed as failed:
        leg.note(failed.code, str(failed), failed.status)
        leg.record.announcements.append(APOLOGY)
        leg.finish("completed" if leg.answered_at is not None else "failed", "fault")
        return False
    if isinstance(outcome, Ending):
        leg.finish(outcome.state, outcome.by)
    elif outcome is not None:
        leg.finish(_STATE_OF.get(outcome, "completed"), "document")
    return outcome is None


async def _follow(run: Interpreter, step: Step) -> Over | None:
    """The same, after what is done once, when somebody has answered."""
    leg = run.leg
    order = leg.order
    if step is order.first:
        if order.send_digits:
            await press(leg, order.send_digits, run.until)
        if order.detection is not None and order.detection.waits:
            leg.record.answered_by, after_s = verdict(leg.handset.person, order.detection)
            await leg.handset.listen(after_s)
    return await run.follow(step)
