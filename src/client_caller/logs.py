"""Log lines for operators: one line each, the facts behind the message as key=value, or all of it as one JSON object.

In:   lines of the log, anywhere in the process.     Out: standard error.
Rule: a line that is written while a call is dealt with has the call's id, whoever writes it. What an exception says is
      left out of tracebacks unless it is of a kind that tells of the program alone, for it may hold words of a caller.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

from client_caller.errors import ClientCallerError
from client_caller.settings import LogSettings

_OURS: Final = "client_caller"
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_TELLING: Final = (ClientCallerError, OSError, AttributeError, NameError, ImportError)
"""Exceptions whose text is never made of what somebody said."""

_DEEPEST: Final = 20
"""Exceptions behind, or within, one that is told."""

_CALL: Final = ContextVar("call", default="")

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


@contextmanager
def about_call(call_id: str) -> Iterator[None]:
    """Whatever is logged in the block, and in tasks that are started in it, is of this call."""
    token = _CALL.set(call_id)
    try:
        yield
    finally:
        _CALL.reset(token)


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        facts = " ".join(f"{key}={value!r}" for key, value in _facts(record).items())
        return f"{line}  {facts}" if facts else line

    def formatException(self, ei: _ExcInfo) -> str:
        return _told(ei[1])


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1]:
            line["traceback"] = _told(record.exc_info[1])
        facts = {key: value for key, value in _facts(record).items() if key not in line}
        return json.dumps(line | facts, default=str, ensure_ascii=False)


def set_up_logging(settings: LogSettings | None = None) -> None:
    """Send the process's log to stderr: what we have to say, and warnings of the libraries.

    Their INFO is left out: it has a line for each request, with addresses that carry stream tokens.
    """
    handler = logging.StreamHandler(sys.stderr)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(logging.DEBUG)
    _write(handler, settings or LogSettings())


def change_logging(settings: LogSettings) -> None:
    """Write what `set_up_logging` has set up as these settings have it from now on; nothing where it has not."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Lines | _Json):
            _write(handler, settings)


def _write(handler: logging.Handler, settings: LogSettings) -> None:
    """The level is the handler's and not the logger's: who counts lines hears them all."""
    form = _Json() if settings.form == "json" else _Lines("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(form)
    handler.setLevel(settings.level.upper())


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """What stands behind the message; the call is the one that is dealt with, if the line does not name it."""
    facts = {key: value for key, value in vars(record).items() if key not in _OWN}
    call = _CALL.get()
    return {"call": call, **facts} if call and "call" not in facts else facts


def _told(failure: BaseException | None, depth: int = 0) -> str:
    """A traceback: places in the program, kinds of exceptions, and texts of those that may be told."""
    if failure is None or depth == _DEEPEST:
        return ""
    before = failure.__cause__ or (None if failure.__suppress_context__ else failure.__context__)
    said = f": {failure}" if isinstance(failure, _TELLING) else ""
    parts = [_told(before, depth + 1), *traceback.format_tb(failure.__traceback__), f"{type(failure).__name__}{said}\n"]
    if isinstance(failure, BaseExceptionGroup):
        parts += [_told(each, depth + 1) for each in failure.exceptions]
    return "".join(parts)
