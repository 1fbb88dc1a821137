"""Answering machine detection: what it says of who has answered, and when.

In:   the person who answers, what was ordered.     Out: a verdict, and the seconds until it is out.
Rule: it knows who answers and does not listen; it errs only where the thresholds make it err.

Source: twilio.com/docs/voice/answering-machine-detection: speech shorter than MachineDetectionSpeechThreshold is
taken for a human's, longer for a machine's; it is over after MachineDetectionSpeechEndThreshold of silence; nothing but
silence is "unknown".
"""

from typing import Final

from client_caller.twin.carried import AnsweredBy
from client_caller.twin.orders import Detection
from client_caller.twin.people import Answerer, Fax, Human, Machine, Person

_FAX_HEARD_S: Final = 3.0
_BEEP_HEARD_S: Final = 0.3


def verdict(person: Person, detection: Detection) -> tuple[AnsweredBy, float]:
    """What is found out, and how many seconds after the answer."""
    found, after_s = _found(person.answerer, detection)
    if after_s > detection.timeout_s:
        found, after_s = "unknown", detection.timeout_s
    return person.verdict or found, after_s


def _found(answerer: Answerer, detection: Detection) -> tuple[AnsweredBy, float]:
    match answerer:
        case Human(hello_s=speech_s) if speech_s < detection.speech_s:
            return "human", speech_s + detection.speech_end_s
        case Machine(greeting_s=speech_s, beeps=False) if speech_s < detection.speech_s:
            return "human", speech_s + detection.speech_end_s
        case Human() | Machine() if detection.mode == "Enable":
            return "machine_start", detection.speech_s
        case Human(hello_s=speech_s):
            return "machine_end_silence", speech_s + detection.speech_end_s
        case Machine(greeting_s=greeting_s, beeps=True):
            return "machine_end_beep", greeting_s + _BEEP_HEARD_S
        case Machine(greeting_s=greeting_s):
            return "machine_end_silence", greeting_s + detection.speech_end_s
        case Fax():
            return "fax", _FAX_HEARD_S
        case _:
            return "unknown", detection.silence_s
