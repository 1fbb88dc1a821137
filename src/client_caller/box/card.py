"""The graphics card, as the driver's own tool describes it.

In:   what `nvidia-smi` prints.     Out: one `Card` for each.
Rule: a subprocess and nothing else: whoever asks need not have torch, and takes none of the card's memory.
"""

import subprocess
from dataclasses import dataclass
from typing import Final

from client_caller.errors import ConfigError

_FIELDS: Final = "name,driver_version,memory.used,memory.free,compute_cap"
_WITHIN_S: Final = 30.0
"""Without its persistence mode, the driver wakes the card up first."""

_MIB_PER_GIB: Final = 1_024


@dataclass(frozen=True, slots=True)
class Card:
    """One card. driver: its version, e.g. 580.95.05;  usable_gib: what CUDA can give out;  compute: capability."""

    name: str
    driver: str
    usable_gib: float
    free_gib: float
    compute: float

    @property
    def driver_major(self) -> int:
        """The part before the first point; 0 if it cannot be read."""
        major = self.driver.partition(".")[0]
        return int(major) if major.isdecimal() else 0


def cards(command: str = "nvidia-smi") -> list[Card]:
    """All cards of this machine. Raises ConfigError that says why none can be seen, and what to do."""
    asked = [command, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, errors="replace", timeout=_WITHIN_S, check=False)
    except FileNotFoundError as missing:
        raise ConfigError(
            f"{command} is not on the PATH: this machine has no NVIDIA driver, or the container was started without "
            "the card (docker run --gpus all)"
        ) from missing
    except OSError as refused:
        raise ConfigError(f"{command} cannot be run ({refused.strerror})") from refused
    except subprocess.TimeoutExpired as silent:
        raise ConfigError(f"{command} does not answer: the card or its driver hangs; take another machine") from silent
    if answer.returncode:
        said = next((line for line in (answer.stderr + answer.stdout).splitlines() if line.strip()), "nothing")
        raise ConfigError(f"{command} fails, and says: {said.strip()}")
    found = [_card(line) for line in answer.stdout.splitlines() if line.strip()]
    if not found:
        raise ConfigError(f"{command} sees no card: give the machine or the container one")
    return found


def _card(line: str) -> Card:
    """One line of its table. Raises ConfigError for what is no such line."""
    try:
        name, driver, used, free, compute = (part.strip() for part in line.rsplit(",", 4))
        # What the driver keeps for itself is in neither, nor in what CUDA calls the whole; `memory.total` has it.
        usable = (int(used) + int(free)) / _MIB_PER_GIB
        return Card(name, driver, usable, int(free) / _MIB_PER_GIB, float(compute))
    except ValueError as wrong:
        raise ConfigError(f"nvidia-smi describes the card as {line.strip()!r}, which is not understood") from wrong
