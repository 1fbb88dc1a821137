"""Client Caller: AI that talks on the telephone.

What an operator's own Python files import: `tool` makes a function a tool of the agent's, `CallContext` tells of the
call, `Done` may ask something of it, `ToolFailed` says in a sentence why nothing was done.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client_caller.errors import ToolFailed
    from client_caller.tools.function_tool import CallContext, tool
    from client_caller.tools.protocol import Done

# From 1.29 on ONNX Runtime tells its makers of the machine, of the models and of how often they run, unless this is set
# before it is loaded (its Privacy.md).
os.putenv("ORT_DISABLE_TELEMETRY", "1")

# numpy's OpenBLAS splits a sum of more than 10,000 products over all cores, and its threads then wait for more without
# sleeping: 0.11 s of a core for the level of a sentence, which takes 0.3 ms. Read when numpy is loaded.
os.putenv("OPENBLAS_NUM_THREADS", "1")

__all__ = ["CallContext", "Done", "ToolFailed", "tool"]

_FROM = {
    "CallContext": "client_caller.tools.function_tool",
    "Done": "client_caller.tools.protocol",
    "ToolFailed": "client_caller.errors",
    "tool": "client_caller.tools.function_tool",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: our child processes need none of it, and it takes a third of a second."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_FROM[name]), name)
