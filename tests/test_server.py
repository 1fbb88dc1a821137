"""What stops a server: the operator's mistakes, before any model is loaded, and signals, which cost no call."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse
from twilio.request_validator import RequestValidator

from calls import AGENT as AGENT_OF_CALLS
from calls import engines
from client_caller import app, house
from client_caller.app import furnished
from client_caller.conversation.events import CallAnswered, HungUp, LineLost, LineResumed
from client_caller.engines import Engines
from client_caller.errors import ConfigError, EngineCrashed
from client_caller.house import House
from client_caller.listening import listening
from client_caller.records.flight import EventEntry, read_record
from client_caller.rehearsal.carrier import CarriedCall, place_call
from client_caller.rehearsal.stage import ACCOUNT_SID
from client_caller.server import _web_server, answer_calls, run_server
from client_caller.settings import LedgerSettings, RecordSettings, ServerSettings, Settings

TOKEN = "a token"
SOME_FRAMES = 10
"""After so many the server has surely seen the first."""

AGENT = Path(__file__).parents[1] / "agents" / "receptionist.toml"


def settings(models: Path, *, token: str = "", public: str = "", **server: Any) -> Settings:
    """Settings with which no model could be loaded: `models` is an empty folder."""
    return Settings(
        _env_file=None,
        agent=AGENT,
        models=models,
        public_url=public,
        server=ServerSettings(**server),
        TWILIO_AUTH_TOKEN=token,
    )


def test_unsigned_requests_are_believed_on_this_machine_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--insecure listens on loopback only, not on 0\.0\.0\.0: .*--host 127"):
        run_server(settings(tmp_path, host="0.0.0.0"), insecure=True)


def test_a_port_in_use_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1 port {port} \(.*in use\).*--port"):
            run_server(settings(tmp_path, token="a token", port=port))


def test_an_agent_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nobody\.toml cannot be read .*CLIENT_CALLER_AGENT"):
        run_server(settings(tmp_path, token="a token").model_copy(update={"agent": tmp_path / "nobody.toml"}))


def test_without_the_carriers_token_no_call_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TWILIO_AUTH_TOKEN is empty"):
        run_server(settings(tmp_path, port=0))


def test_an_address_that_the_carrier_could_not_reach_safely_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CLIENT_CALLER_PUBLIC_URL must be the https address"):
        run_server(settings(tmp_path, token="a token", public="http://calls.example.com", port=0))


@pytest.mark.parametrize("public", ["https://maple-otter.trycloudflare.com", "https://voice.example.com"])
def test_unsigned_requests_from_the_internet_are_not_believed(tmp_path: Path, public: str) -> None:
    with pytest.raises(ConfigError, match=rf"--insecure would believe whoever knows {public}: leave it out"):
        run_server(settings(tmp_path, public=public, port=0), insecure=True)


def test_a_ledger_that_cannot_be_made_ends_the_server_before_models_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    ledger = LedgerSettings(url=f"sqlite:///{tmp_path}/runs/ledger.db")
    with pytest.raises(ConfigError, match="CLIENT_CALLER_LEDGER__URL"):
        run_server(settings(tmp_path, token=TOKEN, port=0).model_copy(update={"ledger": ledger}))


@asynccontextmanager
async def engines_and_a_stop(settings: Settings, agent: Any) -> AsyncIterator[Engines]:
    """Engines; and as soon as calls are taken, somebody stops the server."""
    asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGTERM)
    yield engines()


@pytest.mark.realtime
@pytest.mark.parametrize("public", ["", "https://voice.example.com"])
def test_the_address_at_which_it_is_reached_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], public: str
) -> None:
    monkeypatch.setattr(app, "running_engines", engines_and_a_stop)
    monkeypatch.chdir(tmp_path)
    run_server(settings(tmp_path, token=TOKEN, public=public, port=0))
    said = capsys.readouterr().out
    assert said.startswith("Anna of ")
    assert f" answers calls at {public or 'http://127.0.0.1:'}" in said
    assert (tmp_path / "runs" / "ledger.db").exists()
    assert not (tmp_path / "runs" / "api.key").exists()  # it places no calls


@pytest.mark.parametrize(
    ("trusted", "comes_from", "address"),
    [
        ("127.0.0.1", "127.0.0.1", "203.0.113.9"),
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.1, 10.0.0.0/8", "10.1.2.3", "203.0.113.9"),
        ("127.0.0.1, 10.0.0.0/8", "192.0.2.7", "192.0.2.7"),
    ],
)
def test_only_proxies_of_ours_are_believed_whom_they_forward(
    tmp_path: Path, trusted: str, comes_from: str, address: str
) -> None:
    async def tell(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(scope["client"][0])(scope, receive, send)

    config = _web_server(settings(tmp_path, trusted_proxies=trusted), tell).config  # type: ignore[arg-type]
    config.load()
    asked = TestClient(config.loaded_app, client=(comes_from, 5)).get("/", headers={"X-Forwarded-For": "203.0.113.9"})
    assert asked.text == address


class Served:
    """A server with fakes for engines in this very process, and a caller who waits until told to hang up."""

    def __init__(self, folder: Path, drain_s: float) -> None:
        self.records = folder
        self.house = House(self._settings(folder, drain_s), AGENT_OF_CALLS, engines())
        self.hangs_up = False
        self.frames = 0
        self.begun = asyncio.Event()

    @staticmethod
    def _settings(folder: Path, drain_s: float) -> Settings:
        return settings(folder, token=TOKEN, drain_s=drain_s).model_copy(
            update={"records": RecordSettings(folder=folder)}
        )

    def next_frame(self, heard: bytes) -> bytes | None:
        self.frames += 1
        if self.frames == SOME_FRAMES:
            self.begun.set()
        return None if self.hangs_up else b"\xff" * 160

    async def run(self, script: Callable[[str, asyncio.Task[CarriedCall]], Awaitable[None]]) -> float:
        """Serve a call, follow the script once it has begun; seconds from the script's end to that of the server."""
        with listening("127.0.0.1", 0) as listener:
            here = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self.house.settings = self.house.settings.model_copy(update={"public_url": here})
            serving = asyncio.create_task(answer_calls(self.house, listener))
            calling = asyncio.create_task(place_call(f"{here}/twilio/voice", ACCOUNT_SID, TOKEN, self.next_frame))
            await self.begun.wait()
            await script(here, calling)
            told_at = asyncio.get_running_loop().time()
            async with asyncio.timeout(10):
                await serving
            took_s = asyncio.get_running_loop().time() - told_at
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            return took_s

    def last_event(self) -> str:
        (path,) = self.records.glob("*/record.jsonl")
        events = [entry.event for entry in read_record(path)[1] if isinstance(entry, EventEntry)]
        return type(events[-1]).__name__


async def ask(url: str, path: str, call: str) -> str:
    """What Twilio is answered for this call."""
    form = {"AccountSid": ACCOUNT_SID, "CallSid": call}
    headers = {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url + path, form)}
    async with httpx2.AsyncClient(trust_env=False) as client:
        return (await client.post(url + path, data=form, headers=headers)).text


@pytest.mark.realtime
def test_a_server_told_to_stop_takes_no_new_call_and_lets_the_running_one_end(tmp_path: Path) -> None:
    served = Served(tmp_path, drain_s=300.0)

    async def script(url: str, calling: asyncio.Task[CarriedCall]) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.3)
        async with httpx2.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{url}/readyz")).status_code == 503
            assert (await client.get(f"{url}/healthz")).status_code == 200
        assert AGENT_OF_CALLS.phrases.busy in await ask(url, "/twilio/voice", "CA2")
        served.hangs_up = True
        call = await calling
        assert call.streams == 1
        assert call.hung_up_by_caller

    assert asyncio.run(served.run(script)) < 2.0
    assert served.last_event() == "HungUp"


@pytest.mark.realtime
@pytest.mark.parametrize(("drain_s", "signals"), [(300.0, 2), (0.1, 1)])
def test_what_cannot_be_waited_for_is_handed_over(tmp_path: Path, drain_s: float, signals: int) -> None:
    served = Served(tmp_path, drain_s)

    async def script(url: str, calling: asyncio.Task[CarriedCall]) -> None:
        for _ in range(signals):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0)

    assert asyncio.run(served.run(script)) < 3.0
    assert served.last_event() == "LineLost"
    assert served.house.ask_again_s


@pytest.mark.realtime
def test_whoever_calls_while_the_models_are_loaded_waits(tmp_path: Path) -> None:
    async def main() -> int:
        with listening("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/healthz"
            async with httpx2.AsyncClient(trust_env=False) as client:
                asking = asyncio.create_task(client.get(url))
                await asyncio.sleep(0.2)  # the models
                assert not asking.done()
                house = House(settings(tmp_path, token=TOKEN, public="http://127.0.0.1"), AGENT_OF_CALLS, engines())
                serving = asyncio.create_task(answer_calls(house, listener))
                status = (await asking).status_code
            os.kill(os.getpid(), signal.SIGINT)
            await serving
            return status

    assert asyncio.run(main()) == 200


@pytest.mark.realtime
def test_a_call_handed_over_is_gone_on_with_by_the_next_server_on_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house, "_NEXT_PROCESS_S", 1)

    async def main() -> None:
        served = Served(tmp_path, drain_s=0.0)
        with listening("127.0.0.1", 0) as listener:
            here = f"http://127.0.0.1:{listener.getsockname()[1]}"
            served.house.settings = served.house.settings.model_copy(update={"public_url": here})
            following = House(served.house.settings, AGENT_OF_CALLS, engines())
            first = asyncio.create_task(answer_calls(served.house, listener.dup()))
            calling = asyncio.create_task(place_call(f"{here}/twilio/voice", ACCOUNT_SID, TOKEN, served.next_frame))
            await served.begun.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            await first
            second = asyncio.create_task(answer_calls(following, listener))
            await asyncio.sleep(3.0)  # the caller was told to ask again in one, which takes another to say
            served.hangs_up = True
            call = await calling
            os.kill(os.getpid(), signal.SIGTERM)
            await second
        assert call.streams == 2
        assert set(call.announcements) <= {AGENT_OF_CALLS.phrases.wait}

    asyncio.run(main())
    (path,) = tmp_path.glob("*/record.jsonl")
    kinds = (CallAnswered, LineLost, LineResumed, HungUp)
    events = [e.event for e in read_record(path)[1] if isinstance(e, EventEntry) and isinstance(e.event, kinds)]
    assert [type(event) for event in events] == list(kinds)


@asynccontextmanager
async def slow_engines(settings: Settings, agent: Any) -> AsyncIterator[Engines]:
    await asyncio.sleep(0.4)
    yield engines()


@asynccontextmanager
async def no_engines(settings: Settings, agent: Any) -> AsyncIterator[Engines]:
    await asyncio.sleep(0.1)
    raise EngineCrashed("voice", "it is hoarse")
    yield engines()


@pytest.mark.realtime
def test_whoever_calls_while_the_models_are_loaded_is_told_to_ask_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "running_engines", slow_engines)
    said: list[str] = []

    async def main() -> None:
        with listening("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            house = House(settings(tmp_path, token=TOKEN, public=url), AGENT_OF_CALLS)
            async with furnished(house, lambda: said.append("open"), lambda: said.append("closed")):
                serving = asyncio.create_task(answer_calls(house, listener))
                for path in ("/twilio/voice", "/twilio/resume"):
                    assert f"<Redirect>{url}{path}#" in await ask(url, path, "CA1")
                async with httpx2.AsyncClient(trust_env=False) as client:
                    assert (await client.get(f"{url}/readyz")).status_code == 503
                    await asyncio.sleep(0.5)
                    assert (await client.get(f"{url}/readyz")).status_code == 200
                assert said == ["open"]
                assert "<Stream" in await ask(url, "/twilio/voice", "CA1")
                os.kill(os.getpid(), signal.SIGINT)
                await serving
        assert said == ["open", "closed"]

    asyncio.run(main())


@pytest.mark.realtime
def test_a_signal_while_the_models_are_loaded_ends_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "running_engines", slow_engines)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    run_server(settings(tmp_path, token=TOKEN, port=0))


def test_engines_that_do_not_start_end_the_server_with_their_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "running_engines", no_engines)
    with pytest.raises(EngineCrashed, match="hoarse"):
        run_server(settings(tmp_path, token=TOKEN, port=0))
