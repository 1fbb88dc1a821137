"""Who is compared: servers in processes of their own, with the same fakes for models, each as its makers wire it.

In:   a folder for the log, how many will call.     Out: a server that answers, while the block lasts.
Rule: what they are to say, and how long their models take, stands here; the test of this file holds ours to it.
"""

import asyncio
import json
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from client_caller.errors import ConfigError
from client_caller.rehearsal.stage import Stage, serving_process, stop
from wire_server import AGENT, ANSWER, QUESTION
from wire_stage import light_server

PYTHON: Final = Path(__file__).parents[2] / ".peers" / "pipecat" / "bin" / "python"
_SERVER: Final = Path(__file__).with_name("pipecat_server.py")
_UP_WITHIN_S: Final = 120.0

_VERSIONS: Final = """
import importlib.metadata, json, platform
of = {}
for name in ("pipecat-ai", "uvicorn", "uvloop", "websockets", "fastapi", "onnxruntime", "numpy"):
    try:
        of[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps({"python": platform.python_version(), **of}))
"""


@dataclass(frozen=True, slots=True)
class Script:
    """What is said, and after how long, in seconds: by the fakes of `wire_server.py`, and by those of every peer.

    smart_turn: whether Pipecat asks its own Smart Turn instead of the fake; ours never does.
    """

    greeting: str = AGENT.greeting
    question: str = QUESTION
    answer: str = ANSWER
    transcript_s: float = 0.1
    first_token_s: float = 0.1
    token_s: float = 0.02
    turn_s: float = 0.05
    smart_turn: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One who is compared. wiring: what of it is as it is, and what it does besides."""

    name: str
    start: Callable[[Path, int], AbstractAsyncContextManager[Stage]]
    wiring: Mapping[str, str]


OURS: Final = Side(
    "client caller",
    lambda folder, calls: light_server(folder, calls, "--silero"),
    {
        "server": "the whole of it, in one serving process, but for models (bench/wire_server.py)",
        "voice activity": "Silero, real",
        "turns": "our endpointing; the turn model is a fake",
        "transcript, language model, voice": "fakes",
        "does besides": "checks the signatures of webhooks and of the media socket; writes both channels and the "
        "flight record of every call to disk; keeps the ledger; sends marks, and reckons with them what was heard",
    },
)


def pipecat(script: Script) -> Side:
    """Pipecat. Raises ConfigError when its environment is not there."""
    turns = "Smart Turn v3, real" if script.smart_turn else "a fake stands for Smart Turn"
    return Side(
        "pipecat",
        lambda folder, calls: _pipecat_server(folder, script),
        {
            "server": "FastAPI on uvicorn, all calls in one process; FastAPIWebsocketTransport, TwilioFrameSerializer, "
            "8 kHz both ways, metrics on, as its guide to Twilio says (bench/peers/pipecat_server.py)",
            "voice activity": "SileroVADAnalyzer, real",
            "turns": f"its default strategies; {turns}",
            "transcript, language model, voice": "fakes, in its own base classes",
            "does not": "check signatures, record, hang up over REST, send marks; logs warnings only",
            **{f"version of {name}": version for name, version in _versions().items()},
        },
    )


def _versions() -> dict[str, str]:
    if not PYTHON.exists():
        raise ConfigError("Pipecat is not there: run scripts/peers.sh first")
    asked = subprocess.run([str(PYTHON), "-c", _VERSIONS], capture_output=True, text=True, check=True)
    return dict(json.loads(asked.stdout))


@asynccontextmanager
async def _pipecat_server(folder: Path, script: Script) -> AsyncIterator[Stage]:
    """Raises ConfigError when it does not come up."""
    with _log_in(folder) as log:
        process = await asyncio.create_subprocess_exec(
            *(str(PYTHON), str(_SERVER), json.dumps(asdict(script))),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            url = await _announced(process, Path(log.name))
            yield Stage(url, secrets.token_hex(16), folder, await serving_process(url))
        finally:
            await stop(process)


async def _announced(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_UP_WITHIN_S):
            said = (await process.stdout.readline()).decode()
    except TimeoutError:
        said = ""
    if " answers calls at " not in said:
        raise ConfigError(f"Pipecat did not come up: {_end_of(log)}")
    return said.split(" answers calls at ")[1].strip()


def _log_in(folder: Path) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "server.log").open("wb")


def _end_of(log: Path) -> str:
    return " / ".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:])
