"""Pipecat as a server process in an environment of its own (scripts/peers.sh).

In:   which of the servers beside this file, what it is told.     Out: a stage that answers, while the block lasts.
"""

import asyncio
import json
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from client_caller.errors import ConfigError
from client_caller.rehearsal.stage import Stage, announced_url, log_in, serving_process, stop

PYTHON: Final = Path(__file__).parents[2] / ".peers" / "pipecat" / "bin" / "python"

WIRING: Final = (
    "FastAPI on uvicorn, all calls in one process; FastAPIWebsocketTransport, TwilioFrameSerializer, 8 kHz both ways, "
    "metrics on, as its guide to Twilio says (bench/peers/pipecat_wiring.py)"
)

_OUR_SOURCE: Final = Path(__file__).parents[2] / "src"
_AS_OURS: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""What our package sees to by itself where it is loaded before numpy. Without it each transcript of our transcriber
would cost Pipecat a tenth of a second of a core."""


_VERSIONS: Final = """
import importlib.metadata, json, platform
of = {}
for name in ("pipecat-ai", "uvicorn", "uvloop", "websockets", "fastapi", "onnxruntime", "numpy", "openai"):
    try:
        of[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps({"python": platform.python_version(), **of}))
"""


def versions() -> dict[str, str]:
    """What is installed there, as lines of a description. Raises ConfigError when nothing is."""
    if not PYTHON.exists():
        raise ConfigError("Pipecat is not there: run scripts/peers.sh first")
    asked = subprocess.run([str(PYTHON), "-c", _VERSIONS], capture_output=True, text=True, check=True)
    return {f"version of {name}": version for name, version in json.loads(asked.stdout).items()}


@asynccontextmanager
async def pipecat_server(name: str, told: Mapping[str, Any], folder: Path) -> AsyncIterator[Stage]:
    """Start `name`, a file in this folder. folder: for its log. Raises ConfigError when it does not come up."""
    with log_in(folder) as log:
        process = await asyncio.create_subprocess_exec(
            *(str(PYTHON), str(Path(__file__).with_name(name)), json.dumps(told)),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(_OUR_SOURCE), **_AS_OURS},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            url = await announced_url(process, Path(log.name))
            yield Stage(url, secrets.token_hex(16), folder, await serving_process(url))
        finally:
            await stop(process)
