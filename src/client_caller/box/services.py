"""The box's processes, in the order in which they are started.

In:   the plan of the machine, the name of its profile, how the card is shared.
Out:  one `Service` each: engines first, the server last.
Rule: vLLM comes first, for it measures the card while it starts, and must find it empty; the server comes last, for
      callers are to find everything warm.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Final

from client_caller.agent import load_agent
from client_caller.box.keeper import Service
from client_caller.box.mps import Mps
from client_caller.box.plan import BoxPlan
from client_caller.box.vitals import CSM_DONE, VLLM_DONE, Vitals, done_at
from client_caller.box.warm_up import csm_answers, server_answers, vllm_answers
from client_caller.settings import PROFILE, environment_for_others, environment_with

_VLLM_WITHIN_S: Final = 1_800.0
"""Planned: 19 GB from a network volume of 200 MB/s are 95 s; compiling and graphs take minutes more."""
_CSM_WITHIN_S: Final = 900.0
_SERVER_WITHIN_S: Final = 600.0
_ENGINE_GRACE_S: Final = 15.0
_NO_KEY: Final = "none"

OURS: Final = (sys.executable, "-m", "client_caller")


def engines_of(plan: BoxPlan, profile: str, mps: Mps | None = None) -> list[Service]:
    """What the server needs. mps: None: time slices. Raises ConfigError for an agent file that cannot be read."""
    engines = [_vllm(plan, mps)]
    if plan.speaks:
        engines.append(_csm(plan, profile, mps))
    return engines


def server_of(plan: BoxPlan, profile: str) -> Service:
    """`client-caller serve`, which has a supervisor of its own."""
    settings = plan.settings
    reached = ["--public-url", plan.public_url] if plan.public_url else []
    host = settings.server.host if settings.server.host not in ("0.0.0.0", "::", "") else "127.0.0.1"
    return Service(
        name="serve",
        command=[*OURS, "serve", *reached],
        environment=environment_with(_profiled(profile)),
        log=None,
        warm_up=partial(server_answers, f"http://{host}:{settings.server.port}"),
        ready_within_s=_SERVER_WITHIN_S,
        grace_s=None,  # it drains, and has a limit of its own for that
    )


def _vllm(plan: BoxPlan, mps: Mps | None) -> Service:
    key = plan.settings.thinking.api_key.get_secret_value()
    key = "" if key == _NO_KEY else key
    answers = partial(vllm_answers, plan.launch.url, plan.launch.name, key)
    changes = {
        "HF_HUB_OFFLINE": "1",  # the weights were fetched and verified; nothing is asked for at a start
        "VLLM_NO_USAGE_STATS": "1",  # it would report to its makers otherwise
    }
    if key:
        changes["VLLM_API_KEY"] = key
    return Service(
        name="vllm",
        command=["vllm", "serve", str(plan.folder_of(plan.launch.model)), "--config", str(plan.launch_file)],
        environment=environment_for_others(changes | (mps.for_thinker if mps else {})),
        log=_log(plan, "vllm"),
        warm_up=answers,
        ready_within_s=_VLLM_WITHIN_S,
        grace_s=_ENGINE_GRACE_S,
        alive=Vitals(partial(done_at, plan.launch.url, key, VLLM_DONE), answers),
        let_go=mps.let_go if mps else None,
    )


def _csm(plan: BoxPlan, profile: str, mps: Mps | None) -> Service:
    settings, random = plan.settings, plan.settings.box.csm_random
    weights = ["--random", random] if random else ["--weights", str(plan.folder_of(settings.box.csm_weights))]
    device = [] if random == "tiny" else ["--device", "cuda"]
    size = ["--slots", str(settings.box.csm_slots), "--port", str(plan.csm_port)]
    key = settings.speaking.csm_key.get_secret_value()
    answers = partial(csm_answers, plan.csm_url, _voice(plan), key)
    return Service(
        name="csm",
        command=[*OURS, "engine", "csm", *weights, *device, *size, "--lifeline"],
        environment=environment_with(_profiled(profile) | (mps.for_voice if mps else {})),
        log=_log(plan, "csm"),
        warm_up=answers,
        ready_within_s=_CSM_WITHIN_S,
        grace_s=_ENGINE_GRACE_S,
        # Its own watch sees a thread that hangs. A card that is lost while nobody speaks is seen by speaking only.
        alive=Vitals(partial(done_at, plan.csm_url, key, CSM_DONE), answers),
        let_go=mps.let_go if mps else None,
    )


def _voice(plan: BoxPlan) -> str:
    """The one that callers will hear; with random weights whichever there is."""
    settings = plan.settings
    return "" if settings.box.csm_random else load_agent(settings.agent).voice.prompt or settings.speaking.csm_voice


def _log(plan: BoxPlan, name: str) -> Path:
    return plan.settings.box.logs / f"{name}.log"


def _profiled(profile: str) -> dict[str, str]:
    return {PROFILE: profile} if profile else {}
