"""The numbers of an account.

In:   nothing.     Out: one `Number` each, whose addresses REST may change.
Rule: no calls here.
"""

from dataclasses import dataclass, field

from client_caller.twin.leg import new_sid


@dataclass(slots=True)
class Number:
    """A number, and where it is asked what to do with a call."""

    number: str
    voice_url: str = ""
    status_callback: str = ""
    voice_method: str = "POST"
    status_callback_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    name: str = ""
    sid: str = field(default_factory=lambda: new_sid("PN"))
