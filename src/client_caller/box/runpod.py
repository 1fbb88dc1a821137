"""Renting and giving back a machine at RunPod, by version 2 of its REST API.

In:   a template (`deploy/runpod/pod.toml`), an image, a volume.     Out: requests, and what was answered.
Rule: nothing is rented without its price having been told. A request that may have rented something is never repeated.
      The key is in a header and nowhere else.

Source: docs.runpod.io, api-reference-v2/openapi.json (August 2026). Version 1, rest.runpod.io/v1, was to be switched
off on 15 November 2026.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import httpx2
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from client_caller.errors import ClientCallerError, ConfigError

_WITHIN_S: Final = 60.0
HOURS_A_MONTH: Final = 730


class RunPodFailed(ClientCallerError):
    """RunPod cannot do it now, or nobody knows whether it has."""


class PodTemplate(BaseModel):
    """What a machine is to be. gpus: in the order of preference;  disk_gb: of the container's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(min_length=1)
    gpus: tuple[str, ...] = Field(min_length=1)
    cloud: Literal["SECURE", "COMMUNITY"] = "SECURE"
    min_cuda: str = Field("", pattern=r"^(\d+\.\d+)?$")
    disk_gb: int = Field(ge=1)
    volume_path: str = Field(pattern="^/")
    ports: tuple[str, ...]
    env: dict[str, str] = {}

    def request(self, image: str, volume: str, gpu: str) -> dict[str, Any]:
        """The body of the request that rents it."""
        card: dict[str, Any] = {"id": gpu, "count": 1}
        return {
            "name": self.name,
            "image": image,
            "cloud": self.cloud,
            "gpu": card | ({"minCudaVersion": self.min_cuda} if self.min_cuda else {}),
            "disk": self.disk_gb,
            "mounts": {"network": [{"volumeId": volume, "path": self.volume_path}]},
            "ports": list(self.ports),
            "env": self.env,
        }


@dataclass(frozen=True, slots=True)
class Offer:
    """A card that is to be had, and its list price."""

    gpu: str
    usd_per_hour: float


@dataclass(frozen=True, slots=True)
class Pod:
    """A rented machine. status: RunPod's own word, e.g. RUNNING."""

    id: str
    name: str
    status: str
    usd_per_hour: float


def read_template(path: Path) -> PodTemplate:
    """Raises ConfigError that names the file and the field."""
    try:
        return PodTemplate.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise ConfigError(f"the template {path} cannot be read ({wrong})") from wrong
    except ValidationError as wrong:
        faults = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in wrong.errors())
        raise ConfigError(f"the template {path}: {faults}") from wrong


class RunPod:
    """The account. Raises ConfigError without a key."""

    def __init__(self, url: str, key: SecretStr, transport: httpx2.BaseTransport | None = None) -> None:
        if not key.get_secret_value():
            raise ConfigError("set RUNPOD_API_KEY to a key of your account (RunPod's console, Settings, API keys)")
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"}
        self._http = httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=_WITHIN_S, transport=transport)

    def close(self) -> None:
        """Let its connections go."""
        self._http.close()

    def offer(self, template: PodTemplate) -> Offer:
        """The first of the template's cards that is to be had. Raises RunPodFailed when none is."""
        wanted = {"include": "AVAILABILITY", "product": "POD", "count": "1", "cloud": template.cloud}
        there = {str(each["id"]): each for each in self._ask("GET", "/catalog/gpus", params=wanted)["gpus"]}
        for gpu in template.gpus:
            if gpu in there and there[gpu].get("availability", "NONE") != "NONE":
                return Offer(gpu, float(there[gpu]["price"][template.cloud.lower()]))
        raise RunPodFailed(f"none of these cards is free at RunPod now: {', '.join(template.gpus)}; try again later")

    def create(self, body: dict[str, Any]) -> Pod:
        """Rent it. Raises RunPodFailed, which says so when nobody knows whether it was rented."""
        return _pod(self._ask("POST", "/pods", json=body))

    def pods(self, name: str) -> list[Pod]:
        """All machines of this name."""
        found: list[dict[str, Any]] = self._ask("GET", "/pods")["pods"]
        return [pod for pod in map(_pod, found) if pod.name == name]

    def pod(self, pod_id: str) -> Pod:
        """One machine. Raises ConfigError when there is none."""
        return _pod(self._ask("GET", f"/pods/{pod_id}"))

    def remove(self, pod_id: str) -> None:
        """Give it back, with its own disk; the network volume stays. Raises ConfigError when there is none."""
        self._ask("DELETE", f"/pods/{pod_id}")

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = self._http.request(method, path, **more)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as wrong:
            raise RunPodFailed(f"RunPod cannot be reached at {self._http.base_url} ({wrong})") from wrong
        except httpx2.HTTPError as wrong:
            raise RunPodFailed(_unsure(method, f"does not answer ({type(wrong).__name__})")) from wrong
        if answer.is_server_error:
            raise RunPodFailed(_unsure(method, f"answered with status {answer.status_code}"))
        if answer.is_error:
            raise ConfigError(f"RunPod refuses (status {answer.status_code}): {_detail(answer)}")
        if answer.status_code == httpx2.codes.NO_CONTENT:
            return None
        try:
            return answer.json()
        except ValueError as wrong:
            raise RunPodFailed(_unsure(method, "answered with something that is not JSON")) from wrong


def _pod(told: dict[str, Any]) -> Pod:
    return Pod(str(told["id"]), str(told["name"]), str(told["status"]), float(told["cost"]))


def _unsure(method: str, what: str) -> str:
    if method == "GET":
        return f"RunPod {what}: ask again"
    return (
        f"RunPod {what}: it may have done it, and may charge for it. Look with `client-caller deploy runpod status` "
        "and in its console before you ask again"
    )


def _detail(answer: httpx2.Response) -> str:
    """What RunPod has to say about it: RFC 9457."""
    try:
        told = answer.json()
        return "; ".join([str(told["detail"]), *map(str, told.get("errors", []))])
    except (ValueError, KeyError, TypeError, AttributeError):
        return "without saying why"
