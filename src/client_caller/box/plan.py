"""What is to run on this machine, put together from the settings and the launch file.

In:   the settings.     Out: one frozen `BoxPlan`: repositories and folders of the weights, addresses, ports.
Rule: here it is said once where weights lie and under which address an engine answers; nothing is looked at.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from client_caller.box.launch_file import LaunchFile, read_launch_file, weights_kind
from client_caller.errors import ConfigError
from client_caller.settings import Settings


@dataclass(frozen=True, slots=True)
class BoxPlan:
    """launch: what vLLM serves;  kind: how its weights are kept;  repositories: on the hub, of all weights needed."""

    settings: Settings
    launch_file: Path
    launch: LaunchFile
    kind: str
    repositories: tuple[str, ...]

    def folder_of(self, repository: str) -> Path:
        """Where its weights lie."""
        return self.settings.box.weights.expanduser() / repository

    @property
    def speaks(self) -> bool:
        """Whether csm is to run here."""
        return self.settings.speaking.engine == "csm"

    @property
    def csm_url(self) -> str:
        """Where csm answers, without a path."""
        return self.settings.speaking.csm_url.rstrip("/")

    @property
    def csm_port(self) -> int:
        """The port of that address."""
        return urlsplit(self.csm_url).port or 80

    @property
    def public_url(self) -> str:
        """How the carrier reaches this machine: as set, or through RunPod's proxy; empty where neither is known.

        Source of the form: docs.runpod.io, pods/configuration/expose-ports.
        """
        settings = self.settings
        if settings.public_url or not settings.runpod_pod_id:
            return settings.public_url
        return f"https://{settings.runpod_pod_id}-{settings.server.port}.proxy.runpod.net"


def plan_of(settings: Settings) -> BoxPlan:
    """Raises ConfigError for settings that are not those of such a machine, or contradict each other."""
    box = settings.box
    if box.vllm is None:
        raise ConfigError("name a profile with --profile, e.g. a100, or set CLIENT_CALLER_BOX__VLLM to a launch file")
    launch = read_launch_file(box.vllm)
    if settings.thinking.base_url.rstrip("/") != f"{launch.url}/v1":
        raise ConfigError(
            f"CLIENT_CALLER_THINKING__BASE_URL is {settings.thinking.base_url!r}, and {box.vllm} has vLLM answer at "
            f"{launch.url}/v1: correct one of them"
        )
    if settings.thinking.model != launch.name:
        raise ConfigError(
            f"CLIENT_CALLER_THINKING__MODEL is {settings.thinking.model!r}, and {box.vllm} calls its model "
            f"{launch.name!r}: correct one of them"
        )
    repositories = [launch.model]
    if settings.speaking.engine == "csm" and not box.csm_random:
        repositories.append(box.csm_weights)
    if settings.hearing.engine == "whisper":
        repositories.append(box.whisper_weights)
    return BoxPlan(settings, box.vllm, launch, weights_kind(box.vllm), tuple(repositories))
