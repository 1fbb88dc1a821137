"""The table of phases."""

from typing import get_args

from client_caller.conversation.events import Event
from client_caller.conversation.transitions import TRANSITIONS, Deadline, Phase, state_diagram


def test_every_phase_has_a_row_and_only_known_triggers() -> None:
    assert set(TRANSITIONS) == set(Phase)
    known = {*get_args(Event), Deadline}
    assert {trigger for row in TRANSITIONS.values() for trigger in row} <= known


def test_every_phase_but_the_last_can_be_left_by_hanging_up() -> None:
    assert all("HungUp" in {trigger.__name__ for trigger in row} for row in list(TRANSITIONS.values())[:-1])
    assert TRANSITIONS[Phase.ENDED] == {}


def test_the_picture_shows_every_change_of_phase() -> None:
    changes = {(a, b) for a, row in TRANSITIONS.items() for targets in row.values() for b in targets if a is not b}
    picture = state_diagram()
    assert picture.count("-->") == len(changes) + 2
    assert all(f"{a.name} --> {b.name}:" in picture for a, b in changes)
