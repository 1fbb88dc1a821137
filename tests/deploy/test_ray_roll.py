"""A gateway on every machine, with what is its own; and a new version comes to one place at a time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ray_parts import FOLDER, roll

from client_caller.errors import ConfigError
from client_caller.settings import Settings

NODES = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["10.0.0.1", "10.0.0.2"]))
NEW = "new"


def fitting(**changes: Any) -> Any:
    return roll.Fitting(**{"command": ("serve",), "folder": Path("/srv"), **changes})


def seen(*rows: tuple[str, str, str]) -> list[Any]:
    return [roll.Seen(*row) for row in rows]


@given(st.lists(NODES, min_size=1, max_size=6))
def test_every_machine_has_a_place_that_is_nobody_elses_and_keeps_it(turns: list[dict[str, str]]) -> None:
    places: list[Any] = []
    for nodes in turns:
        before = {place.node_id: place for place in places if place.node_id in nodes}
        places = roll.placed(nodes.items(), places, 8080)
        assert {place.node_id for place in places} == set(nodes)
        assert len({place.index for place in places}) == len({place.name for place in places}) == len(places)
        assert all(place == before.get(place.node_id, place) for place in places)


def test_a_machine_that_comes_back_has_the_name_that_it_had() -> None:
    first = roll.placed([("a", "10.0.0.1"), ("b", "10.0.0.2")], [], 8080)
    without = roll.placed([("a", "10.0.0.1")], first, 8080)
    again = roll.placed([("a", "10.0.0.1"), ("b2", "10.0.0.2")], without, 8080)
    assert [place.name for place in again] == [place.name for place in first] == ["10-0-0-1-8080", "10-0-0-2-8080"]


def test_what_is_a_places_own_stands_in_braces() -> None:
    place = roll.Place("n", "10.0.0.7", 3, 8081)
    assert place.fill("{name} {node_ip} {dashed_ip} {port} {index}") == "10-0-0-7-8081 10.0.0.7 10-0-0-7 8081 3"


@pytest.mark.parametrize("value", ["{nobody}", "{}", "{", "{0}"])
def test_other_braces_are_refused_before_anything_is_started(value: str) -> None:
    with pytest.raises(ConfigError, match="in braces"):
        fitting(environment={"A": value})


@pytest.mark.parametrize("name", ["TWILIO_AUTH_TOKEN", "CLIENT_CALLER_FLEET__KEY", "CLIENT_CALLER_LEDGER__URL"])
def test_a_file_may_hold_no_secret(tmp_path: Path, name: str) -> None:
    file = tmp_path / "gateways.yaml"
    file.write_text(yaml.safe_dump({"command": ["x"], "folder": "/", "environment": {name: "hush-hush"}}))
    with pytest.raises(ConfigError, match=name) as refused:
        roll.read_fitting(file)
    assert "hush" not in str(refused.value)


def test_a_file_with_a_word_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gateways.yaml"
    file.write_text("command: [x]\nfolder: /\nverion: 2\n")
    with pytest.raises(ConfigError, match="verion"):
        roll.read_fitting(file)


def test_the_file_that_comes_with_the_project_tells_gateways_only_what_they_know() -> None:
    told = roll.read_fitting(FOLDER / "gateways.yaml").environment_at(roll.Place("n", "10.0.0.7", 3, 8080))
    for name in told:
        group, *key = name.removeprefix("CLIENT_CALLER_").lower().split("__")
        field = Settings.model_fields[group]
        assert not key or key[0] in field.annotation.model_fields, name  # type: ignore[union-attr]
    assert told["CLIENT_CALLER_FLEET__STREAM_URL"] == "https://10-0-0-7.media.example.com"


def test_any_change_of_the_file_is_another_mark() -> None:
    one = fitting()
    assert one.mark == fitting().mark
    assert len({one.mark, fitting(version="2").mark, fitting(environment={"A": "1"}).mark}) == 3


def test_one_that_answers_nobody_is_replaced_before_one_that_does() -> None:
    assert roll.next_to_replace(seen(("a", "ready", "old"), ("b", "down", ""), ("c", "ready", "old")), NEW) == "b"


def test_a_new_version_that_does_not_come_up_ends_the_upgrade() -> None:
    assert roll.next_to_replace(seen(("a", "starting", NEW), ("b", "ready", "old")), NEW) is None


def test_nothing_is_replaced_when_all_are_new() -> None:
    assert roll.next_to_replace(seen(("a", "ready", NEW), ("b", "starting", NEW)), NEW) is None


@given(st.lists(st.sampled_from(["ready", "down", "starting"]), min_size=1, max_size=6), st.data())
def test_an_upgrade_takes_no_second_gateway_away_and_ends(states: list[str], data: st.DataObject) -> None:
    """Each that is replaced comes up, sooner or later; meanwhile others are looked at again and again."""
    gateways = [roll.Seen(f"g{number}", state, "old") for number, state in enumerate(states)]
    away_at_first = {each.name for each in gateways if each.state != "ready"}
    for _ in range(4 * len(gateways)):
        name = roll.next_to_replace(gateways, NEW)
        if name is not None:
            gateways = [replace(each, state="starting", mark=NEW) if each.name == name else each for each in gateways]
        away = {each.name for each in gateways if each.state != "ready"}
        assert len(away - away_at_first) <= 1
        if name is None or data.draw(st.booleans()):
            gateways = [replace(each, state="ready") if each.mark == NEW else each for each in gateways]
            away_at_first &= {each.name for each in gateways if each.state != "ready"}
    assert all(each == replace(each, state="ready", mark=NEW) for each in gateways)
