"""What a frame of the CSM engine asks of a GPU: how many kernels, and how many bytes. Counted, not timed.

    .venv/bin/python bench/voice_kernels.py [--streams 1 8 16 32] [--length 1024]
                                            [--out bench/results/voice_kernels.json]

In:   the published sizes, on torch's meta device: shapes without numbers, so no GPU and no weights are needed.
Out:  a table by part, and bench/results/voice_kernels.json.
Rule: counted are the operations that torch would launch, each as the kernels that its CUDA code has for it. Libraries
      may take two where one is counted: cuBLAS and cuDNN, when they split a sum.

**The times are arithmetic, not measurement**: what launches alone take, at 2 microseconds for each kernel of a graph,
and what reading alone takes, at a GPU's published bandwidth. A frame takes more than the larger of the two, and about
their sum if reading waits for launching throughout.
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from client_caller.speaking.csm.config import CsmConfig
from client_caller.speaking.csm.frame import Inputs
from client_caller.speaking.csm.mimi_decoder import MimiDecoder
from client_caller.speaking.csm.model import CsmModel
from client_caller.speaking.csm.random_weights import PUBLISHED
from common import keep, origin
from voice_engine_ours import frame_bytes

KERNEL_S: Final = 2e-6
BANDWIDTH: Final = {"A100": 2.0e12, "H200": 4.8e12}
"""Bytes a second. Sources: nvidia.com, A100 80GB SXM and H200 SXM data sheets."""

_PARTS: Final = {
    "sampler.py": "sampling",
    "depth.py": "depth decoder",
    "backbone.py": "backbone",
    "mimi_decoder.py": "Mimi",
    "frame.py": "the rest",
}
"""By the innermost file on the way to an operation."""

_NONE: Final = ("empty", "new_empty", "empty_like", "detach", "alias", "lift_fresh", "_unsafe_view", "_reshape_alias")
_SEVERAL: Final = {"topk": 2, "convolution": 1}
"""topk selects, then sorts. Source: aten/src/ATen/native/cuda/TensorTopK.cpp."""


class _Count(TorchDispatchMode):
    """Counts kernels, by part and operation."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[tuple[str, str]] = Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = operation.overloadpacket.__name__
        if not operation.is_view and name not in _NONE:
            count = _SEVERAL.get(name, 1)
            if name == "convolution" and args[2] is not None:
                count += 1  # cuDNN's bias is added after it
            self.kernels[_part(), name] += count
        return operation(*args, **(kwargs or {}))


class _AsOnCuda(TorchFunctionMode):
    """What the meta device would take apart, and CUDA has one kernel for: attention and RMS norms.

    Attention is flash without a mask in half precision, else memory-efficient. RMS norms stand as native_layer_norm.
    Sources: aten/src/ATen/native/transformers/cuda/sdp_utils.cpp, aten/src/ATen/native/layer_norm.cpp.
    """

    def __torch_function__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if function is F.rms_norm and given["weight"].dtype == args[0].dtype:
            return torch.native_layer_norm(args[0].contiguous(), args[1], given["weight"], None, given["eps"])[0]
        if function is not F.scaled_dot_product_attention:
            return function(*args, **given)
        queries, keys, values = args
        mask = given.get("attn_mask")
        if mask is None and queries.dtype == torch.bfloat16:
            return torch.ops.aten._scaled_dot_product_flash_attention(queries, keys, values)[0]
        if mask is not None:
            length = keys.shape[2]
            if mask.stride(-1) != 1 or any(stride % 8 for stride in mask.stride()[:-1]):
                mask = F.pad(mask, (0, 8 - length % 8))[..., :length]  # as torch does, layer by layer
            mask = mask.expand(*queries.shape[:3], length)
        return torch.ops.aten._scaled_dot_product_efficient_attention(queries, keys, values, mask, False)[0]


def _part() -> str:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if part := _PARTS.get(frame.f_code.co_filename.rpartition("/")[2]):
            return part
        frame = frame.f_back
    return "the rest"


def counted(config: CsmConfig, streams: int, length: int) -> Counter[tuple[str, str]]:
    """The kernels of one frame, by part and operation."""
    meta = torch.device("meta")

    def take(dtype: torch.dtype) -> Callable[[str, tuple[int, ...]], Tensor]:
        return lambda _, shape: torch.empty(shape, dtype=dtype, device=meta)

    model = CsmModel(config, take(torch.bfloat16), take(torch.float32), max(streams, 32), meta)
    inputs = Inputs(*(each.to(meta) for each in model._idle(streams)))
    with torch.no_grad(), _AsOnCuda(), _Count() as count:
        model.frame(inputs, length)
    return count.kernels


def decoder_bytes(config: CsmConfig) -> int:
    """Mimi's decoder's weights, in float32: what a frame reads of them at least."""
    total = 0

    def take(name: str, shape: tuple[int, ...]) -> Tensor:
        nonlocal total
        total += 0 if ".codebook." in name or "input_proj" in name else 4 * math.prod(shape)
        return torch.empty(shape, device="meta")

    MimiDecoder(config.mimi, take, 1)
    return total


def estimates(kernels: int, read: float) -> dict[str, dict[str, float]]:
    """Milliseconds, by arithmetic."""
    launches, found = 1000 * kernels * KERNEL_S, {}
    for gpu, bandwidth in BANDWIDTH.items():
        reading = 1000 * read / bandwidth
        found[gpu] = {
            "reading_ms": round(reading, 2),
            "larger_ms": round(max(launches, reading), 2),
            "sum_ms": round(launches + reading, 2),
        }
    return found


def main(streams: Sequence[int], length: int, out: Path) -> None:
    """Count, print, keep."""
    rows = []
    for number in streams:
        kernels = counted(PUBLISHED, number, length)
        total = sum(kernels.values())
        read = frame_bytes(PUBLISHED, number, length) + decoder_bytes(PUBLISHED)
        rows.append(
            {
                "streams": number,
                "length": length,
                "kernels": total,
                "parts": {part: _of(kernels, part) for part in _PARTS.values()},
                "operations": {f"{part}: {name}": count for (part, name), count in kernels.most_common()},
                "bytes_read": round(read),
                "launches_ms": round(1000 * total * KERNEL_S, 2),
                "arithmetic": estimates(total, read),
            }
        )
    result = origin("kernels and bytes of a frame, counted") | {
        "GPU": "not measured: times are arithmetic",
        "torch": torch.__version__,
        "kernel_s": KERNEL_S,
        "bandwidth_bytes_per_s": BANDWIDTH,
        "frames": rows,
    }
    print("\n".join(_lines(rows)))
    keep(result, out)


def _of(kernels: Counter[tuple[str, str]], part: str) -> int:
    return sum(count for (where, _), count in kernels.items() if where == part)


def _lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield f"{'kernels of a frame':<24}" + "".join(f"{row['streams']:>12}" for row in rows)
    for part in _PARTS.values():
        yield f"{part:<24}" + "".join(f"{row['parts'][part]:>12}" for row in rows)
    yield f"{'all':<24}" + "".join(f"{row['kernels']:>12}" for row in rows)
    yield f"{'GB read':<24}" + "".join(f"{row['bytes_read'] / 1e9:>12.2f}" for row in rows)
    yield "\nmilliseconds by arithmetic, not measured: launches, reading; the larger, the sum"
    for gpu in BANDWIDTH:
        for row in rows:
            found = row["arithmetic"][gpu]
            yield (
                f"{gpu}, {row['streams']:>2} streams{'':<10}{row['launches_ms']:>8.2f}{found['reading_ms']:>8.2f}"
                f"{found['larger_ms']:>8.2f}{found['sum_ms']:>8.2f}"
            )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--streams", type=int, nargs="+", default=[1, 8, 16, 32])
    arguments.add_argument("--length", type=int, default=1024, help="of the context that attention sees")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/voice_kernels.json"))
    given = arguments.parse_args()
    main(given.streams, given.length, given.out)
