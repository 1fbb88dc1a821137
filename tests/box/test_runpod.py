"""Renting a machine: against a server that answers as RunPod's schema says it does."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from client_caller import cli
from client_caller.box.runpod import RunPod, RunPodFailed, read_template
from client_caller.errors import ConfigError

ROOT = Path(__file__).parents[2]
KEY = "rpa_very_secret"
TEMPLATE = ROOT / "deploy" / "runpod" / "pod.toml"
SXM, PCIE = "NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe"
POD = {"id": "abc123", "name": "client-caller", "status": "PROVISIONING", "cost": 1.49}

FIELDS = {
    *("name", "image", "cloud", "gpu", "disk", "mounts", "ports", "env", "args", "registry", "dataCenterIds"),
    *("globalNetworking", "startJupyter", "startSsh", "templateId", "cpu"),
}
"""Of CreatePodRequest; RunPod refuses others by name. Source: docs.runpod.io, api-reference-v2/openapi.json."""


class Account:
    """A server with what it was asked and what it answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.keys: set[str] = set()
        self.availability = {SXM: "NONE", PCIE: "LOW"}
        self.pods = [POD, POD | {"id": "other", "name": "not ours"}]
        self.instead: tuple[int, Any] | None = None
        self.url = ""

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        if self.instead and method != "GET":
            return self.instead
        if path == "/v2/catalog/gpus":
            price = {"secure": 1.49, "community": 1.19}
            cards = self.availability.items()
            return 200, {"gpus": [{"id": gpu, "price": price, "availability": there} for gpu, there in cards]}
        if path == "/v2/pods":
            return (201, POD) if method == "POST" else (200, {"pods": self.pods})
        if path == "/v2/pods/abc123":
            return (204, None) if method == "DELETE" else (200, POD)
        return 404, {"title": "Not Found", "status": 404, "detail": "pod not found"}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """RunPod on this machine, with its key and address set."""
    ours = Account()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            path = self.path.partition("?")[0]
            ours.asked.append((self.command, path, body))
            ours.keys.add(self.headers["Authorization"])
            status, told = ours.answer(self.command, path)
            said = b"" if told is None else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_DELETE = handle_one

        def log_message(self, *words: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        ours.url = f"http://127.0.0.1:{server.server_port}/v2"
        monkeypatch.setenv("RUNPOD_API_URL", ours.url)
        monkeypatch.setenv("RUNPOD_API_KEY", KEY)
        monkeypatch.chdir(ROOT)
        yield ours
        server.shutdown()


def run(*words: str, answer: str = "") -> tuple[int, str]:
    """The exit code and all that was said."""
    ended = CliRunner().invoke(cli.app, ["deploy", "runpod", *words], input=answer)
    assert KEY not in ended.output
    return ended.exit_code, ended.output + (str(ended.exception) if ended.exception else "")


CREATE = ("create", "--image", "me/caller:1", "--volume", "vol9")


def methods(account: Account) -> list[str]:
    return [f"{method} {path}" for method, path, _ in account.asked]


def test_the_price_is_shown_and_nothing_is_rented_without_a_yes(account: Account) -> None:
    code, said = run(*CREATE, answer="n\n")
    assert code == 1
    assert "1.49 USD an hour, 1088 USD a month" in said
    assert methods(account) == ["GET /v2/catalog/gpus"]


def test_with_a_yes_the_first_card_that_is_free_is_rented_with_the_volume(account: Account) -> None:
    code, said = run(*CREATE, answer="y\n")
    assert code == 0
    assert "https://abc123-8080.proxy.runpod.net" in said
    method, path, body = account.asked[-1]
    assert (method, path) == ("POST", "/v2/pods")
    assert body["gpu"] == {"id": PCIE, "count": 1, "minCudaVersion": "12.8"}
    assert body["mounts"] == {"network": [{"volumeId": "vol9", "path": "/workspace"}]}
    assert set(body) <= FIELDS
    assert account.keys == {f"Bearer {KEY}"}


def test_a_dry_run_shows_the_request_and_asks_nobody(account: Account) -> None:
    code, said = run(*CREATE, "--dry-run")
    assert (code, account.asked) == (0, [])
    assert "Bearer (hidden)" in said
    assert json.loads(said[said.index("{") :])["image"] == "me/caller:1"


def test_a_dry_run_hides_a_secret_that_was_written_into_the_template(account: Account, tmp_path: Path) -> None:
    template = tmp_path / "pod.toml"
    template.write_text(TEMPLATE.read_text() + 'CRM_TOKEN = "tell-nobody"\n')
    code, said = run(*CREATE, "--dry-run", "--template", str(template))
    assert code == 0
    assert "tell-nobody" not in said


def test_when_no_card_is_free_nothing_is_rented(account: Account) -> None:
    account.availability = {SXM: "NONE"}
    code, said = run(*CREATE, "--yes")
    assert code == 1
    assert "none of these cards is free" in said
    assert methods(account) == ["GET /v2/catalog/gpus"]


def test_when_nobody_knows_whether_it_was_rented_it_is_not_tried_again(account: Account) -> None:
    account.instead = (502, {})
    code, said = run(*CREATE, "--yes")
    assert code == 1
    assert "may charge for it" in said
    assert methods(account).count("POST /v2/pods") == 1


def test_a_refusal_is_told_in_its_own_words(account: Account) -> None:
    account.instead = (422, {"title": "x", "status": 422, "detail": "not valid", "errors": ["$.disk: too small"]})
    _, said = run(*CREATE, "--yes")
    assert "status 422" in said
    assert "not valid; $.disk: too small" in said


def test_the_status_shows_our_machines_only(account: Account) -> None:
    code, said = run("status")
    assert (code, said.count("proxy.runpod.net")) == (0, 1)
    account.pods = []
    assert "no machine named client-caller" in run("status")[1]


def test_a_machine_is_given_back_after_a_yes(account: Account) -> None:
    assert run("remove", "abc123", answer="n\n")[0] == 1
    assert "DELETE /v2/pods/abc123" not in methods(account)
    assert run("remove", "abc123", answer="y\n")[0] == 0
    assert methods(account)[-1] == "DELETE /v2/pods/abc123"


def test_a_machine_that_is_not_there_is_told(account: Account) -> None:
    assert "pod not found" in run("remove", "gone", "--yes")[1]


def test_without_a_key_it_says_which_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="RUNPOD_API_KEY"):
        RunPod("http://127.0.0.1:9", SecretStr(""))


def test_a_connection_that_breaks_off_leaves_it_open_whether_it_was_rented() -> None:
    def breaks(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("silence")

    account = RunPod("http://runpod.test", SecretStr(KEY), httpx2.MockTransport(breaks))
    with pytest.raises(RunPodFailed, match="may have done it") as told:
        account.create({})
    assert KEY not in str(told.value)


def test_the_template_is_whole_and_holds_no_secret() -> None:
    template = read_template(TEMPLATE)
    assert template.ports == ("8080/http",)
    secret = {name: value for name, value in template.env.items() if "TOKEN" in name or "KEY" in name or "URL" in name}
    assert len(secret) == 4
    assert all(value.startswith("{{ RUNPOD_SECRET_") for value in secret.values())


def test_a_template_with_a_mistake_is_named(tmp_path: Path) -> None:
    (tmp_path / "pod.toml").write_text("name = 'x'\ngpu = 'A100'\n")
    with pytest.raises(ConfigError, match=r"pod\.toml.*gpus"):
        read_template(tmp_path / "pod.toml")
