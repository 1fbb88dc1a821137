"""A table of contacts is read whole or not at all, and whoever made it is told every mistake in it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.errors import ConfigError
from client_caller.outbound.contacts import NewContact, digest, read_contacts
from client_caller.outbound.judge import Consent


def read(text: str, region: str | None = "US") -> list[NewContact]:
    return read_contacts(text, "people.csv", region)


def mistakes(text: str, region: str | None = "US") -> list[str]:
    with pytest.raises(ConfigError) as wrong:
        read(text, region)
    return str(wrong.value).splitlines()


def test_a_row_is_a_contact_and_its_other_columns_are_what_the_agent_can_say() -> None:
    text = (
        "Phone number,zone,region,purpose,consent_kind,consent_given_at,consent_source,consent_text,First Name,visit\n"
        "212-555-0100,America/New_York,US-FL,marketing,marketing,2026-03-31T09:30+02:00,web form,"
        '"I agree, yes.",Ann,9 a.m.\n'
    )
    assert read(text) == [
        NewContact(
            2,
            "+12125550100",
            "America/New_York",
            "US-FL",
            "marketing",
            Consent(
                "marketing",
                datetime(2026, 3, 31, 9, 30, tzinfo=timezone(timedelta(hours=2))),
                "web form",
                "I agree, yes.",
            ),
            {"first_name": "Ann", "visit": "9 a.m."},
        )
    ]


def test_only_a_number_is_needed() -> None:
    assert read("number\n+493012345678\n", None) == [NewContact(2, "+493012345678")]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_spreadsheets_save_tables_in_many_ways(mark: str, delimiter: str, end: str) -> None:
    rows = [
        ["number", "name"],
        [],
        ["212 555 0100", '"Ann\nMarie"'],
        ["", ""],
        [" 212 555 0101", '"She said ""hi"""'],
        [],
    ]
    contacts = read(mark + end.join(delimiter.join(row) for row in rows))
    assert [(contact.number, contact.variables["name"]) for contact in contacts] == [
        ("+12125550100", "Ann\nMarie"),
        ("+12125550101", 'She said "hi"'),
    ]


def test_rows_are_counted_in_the_lines_of_the_file() -> None:
    text = '\n\nnumber,note\n2125550100,"two\nlines"\n\n2125550101,one\n'
    assert [contact.row for contact in read(text)] == [4, 7]


def test_all_mistakes_are_told_at_once_with_line_and_column() -> None:
    text = (
        "number,zone,region,purpose,consent_kind,consent_given_at,consent_source,consent_text\n"
        "212 555 010,,,,,,,\n"
        ",Europe/Berln,Florida,spam,,,,\n"
        "212 555 0100,,,,yes,yesterday,,\n"
        "212 555 0101,,,,marketing,2026-01-01,form,\n"
        "212 555 0102\n"
        "212 555 0103,,,,,,,\n"
        "+1 (212) 555-0103,,,,,,,\n"
    )
    assert mistakes(text) == [
        "people.csv, line 2: column number: cannot exist: check its digits, and the country it is meant for",
        "people.csv, line 3: column number: is empty",
        "people.csv, line 3: column zone: 'Europe/Berln' is no time zone; write it as in Europe/Berlin",
        "people.csv, line 3: column region: 'Florida' is no place; "
        "write a country or a state of the United States as in FR or US-FL",
        "people.csv, line 3: column purpose: 'spam' is no purpose; there are: informational, marketing",
        "people.csv, line 4: column consent_kind: 'yes' is no kind of consent; "
        "there are: informational, marketing, call back",
        "people.csv, line 4: column consent_given_at: 'yesterday' is no date; "
        "write 2026-03-31 or 2026-03-31T09:30+02:00",
        "people.csv, line 4: column consent_source: is empty, and a consent must have it",
        "people.csv, line 5: column consent_text: is empty, and a consent must have it",
        "people.csv, line 6: has 1 columns, and the header 8; quote cells with a delimiter in them",
        "people.csv, line 8: has the number of line 7; keep one of them",
    ]


def test_a_date_of_consent_without_an_offset_is_in_utc() -> None:
    (contact,) = read("number,consent_kind,consent_given_at,consent_source\n2125550100,Call back,2026-01-02,form\n")
    assert contact.consent == Consent("call back", datetime(2026, 1, 2, tzinfo=UTC), "form")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name;city\nAnn;Paris\n", "needs one column named number .*; its columns are: name, city"),
        ("number,phone\n2125550100,2125550101\n", "needs one column named number"),
        ("number,Name,name\n2125550100,a,b\n", "columns of the same name: name"),
        ("number,{x}\n2125550100,a\n", "no braces"),
        ("", "its columns are: none"),
        ("number\n\n", "has no contacts"),
        ('number,name\n2125550100,"Ann\n', "line 2: cannot be read as CSV"),
    ],
)
def test_a_table_that_is_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read(text)


def test_an_unknown_region_is_told_once_and_not_for_every_row() -> None:
    assert mistakes("number\n1\n2\n", "UK") == [
        "people.csv: the region 'UK' is no country; give ISO 3166's two capital letters, such as GB"
    ]


def test_numbers_without_a_plus_need_a_region() -> None:
    assert "has no country" in mistakes("number\n212 555 0100\n", None)[0]


def test_no_message_tells_a_number() -> None:
    for line in mistakes("number\n2125550100\n+12125550100\n212555010\n19005551234\n"):
        assert "555" not in line


def test_a_hundred_mistakes_are_told_and_the_rest_counted() -> None:
    told = mistakes("number\n" + "1\n" * 250)
    assert len(told) == 101
    assert told[-1] == "… and 150 more mistakes"


def test_a_long_table_is_read_in_order() -> None:
    text = "number,name\n" + "".join(f"+1212{5550000 + row},n{row}\n" for row in range(5_000))
    contacts = read(text, None)
    assert [contact.variables["name"] for contact in contacts] == [f"n{row}" for row in range(5_000)]


@given(st.text(alphabet='number,;"\n\r\t +0125é\ufeff\0', max_size=80))
def test_whatever_a_file_holds_it_is_read_or_refused(text: str) -> None:
    try:
        contacts = read("number,name\n" + text)
    except ConfigError:
        return
    assert len({contact.number for contact in contacts}) == len(contacts) > 0


def test_a_file_is_known_again_whatever_system_saved_it_and_told_from_any_other() -> None:
    assert digest("number\n1\n") == digest("\ufeffnumber\r\n1\r\n")
    assert digest("number\n1\n") != digest("number\n2\n")
