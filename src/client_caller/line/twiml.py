"""TwiML: what a carrier's webhook is answered with.

In:   addresses and sentences.     Out: an XML document.
Rule: nothing here knows of requests or calls.

Source: twilio.com/docs/voice/twiml/connect and .../stream: the stream's URL may hold no query, `action` is asked when
the stream ends, and a call whose document has no further verb is hung up.
"""

from xml.sax.saxutils import escape, quoteattr


def connect(media_url: str, resume_url: str) -> str:
    """Open a two-way stream; when it ends, in whatever way, ask `resume_url` what is next."""
    stream = f"<Connect action={quoteattr(resume_url)}><Stream url={quoteattr(media_url)}/></Connect>"
    return _document(f"{stream}<Redirect>{escape(resume_url)}</Redirect>")


def say_and_hang_up(sentence: str) -> str:
    """Have the carrier's own voice say a sentence, then end the call."""
    return _document(f"<Say>{escape(sentence)}</Say><Hangup/>")


def hang_up() -> str:
    """End the call."""
    return _document("<Hangup/>")


def _document(verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'
