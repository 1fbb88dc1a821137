"""A carrier that behaves as Twilio does, in real time, over real sockets: one call to one webhook.

In:   the address of a voice webhook, and a caller who gives 20 ms of sound for every 20 ms heard.
Out:  both channels of the call on one timeline, and what the server did that Twilio would object to.
Rule: it knows the server only by its webhooks and its socket. What a carrier does is the twin's (`client_caller.twin`);
      here is one account with one number, in which the agent is all that can be heard.
"""

from collections.abc import Callable
from typing import Final

from client_caller.errors import LineLost, LineProtocolError
from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.connect import REFUSED, TIMED_OUT, WRONG_SCHEME
from client_caller.twin.faults import Break, BreakAt, Faults
from client_caller.twin.network import Internet
from client_caller.twin.numbers import Number
from client_caller.twin.people import Person

__all__ = ["CarriedCall", "Fault", "FaultAt", "place_call"]

Fault = Break
FaultAt = BreakAt

_OURS: Final = "+15550100002"
_UNOPENED: Final = frozenset({REFUSED, TIMED_OUT, WRONG_SCHEME})


def _colleague(number: str) -> Person:
    """Whoever the call is put through to is busy: a rehearsal is about the agent."""
    return Person(outcome="busy", ring_s=0.0)


async def place_call(
    voice_url: str,
    account_sid: str,
    auth_token: str,
    next_frame: Callable[[bytes], bytes | None],
    fault_at: FaultAt = lambda at: None,
    *,
    silence_s: float = 10.0,
    retry_after_s: float = 0.5,
) -> CarriedCall:
    """Call the server at `voice_url` and hold the call to its end.

    next_frame: the caller; gets the 160 mu-law bytes heard in the slot before, gives the next 160, or None to hang up.
    fault_at: what breaks the stream, and when;  silence_s: how long the fault "silence" lasts;
    retry_after_s: the rest between two tries of a webhook.
    The carrier's own voice takes its time and is not heard, so that whatever sounds is the agent.
    Raises LineLost when the server cannot be reached, LineProtocolError when it answers with nonsense.
    """
    twin = Twin(
        account_sid,
        auth_token,
        Internet(),
        numbers=[Number(_OURS, voice_url)],
        people=_colleague,
        faults=Faults(break_at=fault_at, silence_s=silence_s),
        voice=None,
        retry_after_s=retry_after_s,
    )
    async with twin:
        call = await twin.call_in(Person(next_frame=next_frame), _OURS)
    _raise_for(call)
    return call


def _raise_for(call: CarriedCall) -> None:
    """Raise for what ended the call, or never let it begin."""
    unopened = [each for each in call.errors if each.code in _UNOPENED]
    if call.hung_up_by == "fault":
        ended = call.errors[-1]
    elif unopened and not call.streams:
        ended = unopened[0]
    else:
        return
    raise (LineProtocolError if ended.status else LineLost)(ended.what)
