"""The same faults in real time, over real sockets: a whole server, and a simulated carrier that calls it."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fault_calls import FAULTS, unwell_engines

from calls import AGENT
from client_caller.audio.frame import LINE_HZ
from client_caller.audio.mulaw import decode
from client_caller.house import House
from client_caller.rehearsal.carrier import Fault, place_call
from client_caller.rehearsal.clips import Clip
from client_caller.rehearsal.ear import BLOCK_S, audible
from client_caller.rehearsal.script import HangUp, Say, ScriptedCaller
from client_caller.settings import HearingSettings, RecordSettings, Settings
from client_caller.speaking.tone import tone
from rehearsal.trial_server import ACCOUNT, TOKEN, serving

AT_ONCE = 6
FAULT_AT_S = 0.5
ANSWERED_WITHIN_S = 5.0
WITHOUT_NETWORK_S = 10.0
"""How long the fault "silence" lasts. The question falls into it, and nobody can hear it."""

ENGINE_FAULTS = [
    "transcriber crashes, once",
    "transcriber hangs, once",
    "transcriber returns nothing, for good",
    "transcriber hangs for good, another behind it",
    "turn model hangs",
    "turn model crashes",
    "voice activity hangs",
    "voice activity crashes",
    "language model crashes, once",
    "language model hangs, once",
    "language model refuses (429), for good",
    "language model fails (500), once",
    "language model returns nothing, for good",
    "language model stalls for 1 s in the answer",
    "language model hangs in the answer",
    "language model writes signs",
    "language model hangs for good, another behind it",
    "voice crashes, for good",
    "voice hangs, for good",
    "voice stalls for 1 s in a piece",
    "voice makes no numbers, another behind it",
    "everything hangs once",
]
LINE_FAULTS: list[Fault] = ["reset", "close", "silence"]
"""Twenty-five with those of engines."""


def question() -> Clip:
    return Clip("question", "a question", tone(4, 1.0), 0.0, 1.0)


async def answered_after_s(folder: Path, unwell: Any, fault: Fault | None) -> float | None:
    """Ask once, and hang up when the agent has answered: how long the caller waited for a sound; None for ever.

    With a fault of the line it strikes in the greeting, and the question is asked on the fresh stream.
    """
    settings = Settings(
        _env_file=None, hearing=HearingSettings(interim_s=0), records=RecordSettings(folder=folder, audio=False)
    )
    caller = ScriptedCaller([Say(question()), HangUp()], patience_s=14.0)

    struck: list[float] = []

    def fault_at(at: float) -> Fault | None:
        if at < FAULT_AT_S or struck:
            return None
        struck.append(at)
        return fault

    async with serving(House(settings, AGENT, await unwell_engines(unwell))) as url:
        call = await place_call(url, ACCOUNT, TOKEN, caller.next_frame, fault_at)
    assert call.streams == (2 if fault else 1)
    assert call.hung_up_by_caller
    assert call.violations == []
    asked_until = caller.spoken[0].ended_at
    after = np.flatnonzero(audible(decode(bytes(call.played)))[round(asked_until / BLOCK_S) :])
    assert len(call.played) / LINE_HZ > asked_until
    return float(after[0]) * BLOCK_S if len(after) else None


@pytest.mark.realtime
@pytest.mark.long
def test_twenty_five_faults_over_real_sockets_leave_every_caller_answered(tmp_path: Path) -> None:
    faults: list[tuple[str, Any, Fault | None]] = [(name, FAULTS[name], None) for name in ENGINE_FAULTS]
    faults += [(fault, (), fault) for fault in LINE_FAULTS]
    assert len(faults) == 25

    async def main() -> dict[str, float | None]:
        room, waited = asyncio.Semaphore(AT_ONCE), dict[str, float | None]()

        async def call(name: str, unwell: Any, fault: Fault | None) -> None:
            async with room:
                waited[name] = await answered_after_s(tmp_path / name.replace(" ", "-"), unwell, fault)

        async with asyncio.TaskGroup() as calls:
            for each in faults:
                calls.create_task(call(*each))
        return waited

    for name, waited_s in asyncio.run(main()).items():
        assert waited_s is not None, name
        assert waited_s < ANSWERED_WITHIN_S + WITHOUT_NETWORK_S * (name == "silence"), name
