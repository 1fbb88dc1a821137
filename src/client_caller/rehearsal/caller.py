"""A rehearsal: one scripted call to a server, over a simulated carrier, in real time.

In:   the voice webhook's address, the carrier's credentials, a script.     Out: a `HeardCall`.
Rule: nothing here knows how the server works, nor where the script's voices come from.
"""

from collections.abc import Sequence

from client_caller.rehearsal.carrier import place_call
from client_caller.rehearsal.measure import HeardCall, measure
from client_caller.rehearsal.script import ScriptedCaller, Step


async def rehearse(
    voice_url: str, steps: Sequence[Step], *, account_sid: str, auth_token: str, patience_s: float = 12.0
) -> HeardCall:
    """Call, follow the script, hang up; and tell what the caller heard.

    patience_s: seconds a step waits for the agent before it is taken all the same.
    Raises LineLost or LineProtocolError as `place_call` does.
    """
    caller = ScriptedCaller(steps, patience_s)
    call = await place_call(voice_url, account_sid, auth_token, caller.next_frame)
    return measure(bytes(call.sent), bytes(call.played), caller.spoken, call.lateness_s)
