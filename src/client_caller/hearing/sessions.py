"""A loaded ONNX model whose failures are ours.

In:   a model file; then named arrays.     Out: named arrays.
Rule: the only place in hearing that knows ONNX Runtime, and that its exceptions have no common ancestor.
"""

from pathlib import Path
from typing import Any, Final

import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as states

from client_caller.errors import EngineCrashed, ModelUnavailable

_BROKEN: Final[tuple[type[Exception], ...]] = (
    RuntimeError,
    ValueError,
    *(kind for kind in vars(states).values() if isinstance(kind, type) and issubclass(kind, Exception)),
)


class Session:
    """One model, run on `threads` threads. `engine` is its name in errors. Raises ModelUnavailable."""

    def __init__(self, path: Path, engine: str, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._engine = engine
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except _BROKEN as broken:
            raise ModelUnavailable(f"the {engine} cannot be loaded from {path}: {broken}") from broken

    def run(self, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The model's outputs in its own order. Raises EngineCrashed."""
        try:
            outputs: list[NDArray[Any]] = self._session.run(None, inputs)
        except _BROKEN as broken:
            raise EngineCrashed(self._engine, str(broken)) from broken
        return outputs
