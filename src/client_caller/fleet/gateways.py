"""Gateways as they know of each other, and which of them a call goes to.

In:   what each has said of itself.     Out: a choice.
Rule: arithmetic only. A choice is a guess, for what is known is up to a second old; the gateway that is chosen decides.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

State = Literal["loading", "open", "retiring", "leaving"]
"""Its engines are not there yet; calls are taken; those that run may end; those that run are handed over."""

_NO_TIMES: Final[Mapping[str, int]] = {}


@dataclass(frozen=True, slots=True)
class Gateway:
    """One process that holds calls.

    name: its own, the same after a restart;  boot: another each time it starts;  address: where the others reach it;
    running: calls;  room: for how many more;  answer_p95_s: what it would take to answer one more caller, None while it
    does not know;  age_s: how long ago it said so.
    """

    name: str
    boot: str
    address: str
    state: State
    running: int
    room: int
    answer_p95_s: float | None = None
    age_s: float = 0.0


def least_loaded(
    gateways: Iterable[Gateway],
    gone_after_s: float,
    sent: Mapping[str, int] = _NO_TIMES,
    without: Collection[str] = (),
    ours: str = "",
) -> Gateway | None:
    """Where one more call is best held; None when nobody takes any.

    gone_after_s: age at which a gateway counts as gone;  sent: calls given to each since it last told how it stands;
    without: names of those that have just refused;  ours: the name of who asks, and holds it if nobody is better: calls
    that come faster than gateways tell of themselves are spread by the balancer then.
    A gateway with room comes before one without, whose callers wait or are told that all lines are busy; then the one
    that is filled least; then the quickest.
    """
    open_ones = [
        each for each in gateways if each.state == "open" and each.age_s < gone_after_s and each.name not in without
    ]

    def weight(each: Gateway) -> tuple[bool, float, float, bool, str]:
        more = sent.get(each.name, 0)
        room, running = each.room - more, each.running + more
        return (
            room <= 0,
            running / max(1, each.running + each.room),
            each.answer_p95_s or 0.0,
            each.name != ours,
            each.name,
        )

    return min(open_ones, key=weight, default=None)
