"""How the calls of an endurance run are judged, and that the fakes can be run through one."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import soak_virtual
from client_caller.conversation.actions import Remember, Turn
from client_caller.conversation.events import HungUp, LineLost
from client_caller.records.flight import ActionEntry, EventEntry
from client_caller.rehearsal.clips import Clip
from client_caller.rehearsal.measure import HeardCall, TurnHeard
from client_caller.rehearsal.script import HangUp
from client_caller.twin.carried import CarriedCall, Noted
from soak_calls import KINDS, Clips, Plan, plans, wrongs
from soak_held import Row, slopes
from virtual import run

CLIP = Clip("a clip", "words", np.zeros(8_000, np.float32), 0.0, 1.0)
CLIPS = Clips([CLIP], [CLIP], CLIP)
PLAN = Plan("one question", [HangUp()])
ANSWERED = TurnHeard("say", "words", 5.0, 6.0, 0.0, 6.5, 0.5, False, None)
HEARD = HeardCall(b"", b"", (ANSWERED,), 0.5, 0.0)
SAID = [ActionEntry(1.0, Remember(Turn(speaker, "words"))) for speaker in ("agent", "caller")]
ENTRIES = [*SAID, EventEntry(9.0, HungUp())]


def a_call(hung_up_by: str = "person", streams: int = 1, codes: tuple[int, ...] = ()) -> CarriedCall:
    errors = [Noted(code, "what", 1.0) for code in codes]
    return CarriedCall("CA1", hung_up_by=hung_up_by, streams=streams, errors=errors)  # type: ignore[arg-type]


def test_a_call_in_order_has_nothing_wrong() -> None:
    assert wrongs(PLAN, a_call(), HEARD, ENTRIES) == []


def test_a_call_that_the_agent_ends_closes_its_stream() -> None:
    assert wrongs(PLAN, a_call("document", codes=(31921,)), HEARD, ENTRIES) == []
    assert wrongs(PLAN, a_call("person", codes=(31921,)), HEARD, ENTRIES) == ["the carrier noted [31921]"]


def test_a_stream_that_was_broken_may_be_followed_by_one_more() -> None:
    breaks = replace(PLAN, breaks_at=3.0)
    assert wrongs(breaks, a_call(streams=2, codes=(31921,)), HEARD, ENTRIES) == []
    assert wrongs(breaks, a_call(), HEARD, ENTRIES) == [], "it was over before it could break"
    assert wrongs(breaks, a_call(streams=3), HEARD, ENTRIES) == ["it took 3 streams"]
    assert wrongs(PLAN, a_call(streams=2), HEARD, ENTRIES) == ["it took 2 streams"]


@pytest.mark.parametrize(
    ("call", "heard", "entries", "wrong"),
    [
        (a_call(), replace(HEARD, greeting_at=None), ENTRIES, "it was not answered"),
        (
            a_call(),
            replace(HEARD, turns=(replace(ANSWERED, agent_audible_at=None),)),
            ENTRIES,
            "nothing that the caller said was answered",
        ),
        (a_call(), HEARD, [SAID[0], ENTRIES[-1]], "no word of the caller was understood"),
        (a_call(), HEARD, [SAID[1], ENTRIES[-1]], "no word of the agent was heard"),
        (a_call("fault"), HEARD, ENTRIES, "it was ended by: fault"),
        (a_call(), HEARD, [*SAID, EventEntry(9.0, LineLost())], "its record ends with LineLost"),
        (a_call(), HEARD, SAID, "its record ends with nothing"),
    ],
)
def test_what_is_wrong_is_said(call: CarriedCall, heard: HeardCall, entries: list[EventEntry], wrong: str) -> None:
    assert wrongs(PLAN, call, heard, entries) == [wrong]


def test_the_same_seed_gives_the_same_calls_and_all_kinds_come_up() -> None:
    drawn = plans(200, CLIPS, seed=1)
    again, others = plans(200, CLIPS, seed=1), plans(200, CLIPS, seed=2)
    assert [(each.kind, each.breaks_at) for each in drawn] == [(each.kind, each.breaks_at) for each in again]
    assert [each.kind for each in drawn] != [each.kind for each in others]
    assert set(Counter(each.kind for each in drawn)) == set(KINDS)
    assert all((each.breaks_at is not None) == (each.kind == "the stream breaks") for each in drawn)


def test_calls_with_fakes_go_well_leave_nothing_and_repeat_themselves(tmp_path: Path) -> None:
    def soaked(folder: Path) -> soak_virtual.Soaked:
        rows: list[Row] = []
        return run(soak_virtual.soak(folder, 20, 5, seed=7, show=rows.append))

    one, other = soaked(tmp_path / "one"), soaked(tmp_path / "other")
    assert one.failures == []
    assert one.events["EngineFailed"] > 0, "some engine was unwell"
    assert one.events["LineResumed"] == one.kinds["the stream breaks"] > 0
    assert (one.kinds, one.events, one.virtual_s) == (other.kinds, other.events, other.virtual_s)
    assert slopes(one.rows)["tasks"].a_call == slopes(one.rows)["open files"].a_call == 0.0


def test_a_call_that_fails_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def leaves_nothing(*_: object, **__: object) -> bool:
        return True

    monkeypatch.setattr(soak_virtual, "_stream", leaves_nothing)
    soaked = run(soak_virtual.soak(tmp_path, 5, 5, seed=3, show=lambda row: None))
    assert len(soaked.failures) == 5
    assert soaked.failures[0].endswith("the house has not told that it is over")
