"""CUDA graphs without a GPU: what torch.cuda does for graphs.py, done on the CPU.

As on a GPU, what is captured are the operations with the addresses that they read and write, not the Python around
them; and a replay runs them again, over whatever lies at these addresses by then.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

CPU = torch.device("cpu")


class Stream:
    """Everything is done at once; counts how often it is waited for."""

    def __init__(self, device: torch.device, priority: int = 0) -> None:
        self.device = device
        self.waits = 0

    def wait_stream(self, other: object) -> None: ...

    def synchronize(self) -> None:
        self.waits += 1


class Graph:
    """torch.cuda.CUDAGraph."""

    def __init__(self) -> None:
        self.kernels: list[tuple[Any, Any, Any, list[Any]]] = []

    def replay(self) -> None:
        for kernel, arguments, named, outputs in self.kernels:
            for old, new in zip(outputs, tree_flatten(kernel(*arguments, **named))[0], strict=True):
                if new.data_ptr() != old.data_ptr():  # neither a view nor changed in place
                    old.copy_(new)


class _Capture(TorchDispatchMode):
    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert kernel is not torch.ops.aten._local_scalar_dense.default, "a capture cannot wait for the device"
        made = kernel(*args, **(kwargs or {}))
        self._graph.kernels.append((kernel, args, kwargs or {}, tree_flatten(made)[0]))
        return made


@contextmanager
def _graph(graph: Graph, **where: object) -> Iterator[None]:
    with _Capture(graph):
        yield


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put it in torch.cuda's place."""
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream(device))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 0))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", _graph)
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
