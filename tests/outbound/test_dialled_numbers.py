"""Numbers are dialled in one form, and some are not dialled at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.outbound.numbers import NumberError, country_of, mask, parse_number, zones_of


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("+1 (212) 555-0100", None, "+12125550100"),
        ("(212) 555 0100", "US", "+12125550100"),
        ("030 12345678", "DE", "+493012345678"),
        ("0044 20 7946 0000", "DE", "+442079460000"),
        ("+39 06 698 12345", None, "+390669812345"),
    ],
)
def test_a_number_is_dialled_as_e164_however_it_was_written(text: str, region: str | None, number: str) -> None:
    assert parse_number(text, region) == number


@pytest.mark.parametrize(
    ("text", "region", "why"),
    [
        ("212 555 0100", None, "has no country"),
        ("212 555 0100", "UK", "'UK' is no country"),
        ("tomorrow", "US", "is not a telephone number"),
        ("+1 212 555 010", None, "cannot exist"),
        ("+1 555 010 0002", None, "cannot exist"),
        ("+1 212 555 0100 ext. 3", None, "has an extension"),
        ("+49 30 " + "1" * 18, None, "too many or too few digits"),
        ("911", "US", "emergency or short number"),
        ("112", "DE", "emergency or short number"),
        ("+49 110", None, "emergency or short number"),
        ("116117", "DE", "emergency or short number"),
        ("+1 900 555 1234", None, "premium-rate"),
        ("0900 1 234567", "DE", "premium-rate"),
        ("+49 180 5 123456", None, "pays a share"),
    ],
)
def test_what_cannot_or_must_not_be_called_is_refused_with_a_reason(text: str, region: str | None, why: str) -> None:
    with pytest.raises(NumberError, match=why):
        parse_number(text, region)


@given(st.text(max_size=40), st.sampled_from([None, "US", "DE", "GB", "NP"]))
def test_whatever_is_accepted_is_accepted_again_in_its_e164_form_and_nothing_else_is_raised(
    text: str, region: str | None
) -> None:
    try:
        number = parse_number(text, region)
    except NumberError:
        return
    assert number.startswith("+")
    assert parse_number(number, None) == number


def test_an_area_code_that_spans_time_zones_gives_all_of_them() -> None:
    assert zones_of("+12085550100") == ("America/Boise", "America/Los_Angeles")
    assert zones_of("+97714412345") == ("Asia/Katmandu",)


def test_a_toll_free_number_may_be_anywhere_in_the_country_code() -> None:
    zones = zones_of("+18005550100")
    assert {"America/New_York", "Pacific/Honolulu", "Pacific/Guam"} <= set(zones)


def test_a_satellite_telephone_is_in_no_known_time_zone_and_no_country() -> None:
    assert zones_of("+881612345678") == ()
    assert country_of("+881612345678") is None
    assert country_of("+14165550100") == "CA"


@pytest.mark.parametrize(("number", "masked"), [("+12125550100", "…0100"), ("911", "…"), ("1234", "…"), ("", "…")])
def test_a_log_shows_four_digits_at_most_and_never_a_whole_number(number: str, masked: str) -> None:
    assert mask(number) == masked
