"""A chain of engines of one kind: who is asked, in which order, and who is left in peace for a while.

In:   engines, the best first; what became of each job.     Out: those worth asking for the next one.
Rule: an engine that failed several times in a row rests while another can do its work, and then gets one trial. A job
      that was cancelled says nothing about its engine. Time is the running loop's.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

from client_caller.errors import EngineError, EngineOverloaded

log = logging.getLogger("client_caller.engines")

_FAILURES: Final = 3
"""Failures in a row after which an engine rests. One may be chance; a caller waits through each of them."""

_REST_S: Final = 10.0
"""How long it rests. The embedded server is up again after two seconds, so a trial usually finds it well."""

Kind = TypeVar("Kind")


class Breaker:
    """What one engine's last jobs say about it. full_fails: whether a job for which it has no room says something."""

    def __init__(self, failures: int = _FAILURES, rest_s: float = _REST_S, *, full_fails: bool = True) -> None:
        self._limit = failures
        self._rest_s = rest_s
        self._full_fails = full_fails
        self._failures = 0
        self._rests_until = 0.0
        self._on_trial = False

    @property
    def rests(self) -> bool:
        """Whether it should not be asked now, if another can be."""
        if self._failures < self._limit:
            return False
        return self._on_trial or asyncio.get_running_loop().time() < self._rests_until

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around a job: an EngineError is a failure; an ordinary end, or nobody wanting more, is none."""
        trial = self._failures >= self._limit
        self._on_trial = self._on_trial or trial
        try:
            yield
        except EngineError as failure:
            if self._full_fails or not isinstance(failure, EngineOverloaded):
                self.failed()
            raise
        except GeneratorExit:
            self._failures = 0
            raise
        else:
            self._failures = 0
        finally:
            if trial:
                self._on_trial = False

    def failed(self, *, for_good: bool = False) -> None:
        """One failure more. for_good: so grave that it rests at once."""
        self._failures = max(self._failures + 1, self._limit if for_good else 0)
        if self._failures >= self._limit:
            self._rests_until = asyncio.get_running_loop().time() + self._rest_s


class Link(Generic[Kind]):
    """One engine of a chain, and how it has been.

    place: counted from 1;  full_fails: as of `Breaker`;  done: jobs that it did;  failures: at the others, by the kind
    of the error.
    """

    def __init__(self, engine: Kind, place: int, *, full_fails: bool) -> None:
        self.engine = engine
        self.place = place
        self.breaker = Breaker(full_fails=full_fails)
        self.done = 0
        self.failures: Counter[str] = Counter()


class Chain(Generic[Kind]):
    """Engines of one kind, the best first. Raises ValueError for none.

    name: the kind's name in errors and logs;  full_fails: whether an engine that has no room for a job is left in
    peace like one that fails. Not one that tells so at once, and serves those well whom it has taken.
    """

    def __init__(self, name: str, engines: Sequence[Kind], *, full_fails: bool = True) -> None:
        if not engines:
            raise ValueError(f"a chain needs an engine: {name}")
        self.name = name
        self._links = [Link(engine, place, full_fails=full_fails) for place, engine in enumerate(engines, 1)]
        self._in_use = 1
        _CHAINS.add(self)

    @property
    def links(self) -> Sequence[Link[Kind]]:
        """All engines, with how they have been."""
        return self._links

    @property
    def in_use(self) -> int:
        """The place of the engine that did the last job."""
        return self._in_use

    @property
    def engines(self) -> list[Kind]:
        """All of them, also those that rest."""
        return [link.engine for link in self._links]

    def usable(self) -> list[Link[Kind]]:
        """Whom to ask now, in this order: all that do not rest, or everyone when all rest."""
        return [link for link in self._links if not link.breaker.rests] or self._links

    @contextmanager
    def watching(self, link: Link[Kind]) -> Iterator[None]:
        """Around a job of this engine: keeps the count of its failures, and logs them."""
        try:
            with link.breaker.watching():
                yield
        except EngineError as failure:
            link.failures[type(failure).__name__] += 1
            rests = link.breaker.rests and len(self._links) > 1
            told = {"engine": self.name, "place": link.place, "why": str(failure), "rests": rests}
            log.warning("an engine failed at a job", extra=told)
            raise
        except GeneratorExit:  # nobody wants more of it
            link.done += 1
            raise
        else:
            link.done += 1

    def answers(self, link: Link[Kind]) -> None:
        """This engine is the one that now does the work; logged when it was another before."""
        if link.place != self._in_use:
            change = {"engine": self.name, "place": link.place, "before": self._in_use}
            log.warning("another engine does the work now", extra=change)
            self._in_use = link.place


_CHAINS: Final[WeakSet[Chain[Any]]] = WeakSet()


def all_chains() -> list[Chain[Any]]:
    """Every chain of this process that is in use, in no order; for who measures them."""
    return list(_CHAINS)
