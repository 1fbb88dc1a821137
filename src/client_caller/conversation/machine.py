"""The heart: decides who has the floor. Events in, actions out, `now` as an argument, one deadline.

Rule 1: no clock, no task, no logger, no chance; the same script of events gives the same actions, so a recorded call
        replays exactly.
Rule 2: news of a pause or a reply that has been superseded is dropped in one place, `staleness.py`.
Rule 3: every step is checked against the table of `transitions.py`; what it means is decided in `course.py` and
        `floor.py`.
"""

from client_caller.conversation.actions import Action
from client_caller.conversation.course import Course
from client_caller.conversation.events import Event
from client_caller.conversation.policy import Manner
from client_caller.conversation.staleness import is_stale
from client_caller.conversation.transitions import TRANSITIONS, Deadline, Phase, Trigger
from client_caller.errors import LocalProtocolError


class Conversation:
    """One call's conversation. Feed it events; do what it answers; call `handle_deadline` at `deadline`."""

    def __init__(self, manner: Manner) -> None:
        self.deadline: float | None = None  # call time at which to call handle_deadline
        self._course = Course(manner)
        self._floor = self._course.floor

    @property
    def phase(self) -> Phase:
        """Who has the floor."""
        return self._floor.phase

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do about `event`, in order. Raises LocalProtocolError when it is impossible in this phase."""
        floor = self._floor
        if is_stale(event, floor.phase, floor.pause, floor.overlap, floor.agent.reply):
            return []
        came_from = self._admit(type(event))
        actions = self._course.on_event(event, now)
        self._settle_step(came_from, type(event))
        return actions

    def handle_deadline(self, now: float) -> list[Action]:
        """What to do at `now` if the deadline has come; nothing otherwise."""
        if self.deadline is None or now < self.deadline:
            return []
        came_from = self._admit(Deadline)
        actions = self._course.on_deadline(now)
        self._settle_step(came_from, Deadline)
        return actions

    def _admit(self, trigger: Trigger) -> Phase:
        if trigger not in TRANSITIONS[self.phase]:
            raise LocalProtocolError(f"{trigger.__name__} cannot happen while {self.phase.value}")
        return self.phase

    def _settle_step(self, came_from: Phase, trigger: Trigger) -> None:
        if self.phase not in TRANSITIONS[came_from][trigger]:
            raise LocalProtocolError(f"{trigger.__name__} cannot lead from {came_from.value} to {self.phase.value}")
        self.deadline = self._course.next_deadline()
