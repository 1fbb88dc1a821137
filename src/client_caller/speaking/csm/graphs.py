"""How the model's work is done: on the CPU as it comes, on a GPU in one stream, with frames as CUDA graphs.

In:   the frame as a function, and numbers in `inputs`, which stay where they are from batch to batch.
Out:  codes and sound, on the host.
Rule: one thread at a time. A frame waits for the GPU once, at its end; so does a prefill.

Without graphs a GPU would wait for Python: a frame is some thousands of kernels of a few microseconds each. Shapes and
addresses are settled when a graph is captured; hence one for each size of batch and length of context.

Sources: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs. torch/cuda/graphs.py: a capture waits for the
whole device and gives back what memory is cached, so it belongs before the first call. CublasHandlePool.cpp, in
aten/src/ATen/cuda: the workspace of matrix products is of a thread and a stream, and stays. sdp_utils.cpp, in
aten/src/ATen/native/transformers/cuda: in bfloat16, attention is flash without a mask, memory-efficient with one.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, NamedTuple, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from client_caller.speaking.csm.frame import Inputs, Outputs

MakeFrame = Callable[[Inputs, int], Outputs]
"""Makes a frame of these inputs, with a context of this length."""

_ATTENTION: Final = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""All but cuDNN's, with which CSM in SGLang-Omni crashed on Hopper (https://github.com/sgl-project/sglang-omni/pull/800)."""


class Runner(Protocol):
    """Makes frames of as many slots as there is room for in `inputs`, which are on the host."""

    inputs: Inputs

    def prepare(self, length: int) -> None:
        """Do now what else the first frame with a context of this length would have to wait for."""

    def run(self, length: int) -> tuple[Tensor, Tensor]:
        """Codes and sound, on the host; they are overwritten by the next run."""


class Lane(Protocol):
    """A device, and the one order in which it does the model's work."""

    def enter(self) -> AbstractContextManager[None]:
        """All that the model does is done within this."""

    def bring(self, array: NDArray[Any]) -> Tensor:
        """A copy on the device."""

    def wait(self) -> None:
        """Until all is done that was begun."""

    def runner(self, make: MakeFrame, idle: Inputs) -> Runner:
        """idle: inputs on the host, of the runner's size, that touch no slot but the scratch slot."""


class CpuLane:
    """The CPU."""

    def enter(self) -> AbstractContextManager[None]:
        """As of a Lane."""
        return torch.no_grad()

    def bring(self, array: NDArray[Any]) -> Tensor:
        """As of a Lane."""
        return torch.tensor(array)

    def wait(self) -> None:
        """As of a Lane: it is done."""

    def runner(self, make: MakeFrame, idle: Inputs) -> Runner:
        """As of a Lane."""
        return _CpuRunner(make, idle)


class _CpuRunner:
    def __init__(self, make: MakeFrame, idle: Inputs) -> None:
        self.inputs = idle
        self._make = make

    def prepare(self, length: int) -> None:
        """As of a Runner: there is nothing."""

    def run(self, length: int) -> tuple[Tensor, Tensor]:
        """As of a Runner."""
        outputs = self._make(self.inputs, length)
        return outputs.codes, outputs.sound


class GpuLane:
    """A GPU. To be made after the model's tensors are there.

    stream: of a higher priority than others of this process; other processes are not bound by it, but by MPS where they
    share the GPU through it (box/mps.py);
    pool: the memory of all graphs. They may share it, because each one's outputs are fetched before another runs.
    """

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]
        self.stream.wait_stream(torch.cuda.current_stream(device))  # in which the tensors are being made
        self.pool = torch.cuda.graph_pool_handle()
        torch.backends.cudnn.allow_tf32 = False  # Mimi is in float32, and torch's default would drop half of its bits

    @contextmanager
    def enter(self) -> Iterator[None]:
        """As of a Lane."""
        with torch.no_grad(), torch.cuda.stream(self.stream), sdpa_kernel(_ATTENTION):
            yield

    def bring(self, array: NDArray[Any]) -> Tensor:
        """As of a Lane. Does not wait: torch keeps pinned memory until what was copied from it has arrived."""
        return torch.tensor(array).pin_memory().to(self.stream.device, non_blocking=True)

    def wait(self) -> None:
        """As of a Lane."""
        self.stream.synchronize()

    def runner(self, make: MakeFrame, idle: Inputs) -> Runner:
        """As of a Lane."""
        return _GpuRunner(make, idle, self)


class _GpuRunner:
    def __init__(self, make: MakeFrame, idle: Inputs, lane: GpuLane) -> None:
        self.inputs = Inputs(*(each.pin_memory() for each in idle))
        self._make = make
        self._idle = idle
        self._lane = lane
        self._on_device = Inputs(*(each.to(lane.stream.device, copy=True) for each in idle))
        self._graphs: dict[int, _Captured] = {}

    def prepare(self, length: int) -> None:
        """As of a Runner: capture the graph, which takes about a second."""
        if length in self._graphs:
            return
        _copy(self._idle, self._on_device)  # the runs before the capture do what they say, and must touch no slot
        for _ in range(2):  # in the first, libraries load kernels and ask for workspaces, which no graph can hold
            self._make(self._on_device, length)
        self._lane.wait()
        graph = torch.cuda.CUDAGraph()
        # Other threads of the process may use the device meanwhile: thread_local.
        with torch.cuda.graph(graph, pool=self._lane.pool, stream=self._lane.stream, capture_error_mode="thread_local"):
            outputs = self._make(self._on_device, length)
        graph.replay()  # the first one brings the graph to the device; the inputs are still idle
        made = outputs.codes, outputs.sound
        self._graphs[length] = _Captured(graph, made, (_pinned(made[0]), _pinned(made[1])))

    def run(self, length: int) -> tuple[Tensor, Tensor]:
        """As of a Runner."""
        self.prepare(length)
        captured = self._graphs[length]
        _copy(self.inputs, self._on_device)
        captured.graph.replay()
        _copy(captured.made, captured.on_host)
        self._lane.wait()
        return captured.on_host


class _Captured(NamedTuple):
    """A graph, where it leaves codes and sound, and where they are brought."""

    graph: torch.cuda.CUDAGraph
    made: tuple[Tensor, Tensor]
    on_host: tuple[Tensor, Tensor]


def _copy(source: tuple[Tensor, ...], target: tuple[Tensor, ...]) -> None:
    for each, to in zip(source, target, strict=True):
        to.copy_(each, non_blocking=True)


def _pinned(like: Tensor) -> Tensor:
    return torch.empty_like(like, device="cpu").pin_memory()
