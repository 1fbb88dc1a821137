"""The verbs that need nobody else: what the carrier says, plays, waits for, and where it leads.

In:   a verb.     Out: what the person hears and records; where the call goes on.
Rule: a verb lasts as long as it would; the carrier's own voice is a tone, and its words are kept in `announcements`.

Source: twilio.com/docs/voice/twiml/say, .../play, .../pause, .../redirect, .../reject, .../hangup, .../record.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from xml.etree.ElementTree import Element

from client_caller.audio.levels import level_dbfs
from client_caller.audio.mulaw import decode
from client_caller.twin.interpreter import Interpreter, Next, Over
from client_caller.twin.leg import Leg
from client_caller.twin.orders import RecordingOrder, Step
from client_caller.twin.people import BEEP
from client_caller.twin.recordings import Recording

_SAID_WORD_S: Final = 0.3  # the carrier's own voice says about two hundred words a minute
_PLAYED_S: Final = 3.0  # what a sound file lasts here, whatever is in it
_KEY_S: Final = 0.2  # a tone and the pause behind it
_WAITS_S: Final = {"w": 0.5, "W": 1.0}
_BEEP_S: Final = 0.5
_LOUD_DBFS: Final = -45.0
_RECORD_FINISH: Final = "1234567890*#"


async def say(run: Interpreter, verb: Element) -> Next:
    """Words, in the carrier's own voice."""
    text = " ".join("".join(verb.itertext()).split())
    for _ in range(_times(verb)):
        run.leg.record.announcements.append(text)
        await run.leg.hear(_SAID_WORD_S * len(text.split()), run.until)
    return None


async def play(run: Interpreter, verb: Element) -> Next:
    """A sound file, which is not fetched; or keys, sent to the person."""
    digits = verb.get("digits")
    if digits is not None:
        await press(run.leg, digits, run.until)
        return None
    for _ in range(_times(verb)):
        run.leg.record.announcements.append((verb.text or "").strip())
        await run.leg.hear(_PLAYED_S, run.until)
    return None


async def press(leg: Leg, digits: str, until: Callable[[], bool]) -> None:
    """Send keys to the person: w waits half a second, W a second. Raises PersonHungUp."""
    for each in digits:
        if until():
            return
        if each not in _WAITS_S:
            leg.handset.hear_key(each)
        await leg.handset.listen(_WAITS_S.get(each, _KEY_S), until=until)


async def pause(run: Interpreter, verb: Element) -> Next:
    """Silence."""
    await run.leg.handset.listen(float(verb.get("length", "1")), until=run.until)
    return None


async def redirect(run: Interpreter, verb: Element) -> Next:
    """Another document."""
    step = run.step(verb, {}, (verb.text or "").strip())
    return Step(step.url, step.method, kind="voice")


async def hang_up(run: Interpreter, verb: Element) -> Next:
    """The end of the call."""
    return Over.HUNG_UP


async def reject(run: Interpreter, verb: Element) -> Next:
    """The end of a call that has not been answered."""
    return Over.BUSY if verb.get("reason") == "busy" else Over.REJECTED


async def leave(run: Interpreter, verb: Element) -> Next:
    """The end of waiting in a line."""
    return Over.LEFT


async def record(run: Interpreter, verb: Element) -> Next:
    """A message of the person, until silence, a key, or its greatest length. Nothing but silence is no message."""
    leg = run.leg
    if verb.get("playBeep", "true") == "true":
        leg.handset.begin(asyncio.get_running_loop().time())
        await leg.handset.listen(_BEEP_S, BEEP, run.until)
    hook = run.hook(verb, "recordingStatusCallback", ("completed",))
    kept = leg.record_from_now(RecordingOrder("RecordVerb", hook=hook))
    try:
        spoke, digits = await _take(leg, kept, verb)
    finally:
        leg.stop_recording(kept)
    if not spoke:
        return None
    fields = leg.recording_fields(kept)
    return run.step(verb, fields | ({"Digits": digits} if digits else {}))


async def _take(leg: Leg, kept: Recording, verb: Element) -> tuple[bool, str]:
    """Listen to a message: whether there was one, and the key that ended it."""
    handset, loop = leg.handset, asyncio.get_running_loop()
    longest_s, silence_s = float(verb.get("maxLength", "3600")), float(verb.get("timeout", "5"))
    finish = verb.get("finishOnKey", _RECORD_FINISH)
    handset.pressed.clear()
    handset.begin(loop.time())
    spoke, quiet_since = False, loop.time()
    while loop.time() < kept.started_at + longest_s and loop.time() < quiet_since + silence_s:
        await handset.listen(min(_KEY_S, kept.started_at + longest_s - loop.time()))
        while handset.pressed:
            key = handset.pressed.popleft()
            if key in finish:
                return spoke, key
        if level_dbfs(decode(handset.said)) > _LOUD_DBFS:
            spoke, quiet_since = True, loop.time()
    return spoke, ""


def _times(verb: Element) -> int:
    """How often something is said or played. 0 in the document: until the call ends, here a thousand times."""
    return int(verb.get("loop", "1")) or 1_000
