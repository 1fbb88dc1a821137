"""Replay: the heart run again on a recorded call.

In:   a flight record, and a way to build the heart from its header.
Out:  how many steps agreed, and the first that did not.
Rule: a step is an event or a deadline with the actions that answered it; times are the recorded ones.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from client_caller.conversation.actions import Action
from client_caller.conversation.events import Event, HungUp
from client_caller.errors import ConfigError
from client_caller.records.flight import ActionEntry, DeadlineEntry, Entry, EventEntry, FactEntry, read_record


class Heart(Protocol):
    """What replay needs of a conversation."""

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do about `event`."""

    def handle_deadline(self, now: float) -> list[Action]:
        """What to do now that the deadline has passed."""


@dataclass(frozen=True, slots=True)
class Step:
    """What the heart was told at call time `at` (`event` is None for a deadline), and what it answered."""

    at: float
    event: Event | None
    actions: list[Action] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step that came out differently: number `number`, counted from 1."""

    number: int
    step: Step
    actions_now: list[Action]


@dataclass(frozen=True, slots=True)
class Replay:
    """The outcome: steps and actions that agreed, and the difference, if any, at which replay stopped.

    missing: answers to the last step that the record lacks, for a kill came before they were written.
    """

    steps: int
    actions: int
    difference: Difference | None
    missing: list[Action] = field(default_factory=list)


def replay(path: Path, build: Callable[[dict[str, Any]], Heart]) -> Replay:
    """Run the heart that `build` makes of the header's `conversation` through the record at `path`.

    Raises ConfigError when the file is not a flight record, and whatever the heart raises.
    """
    header, entries = read_record(path)
    return run_again(build(header.conversation), steps_of(entries))


def run_again(heart: Heart, steps: Sequence[Step]) -> Replay:
    """Take a new heart through the steps of a record, to where the record ends. Raises whatever the heart raises."""
    agreed = 0
    missing: list[Action] = []
    for number, step in enumerate(steps, start=1):
        actions = heart.handle(step.event, step.at) if step.event else heart.handle_deadline(step.at)
        # A killed process may have written only some of its last answers; what it did write must still agree.
        if number == len(steps) and not isinstance(step.event, HungUp):
            missing = actions[len(step.actions) :]
            actions = actions[: len(step.actions)]
        if actions != step.actions:
            return Replay(number - 1, agreed, Difference(number, step, actions + missing))
        agreed += len(step.actions)
    return Replay(len(steps), agreed, None, missing)


def steps_of(entries: Iterable[Entry]) -> list[Step]:
    """The record's steps, in order. Raises ConfigError when an action comes before anything that could cause it."""
    steps: list[Step] = []
    for entry in entries:
        match entry:
            case EventEntry(t, event):
                steps.append(Step(t, event))
            case DeadlineEntry(t):
                steps.append(Step(t, None))
            case ActionEntry(t, action):
                if not steps:
                    raise ConfigError(f"the record has {action} at {t} s before any event; it cannot be replayed")
                steps[-1].actions.append(action)
            case FactEntry():
                pass
    return steps
