"""What the CSM engine can do: how long frames take, how soon a piece sounds, how soon a slot is free again.

In:   random weights: of the published sizes on a GPU, of tiny ones where there is none.
Out:  tables, and bench/results/voice_engine.json; without a GPU runs/voice_engine.json, which says so: its figures are
      of the CPU and of a model that nobody would listen to, and prove only that everything runs.
Rule: transformers' own CSM runs on the same device, sizes and day.
"""

import argparse
import asyncio
import resource
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch

from client_caller.speaking.csm.random_weights import PUBLISHED, TINY
from common import Row, keep, origin, show_times, summary
from voice_engine_ours import Frames, frames, model_of, of_pieces
from voice_engine_peers import frame_s, transformers_csm

OUT: Final = Path("bench/results/voice_engine.json")
OUT_SMALL: Final = Path("runs/voice_engine.json")
NOT_MEASURED: Final = "not measured"
_STREAMS: Final = (1, 2, 4, 8, 16, 32)


def main() -> None:
    """Measure, print, keep."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, help=f"{OUT}, or {OUT_SMALL} without a GPU")
    options.add_argument("--count", type=int, default=0, help="frames, and first sounds, of each kind; 0: as usual")
    options.add_argument("--without-peers", action="store_true")
    chosen = options.parse_args()
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        torch.set_num_threads(1)  # tiny layers lose by sharing
    device = torch.device("cuda" if on_gpu else "cpu")
    config, count = (PUBLISHED, chosen.count or 200) if on_gpu else (TINY, chosen.count or 12)
    context = 600 if on_gpu else 100
    bandwidth = _bandwidth(device) if on_gpu else None
    began = time.perf_counter()
    model = model_of(config, device, max(_STREAMS), max(_STREAMS))
    warm_s = time.perf_counter() - began
    rows = list(frames(model, config, _STREAMS, context, count, bandwidth))
    times = {
        f"{name}, beside {beside}": summary(measured)
        for beside in ((0, 7) if on_gpu else (0,))  # a CPU does not keep up with two
        for name, measured in asyncio.run(of_pieces(model, config, beside, count)).items()
    }
    memory = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else _resident_gib()
    peers = [] if chosen.without_peers else _peers(config, device, min(count, 60))
    result = origin("the CSM engine, random weights") | {
        "GPU": torch.cuda.get_device_name() if on_gpu else NOT_MEASURED,
        "sizes": "published" if on_gpu else "tiny",
        "torch": torch.__version__,
        "context_rows": context,
        "bandwidth_bytes_per_s": bandwidth,
        "warm_up_s": round(warm_s, 1),
        "memory_gib": round(memory, 2),
        "frames": [asdict(row) for row in rows],
        "times": times,
        "transformers": peers,
    }
    _show(result, rows, times)
    keep(result, chosen.out or (OUT if on_gpu else OUT_SMALL))


def _peers(config: Any, device: torch.device, count: int) -> list[dict[str, Any]]:
    """transformers, eager and compiled; the latter only on a GPU, where it is meant to run."""
    model, found = transformers_csm(config, device), []
    for compiled in (False, True):
        for streams in (1, 8):
            took = None
            if not compiled or device.type == "cuda":
                took = 1000 * frame_s(model, streams, count, compiled=compiled)
            found.append({"streams": streams, "compiled": compiled, "frame_ms": took})
    return found


def _show(result: dict[str, Any], rows: Sequence[Frames], times: dict[str, Row]) -> None:
    print(f"GPU: {result['GPU']}; {result['sizes']} sizes, random weights; {result['memory_gib']} GiB")
    print(f"\n{'streams':<36}{'ms p50':>9}{'ms p95':>9}{'RTF':>8}{'bandwidth':>11}")
    for row in rows:
        share = "" if row.bandwidth_share is None else f"{100 * row.bandwidth_share:.0f} %"
        print(f"{row.streams:<36}{row.p50_ms:>9.2f}{row.p95_ms:>9.2f}{row.real_time_factor:>8.3f}{share:>11}")
    for peer in result["transformers"]:
        name = f"transformers, {'compiled' if peer['compiled'] else 'eager'}, {peer['streams']}"
        took = NOT_MEASURED if peer["frame_ms"] is None else f"{peer['frame_ms']:.2f}"
        print(f"{name:<36}{took:>9}")
    show_times(times)


def _bandwidth(device: torch.device) -> float:
    """Bytes a second that a plain copy reads and writes."""
    source = torch.empty(2**30, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    for repeats in (3, 20):  # the first to warm up
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(repeats):
            target.copy_(source)
        torch.cuda.synchronize()
        took = (time.perf_counter() - began) / repeats
    return 2 * source.numel() / took


def _resident_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
