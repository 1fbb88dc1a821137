"""The writer: the one thread that brings entries into the database, so that no call ever waits for it.

In:   entries, from any thread, at once.
Out:  batches, each stored in one transaction; into the spill while the database is away.
Rule: an entry that was noted is in the queue, in the spill or in the database until the process is killed, and in one
      of the last two a moment later. What waits in the spill is stored before anything else.

A batch that the database could not take goes to the spill at once, and is tried from there: a process that is killed
while the database is away loses nothing but the last tenth of a second. While it is there, entries are gathered for a
quarter of a second.
"""

import atexit
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from typing import Final

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from client_caller.ledger.database import LedgerFailed, reason
from client_caller.ledger.encoding import encode
from client_caller.ledger.entries import Entry
from client_caller.ledger.spill import Spill

log = logging.getLogger("client_caller.ledger")

QUEUED: Final = 10_000
"""Entries that may wait: minutes of a busy house. Beyond that they go to the spill."""

_AT_ONCE: Final = 500
_GATHER_S: Final = 0.25
"""How long entries are gathered unless somebody waits for them. Each transaction costs a few milliseconds in which the
event loop must share the interpreter with this thread; stored one by one, twenty a second made calls stutter."""

_BEAT_S: Final = 0.1
_MOST_BEATS: Final = 64
"""While the database is away it is tried after 1, 2, 4 … beats; entries that come meanwhile are spilled every beat."""

_FLUSH_S: Final = 30.0
_CLOSE_S: Final = 10.0
"""How long one waits, who flushes or closes, for a database that neither answers nor refuses."""

AWAY: Final = (OperationalError, InterfaceError, NoConnection)
"""What says that the database cannot be had now, and not that it will never take an entry."""


class _Flush:
    """Asks that all entries noted before it be stored."""

    def __init__(self) -> None:
        self.answer: Future[None] = Future()


class Writer:
    """Stores entries behind the back of who notes them.

    store: writes entries in one transaction; it may be asked again for what it has stored already;
    spill: where they wait while it cannot;  queued: entries that may wait in memory.
    """

    def __init__(self, store: Callable[[Sequence[Entry]], None], spill: Spill, queued: int = QUEUED) -> None:
        self._store = store
        self._spill = spill
        self._queue: Queue[Entry | _Flush] = Queue(queued)
        self._in_hand: list[Entry] = []  # taken from the queue, and not safe yet
        self._is_away = False
        self._pause = self._beats_left = 0  # while the database is away, in beats
        self._wanted = Event()  # somebody waits for an answer, so a pause is cut short
        self._door = Lock()  # nothing enters the queue once it is closed
        self._is_closed = False
        # It must not keep a process alive that has forgotten to close the ledger; `atexit` saves what is left then.
        self._thread = Thread(target=self._run, name="ledger", daemon=True)

    @property
    def is_away(self) -> bool:
        """Whether entries are spilled, for the database takes none."""
        return self._is_away

    def start(self) -> None:
        """Store what an earlier process has spilled, then whatever is noted."""
        self._bring()
        self._thread.start()
        atexit.register(self.close)

    def note(self, entry: Entry) -> None:
        """Take an entry; returns at once, and never raises."""
        try:
            encode(entry)
        except (TypeError, ValueError, OverflowError) as wrong:
            # A bug of whoever notes it. It must end here: further on it would end the thread, and others' entries.
            log.critical("something that is no entry was noted", extra={"kind": type(wrong).__name__})
            return
        if not self._enter(entry):
            self._save([entry], sync=False)  # the system writes it in its own time: nobody waits for the disk here

    def flush(self) -> None:
        """Wait until all that was noted before is stored. Raises LedgerFailed when that cannot be done now."""
        flush = _Flush()
        if not self._enter(flush):
            raise LedgerFailed("the ledger is closed, or too far behind to be asked")
        self._wanted.set()
        try:
            flush.answer.result(_FLUSH_S)
        except NotInTime as late:
            raise LedgerFailed(f"the ledger's database has not answered within {_FLUSH_S:g} s") from late

    def close(self) -> None:
        """Store what is left, or spill it, and end the thread. What is noted later is spilled. Safe to repeat."""
        self._enter(_Flush())  # so that the thread wakes; a full queue has woken it already
        with self._door:
            self._is_closed = True
        self._wanted.set()
        atexit.unregister(self.close)
        if self._thread.ident is None:
            return
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            # It may yet store these as well, which does no harm.
            self._save([*self._in_hand, *self._left()])

    def _enter(self, item: Entry | _Flush) -> bool:
        with self._door:
            if self._is_closed:
                return False
            try:
                self._queue.put_nowait(item)
            except Full:
                return False
            return True

    def _run(self) -> None:
        try:
            while not (self._is_closed and self._queue.empty()):
                self._round()
        finally:
            # Whatever ends this thread, a bug of ours too, what was noted is not lost with it.
            with self._door:
                self._is_closed = True
            self._in_hand += self._left()
            self._save_in_hand()

    def _round(self) -> None:
        flush = self._take()
        if self._is_away and self._beats_left > 0 and flush is None:
            self._beats_left -= 1
            self._save_in_hand()
        else:
            self._bring()
        if flush is not None:
            _answer(flush, is_stored=not self._is_away)

    def _take(self) -> _Flush | None:
        """Take what is in the queue in hand, up to the next flush, which it gives; waits for the first, or one beat."""
        block = not self._is_away
        if self._is_away:
            self._wanted.wait(_BEAT_S)
            self._wanted.clear()
        while block or len(self._in_hand) < _AT_ONCE:
            try:
                item = self._queue.get(block)
            except Empty:
                return None
            if isinstance(item, _Flush):
                return item
            self._in_hand.append(item)
            if block and not self._is_closed:
                self._wanted.wait(_GATHER_S)
                self._wanted.clear()
            block = False
        return None

    def _bring(self) -> None:
        """Bring what waits in the spill, then what is in hand, into the database; or the latter into the spill."""
        try:
            if not self._spill.is_empty:
                self._spill.drain(self._store_each)
            if self._in_hand:
                self._store_each(self._in_hand)
        except (*AWAY, OSError) as refused:
            if not self._is_away:
                log.warning("the ledger's database is away; entries are spilled", extra={"why": reason(refused)})
            self._is_away = True
            self._pause = self._beats_left = min(2 * self._pause or 1, _MOST_BEATS)
            self._save_in_hand()
        else:
            if self._is_away:
                log.warning("the ledger's database is back, and has what was spilled")
            self._in_hand.clear()
            self._is_away = False
            self._pause = 0

    def _store_each(self, entries: Sequence[Entry]) -> None:
        """Store entries; one that the database will never take must not keep the others from it."""
        try:
            self._store(entries)
        except AWAY:
            raise
        except (SQLAlchemyError, ValueError):
            if len(entries) == 1:
                self._spill.refuse(entries[0])
                return
            for entry in entries:
                self._store_each([entry])

    def _save_in_hand(self) -> None:
        if self._save(self._in_hand):
            self._in_hand.clear()

    def _save(self, entries: Sequence[Entry], *, sync: bool = True) -> bool:
        if not entries:
            return True
        try:
            self._spill.append(entries, sync=sync)
        except OSError as refused:
            log.critical(
                "entries can be neither stored nor spilled", extra={"count": len(entries), "why": refused.strerror}
            )
            return False
        return True

    def _left(self) -> Iterable[Entry]:
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return
            if isinstance(item, _Flush):
                _answer(item, is_stored=False)
            else:
                yield item


def _answer(flush: _Flush, *, is_stored: bool) -> None:
    if is_stored:
        flush.answer.set_result(None)
    else:
        flush.answer.set_exception(LedgerFailed("the ledger's database is away; what was noted waits in a file"))
