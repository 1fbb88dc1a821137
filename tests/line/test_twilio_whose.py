"""Which call a request is about is known before it is answered; and only of what Twilio signed."""

from urllib.parse import urlencode

import pytest
from exchange import PUBLIC, TOKEN, settings, sign

from client_caller.line.twilio import signature_check
from client_caller.line.twilio_whose import About, about

FORM = {"CallSid": "CA1", "AccountSid": "AC1", "From": "+15550100001"}


def told(
    target: str, form: dict[str, str] | None = None, token: str = TOKEN, body: bytes | None = None
) -> About | None:
    form = FORM if form is None else form
    headers = {"x-twilio-signature": sign(PUBLIC + target, form, token)}
    sent = urlencode(form).encode() if body is None else body
    return about(target, headers, sent, signature_check(settings(), False))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/twilio/voice", About("CA1", "", "first")),
        ("/twilio/fallback", About("CA1", "", "first")),
        ("/twilio/voice/order1", About("CA1", "order1", "first")),
        ("/twilio/voice/order1/status", About("CA1", "order1", "news")),
        ("/twilio/voice/order1/machine", About("CA1", "order1", "news")),
        ("/twilio/resume", About("CA1", "", "next")),
        ("/twilio/resume?order=order1&back=busy", About("CA1", "order1", "next")),
        ("/twilio/dialled", About("CA1", "", "next")),
        ("/twilio/held", About("CA1", "", "next")),
        ("/twilio/wait", About("CA1", "", "next")),
        ("/twilio/status", About("CA1", "", "news")),
        ("/twilio/stream", About("CA1", "", "news")),
        ("/twilio/recording", About("CA1", "", "news")),
        ("/twilio/queue", About("CA1", "", "news")),
    ],
)
def test_every_address_of_ours_is_understood(target: str, expected: About) -> None:
    assert told(target) == expected


@pytest.mark.parametrize("end", ["", "/choice", "/status"])
def test_a_colleague_asks_about_the_callers_call(end: str) -> None:
    assert told(f"/twilio/colleague/CA7-0123abcd{end}") == About("CA7", "", "news")


def test_what_is_not_signed_is_nobodys() -> None:
    assert told("/twilio/voice", token="another") is None


def test_what_was_signed_for_another_address_is_nobodys() -> None:
    headers = {"x-twilio-signature": sign(PUBLIC + "/twilio/status", FORM)}
    check = signature_check(settings(), False)
    assert about("/twilio/voice", headers, urlencode(FORM).encode(), check) is None


@pytest.mark.parametrize("call_id", ["", "../../etc/passwd", "CA 1", "C" * 200])
def test_what_names_no_call_is_nobodys(call_id: str) -> None:
    assert told("/twilio/voice", FORM | {"CallSid": call_id}) is None


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 600])
def test_what_is_no_form_is_nobodys(body: bytes) -> None:
    assert told("/twilio/voice", body=body) is None
