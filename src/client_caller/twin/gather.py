"""`<Gather>`: keys that the person presses, during a prompt or after it.

In:   the verb.     Out: the step to its action with the keys, or the next verb when there were none.
Rule: keys pressed before it begins do not count; the first key ends the prompt.

Source: twilio.com/docs/voice/twiml/gather: 5 s for each key, `#` finishes, the current document is the action.
"""

from typing import Final
from xml.etree.ElementTree import Element

from client_caller.twin.handset import Handset
from client_caller.twin.interpreter import Interpreter, Next
from client_caller.twin.people import RESPONDS_AFTER_S

_PROMPTS: Final = frozenset({"Say", "Play", "Pause"})


async def gather(run: Interpreter, verb: Element) -> Next:
    """Prompt, then take keys."""
    handset = run.leg.handset
    handset.pressed.clear()
    await _prompt(run, verb)
    digits, finished = await _take(run, verb)
    if digits or finished or verb.get("actionOnEmptyResult") == "true":
        return run.step(verb, {"Digits": digits, "FinishedOnKey": finished})
    return None


async def _prompt(run: Interpreter, verb: Element) -> None:
    """Have the nested verbs heard until a key is pressed; then the person may respond to what was said."""
    handset, outer = run.leg.handset, run.until
    run.until = lambda: bool(handset.pressed) or outer()
    try:
        await run.perform(each for each in verb if each.tag in _PROMPTS)
    finally:
        run.until = outer
    words = " ".join(" ".join("".join(each.itertext()).split()) for each in verb.iter("Say"))
    if not handset.pressed and (response := handset.person.responds(words)):
        await handset.listen(RESPONDS_AFTER_S, until=outer)
        handset.pressed.extend(response)


async def _take(run: Interpreter, verb: Element) -> tuple[str, str]:
    """The keys, without the one that finished, and that one."""
    handset = run.leg.handset
    finish, wanted = verb.get("finishOnKey", "#"), int(verb.get("numDigits", "0"))
    digits = ""
    while await _pressed(handset, float(verb.get("timeout", "5")), run):
        key = handset.pressed.popleft()
        if finish and key in finish:
            return digits, key
        digits += key
        if len(digits) == wanted:
            break
    return digits, ""


async def _pressed(handset: Handset, within_s: float, run: Interpreter) -> bool:
    await handset.listen(within_s, until=lambda: bool(handset.pressed) or run.until())
    return bool(handset.pressed)
