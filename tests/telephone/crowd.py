"""Many people at once, of whom it is known how their calls must end."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from client_caller.twin.people import Human, Person
from telephone.outbound_world import STOP, YES, human, lasts_s, number, voicemail
from telephone.world import hear, hear_out, person, say


@dataclass(frozen=True)
class Crowd:
    """So many contacts, of whom 60 % talk for seven to ten seconds, 15 % have a machine, 15 % do not answer or are
    busy, 5 % have no such number, and 5 % want no calls.

    outcomes: how their contacts must end, and how many of them.
    """

    size: int

    @property
    def numbers(self) -> list[str]:
        """Theirs."""
        return [number(1_000 + index) for index in range(self.size)]

    def __call__(self, to: str) -> Person:
        """Who answers there."""
        return self._kind(to)[1](int(to[-4:]))

    @property
    def outcomes(self) -> dict[str, int]:
        """How they must end."""
        return dict(Counter(self._kind(each)[0] for each in self.numbers))

    def _kind(self, to: str) -> tuple[str, Callable[[int], Person]]:
        return _KINDS[int(to[-4:]) % len(_KINDS)]


def _talker(index: int) -> Person:
    hangs_up = [say(YES), hear(0.4 * (index % 7))]
    return person(say("Hello?"), hear_out(0.3), *hangs_up, answerer=Human(lasts_s("Hello?")), ring_s=1.0 + index % 5)


_KINDS: list[tuple[str, Callable[[int], Person]]] = [
    *[("talked", _talker)] * 12,
    *[("voicemail left", lambda index: voicemail("I am not available. Leave a message.", ring_s=4.0))] * 3,
    *[("busy", lambda index: Person(outcome="busy", ring_s=1.0))] * 2,
    ("no-answer", lambda index: Person(outcome="no-answer")),
    ("opted out", lambda index: human(STOP)),
    ("failed", lambda index: Person(outcome="failed", ring_s=0.5)),
]
"""One of each is five percent of a crowd."""

NO_RETRIES = "[retries]\nbusy = []\nno_answer = []\nfailed = []\nmachine = []\n"
