"""What all work beside a call has in common: its failures become events, facts of the record, lines in the log."""

import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from client_caller.conversation.events import Engine, EngineFailed, Event
from client_caller.errors import EngineError
from client_caller.records.flight import Plain

log = logging.getLogger("client_caller.engines")


Task = Callable[[], Coroutine[Any, Any, None]]
"""Work that goes on until it is cancelled."""


class Fact(Protocol):
    """Told of what is worth recording of a call."""

    def __call__(self, name: str, **fields: Plain) -> None: ...


@contextmanager
def reporting(call_id: str, happen: Callable[[Event], None], fact: Fact, engine: Engine, number: int) -> Iterator[None]:
    """Work of an engine; what it raises ends the block and is told. number: as in `EngineFailed`."""
    try:
        yield
    except EngineError as failure:
        fact("engine failed", what=str(failure))
        log.warning("an engine failed", extra={"call": call_id, "engine": engine, "why": str(failure)})
        happen(EngineFailed(engine, number))
