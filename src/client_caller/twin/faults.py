"""What goes wrong, on demand.

In:   a moment of a call, a webhook, a REST request.     Out: what befalls it.
Rule: everything is right by default; whoever wants a fault says which, and when.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Break = Literal["reset", "close", "silence"]
"""What may befall the media socket: a reset by TCP, an orderly end, or a while of nothing, then a reset."""

BreakAt = Callable[[float], Break | None]
"""Asked at every slot of a stream, with its time in the call in seconds, what befalls the socket then."""

Span = tuple[float, float]
"""From and until, in seconds of the call."""


@dataclass(frozen=True, slots=True)
class WebhookFault:
    """late_s: sent so much later;  twice: sent twice at once, under one idempotency token;  lost: never sent."""

    late_s: float = 0.0
    twice: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class RestFault:
    """status: answered instead, None for no answer at all;  code: Twilio's own;  done: the request took effect."""

    status: int | None = 503
    code: int = 20503
    done: bool = False


FINE = WebhookFault()


def _no_break(at: float) -> Break | None:
    return None


def _fine_webhook(kind: str, form: Mapping[str, str]) -> WebhookFault:
    return FINE


def _fine_request(method: str, path: str) -> RestFault | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """All that a twin does wrong.

    break_at: what breaks the stream, and when;  silence_s: how long the break "silence" lasts;
    gaps: media lost on the way to the carrier, so that timestamps jump;  bursts: media held back, then sent at once;
    late_s: by how much the frame of slot n is late, in order all the same;  lose_marks: none is ever echoed;
    slow: while the carrier reads nothing of what the server sends;
    webhook: what befalls a webhook of this kind (as in `CarriedCall.asked`) and form, at each try;
    rest: what befalls a REST request, given its method and path;
    listed_after_s: how old a call must be to be found by the REST list;
    forgets_ended: whether an update of a call that is over is answered with 404 (20404), not 400 (21220).
    """

    break_at: BreakAt = _no_break
    silence_s: float = 10.0
    gaps: tuple[Span, ...] = ()
    bursts: tuple[Span, ...] = ()
    late_s: Callable[[int], float] | None = None
    lose_marks: bool = False
    slow: tuple[Span, ...] = ()
    webhook: Callable[[str, Mapping[str, str]], WebhookFault] = _fine_webhook
    rest: Callable[[str, str], RestFault | None] = _fine_request
    listed_after_s: float = 0.0
    forgets_ended: bool = False


def until_when(spans: tuple[Span, ...], at: float) -> float | None:
    """The end of the span that holds `at`, None when none does."""
    return next((until for since, until in spans if since <= at < until), None)
