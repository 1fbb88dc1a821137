"""Who may tell us of Telnyx's calls."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from client_caller.errors import ConfigError
from client_caller.line.telnyx_signature import TelnyxSignature

NOW = 1_790_000_000
KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
CHECK = TelnyxSignature(base64.b64encode(KEY.public_key().public_bytes_raw()).decode(), lambda: float(NOW))
BODY = b'{"data":{}}'


def signed(body: bytes = BODY, at: int | str = NOW) -> str:
    return base64.b64encode(KEY.sign(f"{at}|".encode() + body)).decode()


def test_what_telnyx_has_signed_just_now_holds() -> None:
    assert CHECK.holds(BODY, str(NOW), signed())


@pytest.mark.parametrize(("age_s", "holds"), [(300, True), (301, False), (-300, True), (-301, False), (10**9, False)])
def test_a_signature_holds_for_five_minutes(age_s: int, holds: bool) -> None:
    assert CHECK.holds(BODY, str(NOW - age_s), signed(at=NOW - age_s)) is holds


def test_a_signature_covers_the_body_and_the_time() -> None:
    assert not CHECK.holds(BODY + b" ", str(NOW), signed())
    assert not CHECK.holds(BODY, str(NOW + 1), signed())
    assert not CHECK.holds(BODY, str(NOW), base64.b64encode(bytes(64)).decode())


@given(st.text(), st.text())
def test_nonsense_in_the_headers_does_not_hold_and_does_no_harm(timestamp: str, signature: str) -> None:
    assert not CHECK.holds(BODY, timestamp, signed())
    assert not CHECK.holds(BODY, str(NOW), signature)


@pytest.mark.parametrize("key", ["", "not a key", base64.b64encode(b"\x01" * 31).decode(), "é"])
def test_a_key_that_is_none_is_refused_by_the_name_of_its_setting(key: str) -> None:
    with pytest.raises(ConfigError, match="TELNYX_PUBLIC_KEY"):
        TelnyxSignature(key, lambda: 0.0)
