"""Signatures: the forms in which Twilio may sign one and the same request."""

import pytest
from exchange import sign
from pydantic import SecretStr

from client_caller.line.twilio_requests import Form
from client_caller.line.twilio_signature import SignatureCheck

TOKENS = [SecretStr("old"), SecretStr("new")]


@pytest.mark.parametrize("token", ["old", "new"])
@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize(
    ("public", "signed"),
    [
        ("https://a.example", "wss://a.example"),
        ("https://a.example", "wss://a.example:443"),
        ("https://a.example:443", "wss://a.example"),
        ("https://a.example:8443", "wss://a.example:8443"),
        ("https://a.example:8443", "wss://a.example"),
        ("https://a.example/behind/proxy", "wss://a.example:443/behind/proxy"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        ("http://127.0.0.1", "ws://127.0.0.1:80"),
    ],
)
def test_an_upgrade_may_be_signed_with_port_or_slash_and_without(
    public: str, signed: str, end: str, token: str
) -> None:
    check = SignatureCheck(public, TOKENS)
    assert check.upgrade("/twilio/media/t", sign(f"{signed}/twilio/media/t{end}", {}, token))


@pytest.mark.parametrize(
    "signed",
    [
        "https://a.example/m",
        "wss://b.example/m",
        "wss://a.example:80/m",
        "wss://a.example/n",
        "wss://a.example/m//",
        "",
    ],
)
def test_an_upgrade_signed_for_another_address_is_refused(signed: str) -> None:
    assert not SignatureCheck("https://a.example", TOKENS).upgrade("/m", sign(signed, {}, "old"))


@pytest.mark.parametrize("signature", ["", "\xff", "\x00", "a" * 10_000])
def test_what_is_no_signature_is_refused(signature: str) -> None:
    check = SignatureCheck("https://a.example", TOKENS)
    assert not check.upgrade("/m", signature)
    assert not check.webhook("/v", Form([("a", "b")]), signature)


@pytest.mark.parametrize("signed", ["https://a.example/v?x=1", "https://a.example:443/v?x=1"])
def test_a_webhook_may_be_signed_with_its_port_or_without(signed: str) -> None:
    check = SignatureCheck("https://a.example", TOKENS)
    assert check.webhook("/v?x=1", Form([("a", "b")]), sign(signed, {"a": "b"}, "new"))
    assert not check.webhook("/v?x=2", Form([("a", "b")]), sign(signed, {"a": "b"}, "new"))
