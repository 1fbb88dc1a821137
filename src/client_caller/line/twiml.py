"""TwiML: what a carrier's webhook is answered with.

In:   addresses and sentences.     Out: an XML document.
Rule: nothing here knows of requests or calls.

Source: twilio.com/docs/voice/twiml/connect and .../stream: the stream's URL may hold no query, `action` is asked when
the stream ends, and a call whose document has no further verb is hung up.
"""

from typing import Final
from xml.sax.saxutils import escape, quoteattr

PERSISTENTLY: Final = "#rc=5&rp=all&ct=5000&rt=15000"
"""Behind an address: ask again, up to five times, whatever went wrong; 5 s to connect and 15 s to answer. All tries
together may take 15 s. Source: twilio.com/docs/usage/webhooks/webhooks-connection-overrides."""


def connect(media_url: str, resume_url: str) -> str:
    """Open a two-way stream; when it ends, in whatever way, ask `resume_url` what is next, and ask persistently."""
    resume_url += PERSISTENTLY
    stream = f"<Connect action={quoteattr(resume_url)}><Stream url={quoteattr(media_url)}/></Connect>"
    return _document(f"{stream}<Redirect>{escape(resume_url)}</Redirect>")


def say_and_hang_up(sentence: str) -> str:
    """Have the carrier's own voice say a sentence, then end the call."""
    return _document(f"<Say>{escape(sentence)}</Say><Hangup/>")


def say_and_dial(sentence: str, number: str) -> str:
    """Have the carrier's own voice say a sentence, then connect the call to a telephone; the call ends with that."""
    return _document(f"<Say>{escape(sentence)}</Say><Dial>{escape(number)}</Dial><Hangup/>")


def ask_again(url: str, in_s: int, sentence: str) -> str:
    """Have the carrier's own voice say a sentence, and ask `url` what is next in so many seconds."""
    return _document(
        f'<Say>{escape(sentence)}</Say><Pause length="{in_s}"/><Redirect>{escape(url + PERSISTENTLY)}</Redirect>'
    )


def hang_up() -> str:
    """End the call."""
    return _document("<Hangup/>")


def _document(verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'
