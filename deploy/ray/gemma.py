"""Gemma 3 27B for all gateways, on machines with a card: vLLM by ray.serve.llm, from the launch file that vLLM has.

In:   a launch file of deploy/vllm.     Out: an application with /v1/chat/completions.
Rule: what is served is said in the launch file and nowhere else; here is only what Ray must know besides: how much of a
      card a replica takes, and when there are more of them.

Source of the fields: ray 2.60.0, ray.serve.llm (LLMConfig, "Fractional GPU serving").
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from ray import serve

ROOT: Final = Path(__file__).parents[2]

_OURS: Final = frozenset({"model", "served-model-name", "host", "port"})
"""What Ray decides itself, or is told in a field of its own."""

_FILES: Final = frozenset({"chat-template"})
"""Paths, which the launch file gives from the root of the repository."""


class Gemma(BaseModel):
    """Arguments in the Serve config.

    launch_file: from the root of the repository;  weights: the folder with them, on every machine; empty: the hub's;
    gpus: of one card, 0 to 1, and not less than the launch file's share of its memory;  accelerator: its kind, as Ray
    names it, "A100";  min_replicas, max_replicas, requests: of replicas, and requests of each that it is made for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    launch_file: Path
    weights: str = ""
    gpus: float = Field(1.0, gt=0, le=1)
    accelerator: str | None = None
    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(1, ge=1)
    requests: int = Field(16, ge=1)


def llm_config(gemma: Gemma) -> dict[str, Any]:
    """What ray.serve.llm is told. Raises ValueError when a replica would take more of the card than it books."""
    launch = yaml.safe_load((ROOT / gemma.launch_file).read_text(encoding="utf-8"))
    if gemma.gpus < launch["gpu-memory-utilization"]:
        raise ValueError(
            f"gpus: vLLM takes {launch['gpu-memory-utilization']} of the card by {gemma.launch_file}, so it cannot be "
            f"{gemma.gpus}: Ray would lend the rest to somebody else"
        )
    engine = {
        name.replace("-", "_"): str(ROOT / value) if name in _FILES else value
        for name, value in launch.items()
        if name not in _OURS
    }
    return {
        "model_loading_config": {
            "model_id": launch["served-model-name"],
            "model_source": gemma.weights or launch["model"],
        },
        "engine_kwargs": engine,
        "accelerator_type": gemma.accelerator,
        "placement_group_config": {"bundles": [{"CPU": 1, "GPU": gemma.gpus}]},
        "runtime_env": {"env_vars": {"VLLM_RAY_PER_WORKER_GPUS": str(gemma.gpus), "VLLM_NO_USAGE_STATS": "1"}},
        "deployment_config": {
            "name": "Gemma",
            "autoscaling_config": {
                "min_replicas": gemma.min_replicas,
                "max_replicas": gemma.max_replicas,
                "target_ongoing_requests": gemma.requests,
                "upscale_delay_s": 10.0,
                "downscale_delay_s": 600.0,
            },
            # A request that the engine would only keep waiting is better refused: a gateway has something else to ask.
            "max_ongoing_requests": launch["max-num-seqs"],
            "max_queued_requests": launch["max-num-seqs"],
            "health_check_period_s": 10.0,
            "health_check_timeout_s": 30.0,
            "graceful_shutdown_timeout_s": 60.0,
            # Turns of a call begin alike, and vLLM has read the beginning where the call was before.
            "request_router_config": {
                "request_router_class": "ray.serve.llm.request_router.PrefixCacheAffinityRouter",
            },
        },
    }


def app(gemma: Gemma) -> "serve.Application":
    """The application, for a Serve config file."""
    from ray.serve.llm import build_openai_app

    return build_openai_app({"llm_configs": [llm_config(gemma)]})
