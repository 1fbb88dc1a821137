"""Golden calls: the records of calls that went well replay exactly, and the same calls go as well today."""

import tomllib

import pytest
from scenes import HERE, SCENES, Numbers, from_record, played

from calls import heart_of
from client_caller.records.flight import read_record
from client_caller.records.replay import replay


def expected(name: str) -> Numbers:
    """The number and its tolerance for each figure of a scene; a figure without a tolerance must be met exactly."""
    figures = tomllib.loads((HERE / name / "expect.toml").read_text(encoding="utf-8"))
    return {
        key: pytest.approx(figure["value"], abs=figure["within"]) if isinstance(figure, dict) else figure
        for key, figure in figures.items()
    }


def test_every_scene_has_its_record_and_every_record_its_scene() -> None:
    assert {path.parent.name for path in HERE.glob("*/record.jsonl")} == set(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_the_heart_does_today_what_it_did_in_the_record(name: str) -> None:
    outcome = replay(HERE / name / "record.jsonl", heart_of)
    assert outcome.difference is None
    assert outcome.steps > 10


@pytest.mark.parametrize("name", SCENES)
def test_the_numbers_of_the_record_are_those_expected(name: str) -> None:
    numbers = from_record(read_record(HERE / name / "record.jsonl")[1])
    wanted = expected(name)
    assert numbers == {key: wanted[key] for key in numbers}


@pytest.mark.parametrize("name", SCENES)
def test_the_same_call_goes_as_well_today(name: str) -> None:
    assert played(name)[1] == expected(name)
