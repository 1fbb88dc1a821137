"""The card shared by MPS: what engines are told; what happens where it is missing, broken, or in use by the dead."""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from box_machines import program
from client_caller.box.keeper import ServiceFailed
from client_caller.box.mps import CONTROL, Mps, shared_card
from client_caller.box.plan import plan_of
from client_caller.box.services import engines_of, server_of
from client_caller.errors import ConfigError
from client_caller.settings import BoxSettings, load_settings

DAEMON = f"""#!{sys.executable} -ESs
import os, signal, sys
folder = os.environ["CUDA_MPS_PIPE_DIRECTORY"]
assert os.environ["CUDA_MPS_LOG_DIRECTORY"] and "CLIENT_CALLER_TRIAL" not in os.environ
told = {{told!r}}
if sys.argv[1:] == ["-f"]:
    if os.path.exists(told + ".breaks"):
        sys.exit("The MPS control daemon is not permitted")
    open(folder + "/control", "w").write(str(os.getpid()))
    signal.pause()
if not os.path.exists(folder + "/control"):
    sys.exit("Cannot find MPS control daemon process")
order = sys.stdin.readline().strip()
open(told, "a").write(order + "\\n")
if order == "get_server_list":
    print(41) if os.path.exists(folder + "/server") else None
elif order == "get_client_list 41":
    print(open(told + ".clients").read())
elif order == "quit":
    os.remove(folder + "/control")
"""
"""A stand-in for the daemon and for its control, by the form in which the real one is asked."""


class Machine:
    """A machine with that stand-in. told: what the daemon was ordered."""

    def __init__(self, folder: Path, mps: str = "auto") -> None:
        self.told = folder / "told"
        self.box = BoxSettings.model_validate({"mps": mps, "mps_vllm_percent": 70, "logs": folder / "logs"})
        self.proven: list[Mapping[str, str]] = []

    def orders(self) -> list[str]:
        return self.told.read_text().splitlines() if self.told.exists() else []

    def prove(self, environment: Mapping[str, str]) -> float:
        """A process used the card, and so the daemon has started its server."""
        self.proven.append(environment)
        (Path(environment["CUDA_MPS_PIPE_DIRECTORY"]) / "server").touch()
        return 1_500.0


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are looked for."""
    monkeypatch.setenv("CLIENT_CALLER_TRIAL", "a setting")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


@pytest.fixture
def machine(tmp_path: Path, path: Path) -> Machine:
    program(path, CONTROL, DAEMON.format(told=str(tmp_path / "told")))
    return Machine(tmp_path)


def pipes(mps: Mps) -> Path:
    return Path(mps.for_voice["CUDA_MPS_PIPE_DIRECTORY"])


def why_not(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(record.why) for record in caplog.records if record.message == "the card is shared by time"]


def test_engines_are_told_where_it_is_and_who_comes_first(machine: Machine, tmp_path: Path) -> None:
    async def story() -> None:
        mps = await shared_card(machine.box, machine.prove)
        assert mps is not None
        common = {"CUDA_MPS_PIPE_DIRECTORY": str(pipes(mps)), "CUDA_MPS_LOG_DIRECTORY": str(tmp_path / "logs")}
        assert mps.for_voice == common | {"CUDA_MPS_CLIENT_PRIORITY": "0"}
        behind = {"CUDA_MPS_CLIENT_PRIORITY": "1", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "70"}
        assert mps.for_thinker == common | behind
        assert [each["CUDA_MPS_PIPE_DIRECTORY"] for each in machine.proven] == [str(pipes(mps))]
        assert len(str(pipes(mps))) < 80, "the paths of sockets in it may have 107 characters"
        await mps.stop()
        assert machine.orders()[-1] == "quit"
        assert not pipes(mps).exists()
        assert await mps.keeper.ended() == 0

    asyncio.run(story())


def test_where_it_is_forbidden_nothing_is_started(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert asyncio.run(shared_card(BoxSettings(mps="never", logs=tmp_path))) is None
    assert why_not(caplog) == ["CLIENT_CALLER_BOX__MPS is never"]


def test_where_there_is_none_it_is_done_without(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert asyncio.run(shared_card(Machine(tmp_path).box)) is None
    assert why_not(caplog) == ["nvidia-cuda-mps-control is not on the PATH"]
    with pytest.raises(ConfigError, match="not on the PATH"):
        asyncio.run(shared_card(Machine(tmp_path, "always").box))


def test_a_container_that_forbids_it_is_told_and_done_without(
    machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Path(f"{machine.told}.breaks").touch()
    assert asyncio.run(shared_card(machine.box, machine.prove)) is None
    assert [why.count("The MPS control daemon is not permitted") for why in why_not(caplog)] == [1]
    assert machine.proven == []
    with pytest.raises(ServiceFailed, match="not permitted"):
        asyncio.run(shared_card(Machine(tmp_path, "always").box, machine.prove))


def test_a_daemon_through_which_the_card_cannot_be_used_is_stopped(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    used: list[Path] = []

    def fails(environment: Mapping[str, str]) -> None:
        used.append(Path(environment["CUDA_MPS_PIPE_DIRECTORY"]))

    def goes_past_it(environment: Mapping[str, str]) -> float:
        used.append(Path(environment["CUDA_MPS_PIPE_DIRECTORY"]))
        return 1_500.0

    for prove in (fails, goes_past_it):
        assert asyncio.run(shared_card(machine.box, prove)) is None
    assert "cannot use the card" in why_not(caplog)[0]
    assert "has not come to it" in why_not(caplog)[1]
    assert not any(folder.exists() for folder in used)
    assert machine.orders().count("quit") == 2


def test_what_the_killed_hold_on_the_card_is_freed_and_nothing_else(machine: Machine) -> None:
    async def story(group: int) -> None:
        mps = await shared_card(machine.box, machine.prove)
        assert mps is not None
        await mps.let_go(group)
        await mps.stop()

    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as dying:
        Path(f"{machine.told}.clients").write_text(f"{os.getpid()}\n{dying.pid}\n{2**22 + 1}\n")
        asyncio.run(story(dying.pid))
        dying.kill()
    assert [order for order in machine.orders() if "terminate" in order] == [f"terminate_client 41 {dying.pid}"]


def test_a_daemon_that_is_gone_lets_the_killing_go_on(machine: Machine) -> None:
    async def story() -> None:
        mps = await shared_card(machine.box, machine.prove)
        assert mps is not None
        await mps.stop()
        await mps.let_go(os.getpid())

    asyncio.run(story())


def test_vllm_and_csm_are_its_clients_and_who_holds_the_calls_is_not(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv("CLIENT_CALLER_BOX__CSM_RANDOM", "tiny")
    plan = plan_of(load_settings("a100"))
    mps = Mps(machine.box)
    vllm, csm = engines_of(plan, "a100", mps)
    assert vllm.environment.items() >= mps.for_thinker.items()
    assert csm.environment.items() >= mps.for_voice.items()
    assert "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE" not in csm.environment
    assert (vllm.let_go, csm.let_go) == (mps.let_go, mps.let_go)
    alone = [server_of(plan, "a100"), *engines_of(plan, "a100")]
    assert [name for service in alone for name in service.environment if name.startswith("CUDA_MPS")] == []
    assert [service.let_go for service in alone] == [None, None, None]
    assert [service.alive is None for service in alone] == [True, False, False]
    asyncio.run(mps.stop())
