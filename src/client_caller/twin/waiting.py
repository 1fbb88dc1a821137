"""Waiting: a call hears music, or the documents of a wait address over and over, until something happens.

In:   where the documents are, what is waited for.     Out: whether the call left by itself.
Rule: only verbs that go with waiting are known in these documents.

Source: twilio.com/docs/voice/twiml/enqueue, "waitUrl"; .../conference, "waitUrl".
"""

import asyncio
from collections.abc import Callable, Mapping
from math import inf
from typing import Final

from client_caller.twin.interpreter import Interpreter, Over, Verb
from client_caller.twin.orders import Step
from client_caller.twin.places import Hook

_NO_SOONER_S: Final = 1.0
"""A document that takes no time is asked for again after this."""

WAITING: Final = frozenset({"Say", "Play", "Pause", "Gather", "Record", "Redirect", "Hangup", "Leave"})


async def wait(
    run: Interpreter, hook: Hook | None, until: Callable[[], bool], fields: Callable[[], Mapping[str, str]]
) -> Over | None:
    """Wait until it is so; what ended it sooner, None if nothing did.

    fields: what the address is told each time. Raises PersonHungUp, DocumentFailed.
    """
    if hook is None:
        await run.leg.hear(inf, until)
        return None
    loop = asyncio.get_running_loop()
    verbs: Mapping[str, Verb] = {name: verb for name, verb in run.verbs.items() if name in WAITING}
    waiting = Interpreter(run.leg, verbs, until)
    while not until():
        asked_at = loop.time()
        over = await waiting.follow(Step(hook.url, hook.method, fields(), kind="wait"))
        if over is not None:
            return over
        await run.leg.hear(max(0.0, asked_at + _NO_SOONER_S - loop.time()), until)
    return None
