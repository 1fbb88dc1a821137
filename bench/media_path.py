"""What one frame of a call costs the processor, part by part, and a whole call in one process.

    .venv/bin/python bench/media_path.py [--before FILE] [--quick] [--out bench/results/media_path.json]

In:   frames of 20 ms as Twilio sends them, at a process without sockets under it, on virtual time.
Out:  one table, one JSON: microseconds of processor time a frame. before: an earlier result to be shown beside this.
Rule: processor time only, the least and the middle of several runs: others on the machine do not count, though they
      make caches cold. A part is what it costs alone; the whole is a call with fakes for engines and the real Silero,
      its agent speaking for half of the time. Kernel and event loop of real sockets are in bench/gateway.py.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from client_caller.hearing.silero import SileroModel
from client_caller.models.store import ModelStore
from client_caller.settings import load_settings
from common import keep, origin
from media_path_parts import (
    around_the_model,
    hearing,
    messages_read,
    messages_written,
    model_alone,
    model_together,
    recording,
    socket_in,
    socket_out,
    the_line,
)
from media_path_whole import whole
from virtual import run

Part = Callable[[int], Awaitable[None]]

_REPEATS: Final = 7
_FRAMES: Final = 4_000
_CALLS: Final = 60
_CALL_S: Final = 12.0


def measured(part: Part, frames: int, repeats: int) -> list[float]:
    """Microseconds a frame, of each run."""
    took = []
    for _ in range(repeats):
        began = time.process_time()
        run(part(frames))
        took.append(1e6 * (time.process_time() - began) / frames)
    return took


def _row(took: Sequence[float]) -> dict[str, float]:
    return {"least_us": round(min(took), 2), "median_us": round(median(took), 2)}


def _show(rows: dict[str, dict[str, float]], before: dict[str, dict[str, float]]) -> None:
    print(f"{'microseconds a frame':<44}{'least':>8}{'median':>8}{'before':>8}")
    for name, row in rows.items():
        was = f"{before[name]['least_us']:>8.1f}" if name in before else ""
        print(f"{name:<44}{row['least_us']:>8.1f}{row['median_us']:>8.1f}{was}")


def main(before: Path | None, out: Path, *, quick: bool) -> None:
    earlier: dict[str, Any] = json.loads(before.read_text()) if before else {}
    model = SileroModel(ModelStore(load_settings().models).path("silero_vad.onnx"))
    parts: dict[str, Part] = {
        "websocket, in": socket_in,
        "message read": messages_read,
        "line, with the message read": the_line,
        "recording": recording,
        "hearing without a model": hearing,
        "limits around the model": around_the_model,
        "Silero, a call alone": lambda frames: model_alone(model, frames),
        "Silero, sixteen calls": lambda frames: model_together(model, frames),
        "message written (25 a second)": messages_written,
        "websocket, out (25 a second)": socket_out,
    }
    repeats, frames = (2, 500) if quick else (_REPEATS, _FRAMES)
    rows = {name: _row(measured(part, frames, repeats)) for name, part in parts.items()}
    calls = 4 if quick else _CALLS
    with tempfile.TemporaryDirectory() as folder:
        took = [whole(model, calls, _CALL_S, Path(folder) / str(n)) for n in range(2 if quick else 3)]
    name = f"whole, {calls} calls, but for sockets"
    rows[name] = _row(took)
    _show(rows, earlier.get("rows", {}))
    result = {**origin("one frame on the media path"), "rows": rows}
    if earlier:
        result["before"] = {"commit": earlier["commit"], "rows": earlier["rows"]}
    keep(result, out)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--before", type=Path, help="an earlier result, to be shown beside this one")
    arguments.add_argument("--quick", action="store_true", help="a few of everything, to see that it runs")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/media_path.json"))
    given = arguments.parse_args()
    main(given.before, given.out, quick=given.quick)
