"""TwiML: what a carrier's webhook is answered with.

In:   addresses and sentences.     Out: an XML document.
Rule: nothing here knows of requests or calls.

Source: twilio.com/docs/voice/twiml and the pages of the verbs below it. A stream's URL may hold no query, a verb's
`action` is asked when the verb has ended, and a call whose document has no further verb is hung up.
"""

from typing import Final
from xml.sax.saxutils import escape, quoteattr

PERSISTENTLY: Final = "#rc=5&rp=all&ct=5000&rt=15000"
"""Behind an address: ask again, up to five times, whatever went wrong; 5 s to connect and 15 s to answer. All tries
together may take 15 s. Source: twilio.com/docs/usage/webhooks/webhooks-connection-overrides."""

ALL_TRIES_S: Final = 15.0
"""After this an address was asked, or will not be."""


def connect(media_url: str, resume_url: str, status_url: str) -> str:
    """Open a two-way stream; when it ends, in whatever way, ask `resume_url` what is next, and ask persistently.

    status_url: told of how the stream fares.
    """
    resume_url += PERSISTENTLY
    stream = f"<Stream url={quoteattr(media_url)} statusCallback={quoteattr(status_url)}/>"
    return _document(f"<Connect action={quoteattr(resume_url)}>{stream}</Connect>{_redirect(resume_url)}")


def say_and_hang_up(sentence: str) -> str:
    """Have the carrier's own voice say a sentence, then end the call."""
    return _document(f"{_say(sentence)}<Hangup/>")


def say_and_dial(sentence: str, number: str) -> str:
    """Have the carrier's own voice say a sentence, then connect the call to a telephone; the call ends with that."""
    return _document(f"{_say(sentence)}<Dial>{escape(number)}</Dial><Hangup/>")


def ask_again(url: str, in_s: int, sentence: str) -> str:
    """Have the carrier's own voice say a sentence, and ask `url` what is next in so many seconds."""
    return _document(f'{_say(sentence)}<Pause length="{in_s}"/>{_redirect(url + PERSISTENTLY)}')


def hang_up() -> str:
    """End the call."""
    return _document("<Hangup/>")


def enqueue(sentence: str, queue: str, wait_url: str, left_url: str) -> str:
    """Say a sentence, then have the call wait in a queue.

    wait_url: asked what to do meanwhile, again and again;  left_url: asked what is next when the wait is over.
    """
    wait = f"waitUrl={quoteattr(wait_url + PERSISTENTLY)} action={quoteattr(left_url + PERSISTENTLY)}"
    return _document(f"{_say(sentence)}<Enqueue {wait}>{escape(queue)}</Enqueue>")


def wait(sentence: str, pause_s: int) -> str:
    """For a call in a queue: a sentence, and a rest; then it asks again."""
    return _document(f'{_say(sentence)}<Pause length="{pause_s}"/>')


def leave() -> str:
    """Leave the queue."""
    return _document("<Leave/>")


def press_keys(keys: str, next_url: str) -> str:
    """Press keys of the telephone, w for half a second's rest, and ask what is next."""
    return _document(f"<Play digits={quoteattr(keys)}/>{_redirect(next_url + PERSISTENTLY)}")


def dial(number: str, ring_s: int, dialled_url: str, caller_id: str = "") -> str:
    """Connect the call to a telephone; when that is over, or came to nothing, ask what is next.

    caller_id: the number that is shown there; empty: that which the carrier chooses, which is the caller's.
    """
    shown = f" callerId={quoteattr(caller_id)}" if caller_id else ""
    asked = quoteattr(dialled_url + PERSISTENTLY)
    return _document(f'<Dial action={asked} timeout="{ring_s}"{shown} answerOnBridge="true">{escape(number)}</Dial>')


def hold(conference: str, over_url: str) -> str:
    """Have the call listen to music until somebody joins; when it is over, ask what is next."""
    return _document(
        f'<Dial action={quoteattr(over_url + PERSISTENTLY)}><Conference startConferenceOnEnter="false" '
        f'endConferenceOnExit="true" beep="false">{escape(conference)}</Conference></Dial>'
    )


def join(conference: str) -> str:
    """Join who waits on `hold`; the call ends with that."""
    return _document(
        '<Dial><Conference startConferenceOnEnter="true" endConferenceOnExit="true" beep="false">'
        f"{escape(conference)}</Conference></Dial><Hangup/>"
    )


def ask_for_a_key(sentence: str, within_s: int, key_url: str) -> str:
    """Say a sentence and wait for a key, twice if none is pressed; in the end ask what is next, key or none."""
    url = key_url + PERSISTENTLY
    gather = (
        f'<Gather input="dtmf" numDigits="1" timeout="{within_s}" action={quoteattr(url)}>{_say(sentence)}</Gather>'
    )
    return _document(f"{gather}{gather}{_redirect(url)}")


def _say(sentence: str) -> str:
    return f"<Say>{escape(sentence)}</Say>"


def _redirect(url: str) -> str:
    return f"<Redirect>{escape(url)}</Redirect>"


def _document(verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'
