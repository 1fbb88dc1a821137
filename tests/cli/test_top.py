"""`client-caller top`: what it shows of a running server, and what it says when there is none."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
import typer
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from rich.console import Console

from calls import AGENT, engines
from cli.served_office import KEY, answering, run
from client_caller.app import web_app
from client_caller.cli import top
from client_caller.cli.ask import Server, ServerFailed
from client_caller.cli.top import Look, between, quantile, shown
from client_caller.errors import ConfigError, EngineTimeout
from client_caller.house import House
from client_caller.metering import Meter
from client_caller.settings import RecordSettings, Settings
from client_caller.sturdy import SturdyTranscriber
from client_caller.web.metrics import metrics_router
from metrics_text import replayed

GOLDEN = Path(__file__).parents[1] / "golden"
INFINITY = float("inf")

command = typer.Typer()
command.command()(top.top)


class Deaf:
    """A transcriber that fails."""

    async def transcribe(self, samples: object) -> str:
        raise EngineTimeout("transcriber", "no words")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without a key; it comes with the settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIENT_CALLER_API_KEY", KEY)


@contextmanager
def served(folder: Path) -> Iterator[partial[Server]]:
    """A whole application that has held a call with two answers; gives how a command reaches it."""
    records, here = RecordSettings(folder=folder), "http://127.0.0.1:1"
    settings = Settings(_env_file=None, records=records, TWILIO_AUTH_TOKEN="a token", public_url=here)
    meter, house = Meter(), House(settings, AGENT, engines())
    with meter.watching(house):
        app: FastAPI = web_app(house)
        app.include_router(metrics_router(meter.exposition, "key", SecretStr(KEY)))
        replayed(meter, GOLDEN / "two_turns" / "record.jsonl")
        with TestClient(app) as client:

            def carry(request: httpx2.Request) -> httpx2.Response:
                told = client.request(request.method, str(request.url), headers=request.headers)
                return httpx2.Response(told.status_code, text=told.text)

            yield partial(Server, transport=httpx2.MockTransport(carry), pause=lambda seconds: None)


def test_one_look_shows_calls_times_engines_and_the_loop(tmp_path: Path) -> None:
    with served(tmp_path) as reach:
        deaf = SturdyTranscriber([Deaf(), Deaf()], 1.0)
        with pytest.raises(EngineTimeout):
            asyncio.run(deaf.transcribe([]))  # type: ignore[arg-type]
        code, said = run(command, reach, "--once")
        del deaf
    assert code == 0
    assert "ready: 0 of 8 calls" in said
    assert "0 refused; 0 lines lost, 0 resumed" in said
    assert "knee: 8 calls; with one more, p95 of an answer's sound: not known yet" in said
    assert "turns: 0 barge-ins, 0 drafts dropped" in said
    (answer,) = (line for line in said.splitlines() if "answer sent" in line)
    assert [cell.strip() for cell in answer.strip("│").split("│")] == ["answer sent", "375", "398", "2"]
    assert len([line for line in said.splitlines() if "transcriber" in line and "Deaf" in line]) == 2
    assert "the loop is late" in said
    assert "lately" not in said


def test_it_is_kept_up_to_date_until_it_is_left(tmp_path: Path) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    with served(tmp_path) as reach:
        code, said = run(command, partial(reach, pause=pause), "--every", "5")
    assert code == 0
    assert pauses == [5.0] * 3
    assert "p95 lately" in said


def test_whoever_may_not_look_is_told_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path) as reach:
        monkeypatch.setenv("CLIENT_CALLER_API_KEY", "another")
        with pytest.raises(ConfigError, match="another API key: set CLIENT_CALLER_API_KEY"):
            run(command, reach, "--once")


def test_a_server_that_tells_no_figures_is_named() -> None:
    with pytest.raises(ConfigError, match="no such API"):
        run(command, answering(lambda request: httpx2.Response(404, json={"detail": "Not Found"})), "--once")
    with pytest.raises(ConfigError, match="no server of ours"):
        run(command, answering(lambda request: httpx2.Response(403, text="<html>")), "--once")
    with pytest.raises(ServerFailed):
        run(command, answering(lambda request: httpx2.Response(503, text="<html>")), "--once")


def look(process: int, answers: dict[str, float]) -> Look:
    return Look(process, {"answer_seconds_bucket": {(("le", bound),): count for bound, count in answers.items()}})


def test_what_was_measured_between_two_looks_is_their_difference() -> None:
    first, last = look(1, {"0.5": 3, "+Inf": 4}), look(1, {"0.5": 5, "+Inf": 9})
    assert between(first, last, "answer") == {0.5: 2, INFINITY: 5}


def test_another_process_begins_anew() -> None:
    first, last = look(1, {"0.5": 30, "+Inf": 40}), look(2, {"0.5": 5, "+Inf": 9})
    assert between(first, last, "answer") == {0.5: 5, INFINITY: 9}


def test_what_is_expected_with_one_more_call_is_shown_once_it_is_known() -> None:
    console = Console(width=120)
    with console.capture() as caught:
        console.print(shown([Look(1, {"calls_knee": {(): 5.0}, "answer_p95_predicted_seconds": {(): 1.234}})]))
    assert "knee: 5 calls; with one more, p95 of an answer's sound: 1234 ms" in caught.get()


def test_a_server_that_has_told_nothing_yet_is_shown_all_the_same() -> None:
    assert shown([Look(1), Look(1)])


def test_a_quantile_lies_in_its_bucket_as_far_as_it_has_to_go() -> None:
    buckets = {0.2: 0.0, 0.4: 10.0, 0.8: 20.0, INFINITY: 20.0}
    assert quantile(0.5, buckets) == pytest.approx(0.4)
    assert quantile(0.25, buckets) == pytest.approx(0.3)
    assert quantile(0.95, buckets) == pytest.approx(0.76)
    assert quantile(0.95, {0.2: 0.0, INFINITY: 3.0}) == 0.2  # all that is known: more than that
    assert quantile(0.95, {0.2: 0.0, INFINITY: 0.0}) is None
    assert quantile(0.95, {}) is None


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5), st.floats(0.01, 1))
def test_a_quantile_has_its_share_of_the_measurements_below_it(counts: list[int], share: float) -> None:
    bounds = [0.1, 0.2, 0.5, 1.0, INFINITY]
    buckets = {bound: float(sum(counts[: place + 1])) for place, bound in enumerate(bounds)}
    found = quantile(share, buckets)
    if found is None:
        assert sum(counts) == 0
        return
    at_most = [buckets[bound] for bound in bounds if found <= bound]
    less = [buckets[bound] for bound in bounds if bound < found]
    assert all(count >= share * sum(counts) * (1 - 1e-9) for count in at_most[:1] if found < 1.0)
    assert all(count < share * sum(counts) for count in less)
