"""Who is compared: servers in processes of their own, with the same fakes for models, each as its makers wire it.

In:   a folder for the log, how many will call.     Out: a server that answers, while the block lasts.
Rule: what they are to say, and how long their models take, stands here; the test of this file holds ours to it.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from client_caller.rehearsal.stage import Stage
from peers.pipecat_process import WIRING, pipecat_server, versions
from wire_server import AGENT, ANSWER, QUESTION
from wire_stage import light_server


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
        lambda folder, calls: pipecat_server("pipecat_fakes.py", asdict(script), folder),
        {
            "server": WIRING,
            "voice activity": "SileroVADAnalyzer, real",
            "turns": f"its default strategies; {turns}",
            "transcript, language model, voice": "fakes, in its own base classes",
            "does not": "check signatures, record, hang up over REST, send marks; logs warnings only",
            **versions(),
        },
    )
