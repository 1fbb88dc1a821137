"""The desk of one call: what a caller leaves is kept in the ledger, and a call back is promised if one can be made.

In:   messages and wishes, as tools tell of them.     Out: entries for the ledger; promises for the office.
Rule: nothing is promised that nobody will keep: without an office that may call this number, a colleague is told.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Final, Protocol

from client_caller.agent import Agent
from client_caller.book import CallBook
from client_caller.errors import ToolFailed

_LATEST: Final = timedelta(days=60)
"""Nobody means a day so far away; a model that errs in the year does."""


class CallsBack(Protocol):
    """Who calls back."""

    def can_call_back(self) -> bool:
        """Whether anybody could be."""

    def call_back(self, call_id: str, number: str, at: datetime | None) -> None:
        """Have this number called back, not before `at`; returns at once."""


class CallDesk:
    """Keeps what is left in one call. calls_back: None when nobody can; zone: of the times that callers name."""

    def __init__(
        self, book: CallBook, agent: Agent, calls_back: CallsBack | None, now: Callable[[], datetime], zone: tzinfo
    ) -> None:
        self._book = book
        self._calls_back = calls_back if agent.outbound else None
        self._now = now
        self._zone = zone

    def take_message(self, message: str, name: str, number: str) -> None:
        """Keep a message for the company."""
        self._book.keep_left("a message was taken", _text(message=message, name=name, number=number))

    def schedule_callback(self, at: str, number: str, about: str) -> str:
        """Promise a call back; see `tools.protocol.Desk`."""
        when = self._instant(at) if at else None
        self._book.keep_left("a call back was asked for", _text(at=at, number=number, about=about))
        own = self._book.their_number
        back = self._calls_back
        if back is None or not own or number not in ("", own) or not back.can_call_back():
            return "A colleague was told to call back. Do not promise a time."
        back.call_back(self._book.call_id, own, when)
        return f"They will be called back, {'not before ' + at if at else 'as soon as possible'}."

    def _instant(self, at: str) -> datetime:
        """Raises ToolFailed for a time that cannot be meant."""
        when = datetime.fromisoformat(at)
        when = when if when.tzinfo else when.replace(tzinfo=self._zone)
        if not self._now() < when < self._now() + _LATEST:
            today = self._now().astimezone(self._zone)
            raise ToolFailed(
                f"{at} lies in the past, or too far ahead; it is {today:%Y-%m-%dT%H:%M} now. Ask again when."
            )
        return when


def _text(**fields: str) -> str:
    return json.dumps({name: value for name, value in fields.items() if value}, ensure_ascii=False)
