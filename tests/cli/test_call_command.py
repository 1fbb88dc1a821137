"""The `call` command, asking a server without sockets; and how it asks."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer

from cli.served_office import KEY, Desk, answering, run, served_office
from client_caller.cli import call
from client_caller.cli.ask import Server, ServerFailed, agent_named
from client_caller.errors import ConfigError
from client_caller.ledger.entries import Forbidden
from client_caller.settings import ServerSettings, Settings
from outbound_calls import ADA, AGENTS, NOON

CLINIC = str(AGENTS / "appointment_reminder.toml")
WANTED = (ADA, "--agent", CLINIC, "--var", "name=Ada", "--var", "day=Tuesday", "--consent", "asked at the desk")

command = typer.Typer()
command.command()(call.call)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without a key of its own; the key comes with the settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIENT_CALLER_API_KEY", KEY)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with served_office(tmp_path) as desk:
        yield desk


def test_a_call_is_placed_and_followed_to_its_end(desk: Desk) -> None:
    desk.script = [
        lambda operator: None,
        lambda operator: operator.reach("CA1", "ringing"),
        lambda operator: operator.reach("CA1", "in-progress"),
        lambda operator: operator.finish("CA1", "voicemail left"),
    ]
    code, said = run(command, desk.reach, *WANTED)
    assert code == 0
    lines = said.splitlines()
    assert lines[0].startswith("The call is ordered: ")
    assert [line for line in lines[1:] if line not in ("made", "placed", "completed")] == [
        *("ringing", "in-progress", "voicemail left")
    ]
    assert set(desk.pauses) == {0.5}


def test_whoever_does_not_want_to_wait_learns_the_orders_name(desk: Desk) -> None:
    code, said = run(command, desk.reach, *WANTED, "--no-wait")
    assert code == 0
    assert said.startswith("The call is ordered: ")
    assert said.count("\n") == 1
    assert desk.pauses == []


def test_ctrl_c_ends_the_waiting_and_not_the_call(desk: Desk) -> None:
    def pause(seconds: float) -> None:
        raise KeyboardInterrupt

    desk.pause = pause  # type: ignore[method-assign]
    code, said = run(command, desk.reach, *WANTED)
    assert code == 0
    assert said.endswith("The call goes on.\n")
    calls: list[int] = []
    desk.do(lambda operator: calls.append(len(operator.dialler.open)))
    assert calls == [1]


def test_the_law_is_told_as_a_sentence(desk: Desk) -> None:
    desk.do(lambda operator: operator.ledger.note(Forbidden(ADA, NOON, "caller said so", "CA9")))
    with pytest.raises(ConfigError, match="must not be called"):
        run(command, desk.reach, *WANTED)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--var", "Ada"], r"--var must be NAME=VALUE, as in --var name=Ada \(it is 'Ada'\)"),
        (["--var", "=Ada"], "--var must be NAME=VALUE"),
        (["--var", "name=Ada", "--var", "name=Ben"], "--var name is given twice"),
        (
            ["--agent", "nowhere/appointment_reminder.toml"],
            r"nowhere/appointment_reminder\.toml cannot be read \(No such file",
        ),
    ],
)
def test_mistakes_on_the_command_line_are_told_before_a_server_is_asked(words: list[str], says: str) -> None:
    def never(request: httpx2.Request) -> httpx2.Response:
        raise AssertionError("nobody is asked")

    with pytest.raises(ConfigError, match=says):
        run(command, answering(never), ADA, *words)


def test_a_value_may_hold_an_equals_sign() -> None:
    assert call.variables(["sum=1+1=2", " name =Ada", "empty="]) == {"sum": "1+1=2", "name": "Ada", "empty": ""}


def test_an_agent_file_that_is_not_the_servers_is_refused(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "appointment_reminder.toml"
    other.parent.mkdir()
    other.write_text(Path(CLINIC).read_text() + "\n# changed\n")
    with pytest.raises(
        ConfigError, match=r"another than the server's .*agents/appointment_reminder\.toml: give that one, or copy"
    ):
        run(command, desk.reach, ADA, "--agent", str(other), *WANTED[3:])
    shutil.copy(CLINIC, other)
    assert run(command, desk.reach, ADA, "--agent", str(other), *WANTED[3:], "--no-wait")[0] == 0


def test_an_agent_may_be_named_as_the_server_has_it(desk: Desk) -> None:
    assert agent_named("appointment_reminder") == {"agent": "appointment_reminder"}
    assert agent_named("") == {"agent": ""}
    assert agent_named(CLINIC)["agent"] == "appointment_reminder"
    assert run(command, desk.reach, ADA, "--agent", "appointment_reminder", *WANTED[3:], "--no-wait")[0] == 0


def refused(status: int = 500, **told: Any) -> Any:
    return answering(lambda request: httpx2.Response(status, json=told))


def test_another_key_is_said_to_be_another(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_CALLER_API_KEY", "mine")
    with pytest.raises(ConfigError, match="the server has another API key: set CLIENT_CALLER_API_KEY to it"):
        run(command, desk.reach, *WANTED)


def test_who_has_no_key_is_told_where_there_is_one_and_none_is_made(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLIENT_CALLER_API_KEY")
    with pytest.raises(ConfigError, match=r"there is none in runs/api\.key: do this in the folder in which the server"):
        run(command, desk.reach, *WANTED)
    assert not (tmp_path / "runs").exists()


def test_the_servers_own_key_file_is_used(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIENT_CALLER_API_KEY")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "api.key").write_text(KEY + "\n")
    assert run(command, desk.reach, *WANTED, "--no-wait")[0] == 0


def test_where_no_server_answers_it_is_said_how_to_start_one() -> None:
    def closed(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused")

    with pytest.raises(ConfigError, match=r"no server answers at http://127\.0\.0\.1:8080 .*`client-caller serve`"):
        run(command, answering(closed), *WANTED)


def test_after_an_answer_that_never_came_nobody_is_told_to_try_again() -> None:
    def silent(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("no answer")

    with pytest.raises(ServerFailed, match="may have been done: look before you ask again"):
        run(command, answering(silent), *WANTED)


def test_what_is_no_server_of_ours_is_said_to_be_none() -> None:
    page = answering(lambda request: httpx2.Response(200, text="<html>"))
    with pytest.raises(ConfigError, match=r"is no server of ours \(status 200\): give --server"):
        run(command, page, *WANTED)
    with pytest.raises(ConfigError, match="has no such API"):
        run(command, refused(404, detail="Not Found"), *WANTED)


def test_a_server_that_cannot_do_it_now_says_why() -> None:
    with pytest.raises(ServerFailed, match="cannot do it now: the ledger's database is away"):
        run(command, refused(503, detail="the ledger's database is away"), *WANTED)


def test_a_server_with_a_bug_is_said_to_have_failed() -> None:
    broken = answering(lambda request: httpx2.Response(500, text="Internal Server Error"))
    with pytest.raises(ServerFailed, match=r"has failed \(status 500\); its log says why"):
        run(command, broken, *WANTED)


@pytest.mark.parametrize("url", ["http://[", "127.0.0.1:8080"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="--server"):
        Server(Settings(_env_file=None), url).ask("/api/calls")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:81"),
        ("::", "http://[::1]:81"),
        ("::1", "http://[::1]:81"),
        ("192.0.2.7", "http://192.0.2.7:81"),
    ],
)
def test_a_server_is_looked_for_where_the_settings_have_it(host: str, url: str) -> None:
    asked: list[httpx2.Request] = []

    def note(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json={})

    settings = Settings(_env_file=None, server=ServerSettings(host=host, port=81))
    Server(settings, transport=httpx2.MockTransport(note)).ask("/api/calls")
    assert str(asked[0].url) == f"{url}/api/calls"
    assert asked[0].headers["authorization"] == f"Bearer {KEY}"
