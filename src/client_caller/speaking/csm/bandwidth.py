"""How fast a card's memory is: `python -m client_caller.speaking.csm.bandwidth`.

In:   nothing.     Out: GB a second on stdout; exit code 3, and nothing, where torch or its card is missing.
Rule: all engines wait for the card's memory more than for its arithmetic, so this tells a healthy card from one that is
      slowed down or shared. Reading and writing both count.
"""

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

_BYTES: Final = 2**30
"""Much more than the cache of any card (A100: 40 MB), and little beside its memory."""

_NOTHING_TO_MEASURE: Final = 3


def copied_gb_s(device: "torch.device", size_bytes: int = _BYTES, seconds: float = 0.5) -> float:
    """GB a second of a copy within the memory of this device. size_bytes: of what is copied;  seconds: of measuring."""
    import torch
    from torch.utils.benchmark import Timer

    source = torch.ones(size_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    timer = Timer("target.copy_(source)", globals={"source": source, "target": target})  # it waits for the card
    return 2 * size_bytes / timer.blocked_autorange(min_run_time=seconds).median / 1e9


def main() -> int:
    """Measure, print, and give the exit code."""
    try:
        import torch
    except (ImportError, OSError):
        return _NOTHING_TO_MEASURE
    if not torch.cuda.is_available():
        return _NOTHING_TO_MEASURE
    print(f"{copied_gb_s(torch.device('cuda')):.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
