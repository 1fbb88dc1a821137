"""Log lines for operators: one line each, the facts behind the message as key=value."""

import logging
import sys
from typing import Final

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        facts = " ".join(f"{key}={value!r}" for key, value in vars(record).items() if key not in _OWN)
        return f"{line}  {facts}" if facts else line


def set_up_logging() -> None:
    """Send the process's log to stderr: what we have to say, and warnings of the libraries.

    Their INFO is left out: it has a line for each request, with addresses that carry stream tokens.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("client_caller").setLevel(logging.INFO)
