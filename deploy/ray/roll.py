"""What a gateway on each machine is told, and which of them is replaced next.

In:   a file such as deploy/ray/gateways.yaml; places, and how the gateways in them are.
Out:  for each place a command and an environment; the place whose gateway is replaced now.
Rule: arithmetic only: no process, no clock, no Ray. An upgrade never takes a second gateway away before the first is
      back, and a version that does not come up is tried in one place only.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from client_caller.errors import ConfigError

State = Literal["down", "starting", "ready", "ending"]
"""No process; a process that has not been ready yet; one that has been; one that was told to end."""

_SECRET: Final = ("TOKEN", "SECRET", "PASSWORD", "KEY", "LEDGER__URL")
"""How names of variables end that hold secrets."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway is. index: the lowest that is free, the same for as long as the machine is there."""

    node_id: str
    node_ip: str
    index: int
    port: int

    @property
    def name(self) -> str:
        """Its gateway's, the same when the machine comes back."""
        return f"{self._dashed_ip}-{self.port}"

    @property
    def _dashed_ip(self) -> str:
        return self.node_ip.replace(".", "-").replace(":", "-")

    def fill(self, text: str) -> str:
        """The text with what is this place's own. Raises ConfigError for a name in braces that there is not."""
        own = {"name": self.name, "node_ip": self.node_ip, "dashed_ip": self._dashed_ip}
        try:
            return text.format(**own, port=self.port, index=self.index)
        except (KeyError, IndexError, ValueError) as wrong:
            raise ConfigError(
                f"{text!r}: in braces stand name, node_ip, dashed_ip, port or index, and nothing else"
            ) from wrong


class Fitting(BaseModel):
    """The file. See deploy/ray/gateways.yaml for what each field means; durations in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    command: tuple[str, ...] = Field(min_length=1)
    folder: Path
    version: str = ""
    port: int = Field(8080, ge=1, le=65_000)
    end_within_s: float = Field(420.0, gt=0)
    ready_within_s: float = Field(180.0, gt=0)
    environment: dict[str, str] = {}

    @model_validator(mode="after")
    def _holds_no_secret_and_can_be_filled(self) -> Self:
        for name, value in self.environment.items():
            if name.endswith(_SECRET):
                raise ValueError(f"{name} is a secret: set it where `ray start` is called, on every machine")
            Place("", "127.0.0.1", 0, self.port).fill(value)
        return self

    @property
    def mark(self) -> str:
        """Another one whenever anything in the file is."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def environment_at(self, place: Place) -> dict[str, str]:
        """What is added to the environment of the gateway there."""
        return {name: place.fill(value) for name, value in self.environment.items()}


def read_fitting(path: Path) -> Fitting:
    """Raises ConfigError that names the file and what is wrong with it."""
    try:
        return Fitting.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as wrong:
        raise ConfigError(f"{path} cannot be read: {wrong}") from wrong
    except ConfigError as wrong:
        raise ConfigError(f"{path}: {wrong}") from wrong
    except ValidationError as wrong:
        faults = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in wrong.errors())
        raise ConfigError(f"{path}: {faults}") from wrong


def placed(nodes: Iterable[tuple[str, str]], before: Sequence[Place], port: int) -> list[Place]:
    """A place on every machine. nodes: id and address of those that are there;  before: the places until now.

    Whoever is still there keeps its place; whoever is new gets the lowest number, and on its address the lowest port
    from `port` on, that nobody has.
    """
    there = dict(nodes)
    kept = [place for place in before if place.node_id in there]
    known = {place.node_id for place in kept}
    for node_id, node_ip in sorted(there.items(), key=lambda node: (node[1], node[0])):
        if node_id not in known:
            index = _lowest({place.index for place in kept}, 0)
            free = _lowest({place.port for place in kept if place.node_ip == node_ip}, port)
            kept.append(Place(node_id, node_ip, index, free))
    return sorted(kept, key=lambda place: place.index)


def _lowest(taken: set[int], first: int) -> int:
    return next(number for number in range(first, first + len(taken) + 1) if number not in taken)


@dataclass(frozen=True, slots=True)
class Seen:
    """How the gateway of a place is. mark: of the file that its process was started by, empty without a process."""

    name: str
    state: State
    mark: str


def next_to_replace(gateways: Sequence[Seen], mark: str) -> str | None:
    """The name of the gateway that is to be replaced now, so that all come to be of this mark; None: wait, or done.

    An old one that answers nobody is replaced first, for that takes nobody away. One that is ready is replaced when all
    others are ready: a new one that does not come up thus ends the upgrade, with one gateway lost.
    """
    old = [each for each in gateways if each.mark != mark and each.state != "ending"]
    for each in old:
        if each.state != "ready":
            return each.name
    if old and all(each.state == "ready" for each in gateways):
        return old[0].name
    return None
