"""The rules can be read from a file, which can make them stricter or weaker, but not wrong unnoticed."""

import re
from datetime import date
from pathlib import Path

import pytest
from phonenumbers.geodata import GEOCODE_DATA

from client_caller.errors import ConfigError
from client_caller.outbound.law import Law, parse_law
from client_caller.outbound.places import _STATE_OF, STRICTER, is_place, places_of


def test_an_empty_file_is_the_law_as_built_in() -> None:
    assert parse_law("", "rules.toml") == Law()
    assert [str(window) for window in Law().calling_hours] == ["08:00 to 21:00"]


def test_every_built_in_rule_of_a_place_names_its_source_and_is_of_advertising_only() -> None:
    for name, place in Law().places.items():
        assert is_place(name)
        assert place.source
        assert place.purposes == ("marketing",)
        assert place.calling_hours


def test_a_file_replaces_what_it_names_and_nothing_else() -> None:
    law = parse_law(
        """
        closed_on = [2026-12-25]
        [calling_hours]
        start = "09:00"
        end = 18:30:00
        days = ["mon", "tue"]
        [caps]
        per_day = 1
        [retries]
        busy = [0.5]
        [consent]
        marketing = ["marketing", "call back"]
        [places.US-FL]
        caps = { per_day = 2 }
        [[places.DE.calling_hours]]
        start = "10:00"
        end = "12:00"
        [[places.DE.calling_hours]]
        start = "15:00"
        end = "18:00"
        """,
        "rules.toml",
    )
    assert [str(window) for window in law.calling_hours] == ["09:00 to 18:30 on mon, tue"]
    assert law.closed_on == (date(2026, 12, 25),)
    assert (law.caps.per_day, law.caps.per_week) == (1, 7)
    assert (law.retries.busy, law.retries.failed) == ((0.5,), (1.0, 4.0))
    assert law.consent.marketing == ("marketing", "call back")
    assert law.places["US-FL"].calling_hours == ()
    assert len(law.places["DE"].calling_hours) == 2
    assert law.places["US-OK"] == Law().places["US-OK"]
    assert set(law.places) == {*STRICTER, "DE"}


def test_all_mistakes_of_a_file_are_told_at_once_with_their_fields() -> None:
    with pytest.raises(ConfigError) as wrong:
        parse_law(
            """
            [calling_hours]
            start = "nine"
            end = "21:00"
            [caps]
            per_day = 0
            pre_week = 3
            [retries]
            busy = [0]
            [places.US-FL]
            purposes = ["spam"]
            """,
            "rules.toml",
        )
    told = str(wrong.value).splitlines()
    assert [line.split()[1] for line in told] == [
        "calling_hours[1].start",
        "caps.per_day",
        "caps.pre_week",
        "retries.busy[1]",
        "places.US-FL.purposes[1]",
    ]
    assert all(line.startswith("rules.toml: ") for line in told)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("caps = ", "not valid TOML"),
        ("calling_hours = []", "nobody could ever be called"),
        ("[places.florida]", 'as "FR" and "US-FL"'),
        ("[places.XX]", 'as "FR" and "US-FL"'),
        ("places = 3", "places"),
        ("[caps]\nmin_spacing_h = 0", "caps.min_spacing_h"),
    ],
)
def test_a_file_with_nonsense_in_it_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_law(text, "rules.toml")


def test_nobody_can_change_the_law_while_it_is_in_force() -> None:
    places = Law().places
    with pytest.raises(TypeError):
        places["US-FL"] = places["FR"]  # type: ignore[index]


def test_a_number_is_in_its_country_in_the_state_of_its_area_code_and_where_its_owner_lives() -> None:
    assert places_of("+13055550100", None) == {"US", "US-FL"}
    assert places_of("+12125550100", "US-FL") == {"US", "US-FL"}
    assert places_of("+13055550100", "US-WA") == {"US", "US-FL", "US-WA"}
    assert places_of("+13055550100", "FR") == {"US", "US-FL", "FR"}
    assert places_of("+493012345", "") == {"DE"}
    assert places_of("+881612345678", None) == frozenset()


def test_the_area_codes_of_strict_states_are_those_that_the_library_knows() -> None:
    names = {
        **{"Alabama": "AL", "Connecticut": "CT", "Florida": "FL", "Kentucky": "KY", "Louisiana": "LA"},
        **{"Massachusetts": "MA", "Maryland": "MD", "Michigan": "MI", "Minnesota": "MN", "Mississippi": "MS"},
        **{"New Mexico": "NM", "Nevada": "NV", "Oklahoma": "OK", "Rhode Island": "RI", "South Dakota": "SD"},
        **{"Texas": "TX", "Washington State": "WA"},
    }
    assert {f"US-{state}" for state in names.values()} == {place for place in STRICTER if place.startswith("US-")}
    known = {}
    for prefix, descriptions in GEOCODE_DATA.items():
        where = descriptions.get("en", "")
        state = names.get(where, where.rpartition(", ")[2])
        if prefix.startswith("1") and len(prefix) >= 4 and state in names.values():
            known[prefix[1:4]] = f"US-{state}"
    assert known.items() <= _STATE_OF.items()


def test_the_rules_shown_in_the_documents_can_be_read_and_their_places_are_those_built_in() -> None:
    text = (Path(__file__).parents[2] / "docs" / "compliance.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    law = parse_law(shown, "compliance.md")
    assert (law.caps.per_month, law.places["US-FL"].caps.per_day) == (6, 1)
    table = text.partition("## Stricter places")[2].partition("## Your own rules")[0]
    rows = [row.split("|")[1].strip() for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(", ".join(rows).split(", ")) == len(STRICTER)
