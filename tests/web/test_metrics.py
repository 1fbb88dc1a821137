"""`/metrics`: who may read it."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from client_caller.web.metrics import metrics_router

KEY = "a-key-of-many-letters"
BEARER = {"Authorization": f"Bearer {KEY}"}
HERE, ELSEWHERE = "127.0.0.1", "203.0.113.9"
PASSED_ON = {"X-Forwarded-For": "203.0.113.9"}


def exposition(accept: str) -> tuple[bytes, str]:
    return f"asked for {accept}".encode(), "text/plain; version=0.0.4"


def asked(readers: Any, comes_from: str = HERE, headers: dict[str, str] | None = None, key: str | None = KEY) -> Any:
    app = FastAPI()
    app.include_router(metrics_router(exposition, readers, SecretStr(key) if key is not None else None))
    return TestClient(app, client=(comes_from, 5)).get("/metrics", headers=headers)


@pytest.mark.parametrize(
    ("readers", "comes_from", "headers", "status"),
    [
        ("loopback", HERE, {}, 200),
        ("loopback", "::1", {}, 200),
        ("loopback", "127.8.8.8", {}, 200),
        ("loopback", ELSEWHERE, {}, 401),
        ("loopback", "", {}, 401),
        ("loopback", ELSEWHERE, BEARER, 200),
        ("loopback", HERE, PASSED_ON, 401),
        ("loopback", HERE, {"Forwarded": "for=203.0.113.9"}, 401),
        ("loopback", HERE, {"Via": "1.1 proxy"}, 401),
        ("loopback", HERE, PASSED_ON | BEARER, 200),
        ("key", HERE, {}, 401),
        ("key", HERE, {"Authorization": "Bearer another"}, 401),
        ("key", HERE, {"Authorization": f"Basic {KEY}"}, 401),
        ("key", HERE, BEARER, 200),
        ("open", ELSEWHERE, PASSED_ON, 200),
        ("off", HERE, BEARER, 404),
    ],
)
def test_only_who_may_read_it_reads_it(readers: str, comes_from: str, headers: dict[str, str], status: int) -> None:
    answer = asked(readers, comes_from, headers)
    assert answer.status_code == status
    assert answer.text.startswith("asked for") == (status == 200)


def test_an_empty_key_opens_nothing() -> None:
    for key in ("", None):
        assert asked("key", HERE, {"Authorization": "Bearer "}, key).status_code == 401


def test_the_form_is_the_one_that_was_asked_for() -> None:
    answer = asked("open", headers={"Accept": "application/openmetrics-text"})
    assert answer.text == "asked for application/openmetrics-text"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
