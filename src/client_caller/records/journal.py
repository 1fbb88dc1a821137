"""The journal: what a call's flight record tells whoever goes on with that call.

In:   the folder of records, and the id of a call.     Out: the newest record of it: its steps, and how the call stands.
Rule: reads only. What may be wrong with a record is the reader's to judge; nothing here is mended.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from client_caller.conversation.actions import HangUp, Note, Remember, StartRecording, Turn
from client_caller.conversation.events import HungUp, LineLost, LineResumed
from client_caller.records.flight import Header, read_record
from client_caller.records.replay import Step, steps_of


@dataclass(frozen=True, slots=True)
class Journal:
    """One call as far as it was written down. ends_at: call time of the last line, in seconds."""

    path: Path
    header: Header
    steps: Sequence[Step]
    ends_at: float

    @property
    def is_over(self) -> bool:
        """Whether the call was ended on purpose, or was just about to be."""
        return any(
            isinstance(step.event, HungUp) or any(isinstance(action, HangUp) for action in step.actions)
            for step in self.steps
        )

    @property
    def is_lost(self) -> bool:
        """Whether the heart knows already that its stream is gone."""
        news = [step.event for step in self.steps if isinstance(step.event, LineLost | LineResumed)]
        return bool(news) and isinstance(news[-1], LineLost)

    @property
    def noted(self) -> list[str]:
        """What was noted of the call for the ledger."""
        return [action.what for step in self.steps for action in step.actions if isinstance(action, Note)]

    @property
    def remembered(self) -> list[Turn]:
        """What joined the history."""
        return [action.turn for step in self.steps for action in step.actions if isinstance(action, Remember)]

    @property
    def may_record(self) -> bool:
        """Whether the sound of the call may be kept."""
        return any(isinstance(action, StartRecording) for step in self.steps for action in step.actions)

    @property
    def lost_at(self) -> list[float]:
        """Call times at which the call lost its stream."""
        return [step.at for step in self.steps if isinstance(step.event, LineLost)]


def find_journal(folder: Path, call_id: str) -> Journal | None:
    """The newest record of this call under `folder`; None when there is none. Raises ConfigError for an unreadable one.

    A call's folder is named after the instant at which it began and the call, so names suffice to find it.
    """
    try:
        names = [name for name in os.listdir(folder) if name.endswith(call_id) and name.partition("-")[2] == call_id]
    except OSError:
        return None
    if not names:
        return None
    path = folder / max(names) / "record.jsonl"
    header, entries = read_record(path)
    return Journal(path, header, steps_of(entries), max((entry.t for entry in entries), default=0.0))
