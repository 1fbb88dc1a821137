"""The process in which llama.cpp serves; started by `llamacpp.py`, of no use by hand.

In:   a line on standard input, the configuration as JSON; then the input stays open as long as the server is wanted.
Out:  one line on standard output: the port. Everything llama.cpp has to say goes to standard error.
"""

import json
import os
import sys
from typing import Any, Final
from urllib.parse import urlsplit

import xllamacpp

_SPARE_CONNECTIONS: Final = 16
"""HTTP threads beyond one per slot: for requests that wait for a slot, so that a health check never waits for one."""

_POLL: Final = 0
"""How hard (0-100) an idle worker thread spins instead of sleeping. Spinning takes a core from every other call."""

_BATCH: Final = 64
"""Tokens read at a time, of all slots together, for who waits for a token waits for one such step. While another slot
read 700 tokens, on two cores busy otherwise, the first token took 2.3 to 3.5 s, and 16 to 30 s with llama.cpp's own
2048. The 700 were read as fast."""


def main() -> None:
    """Serve until standard input closes."""
    announcement = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # llama.cpp prints where it likes
    server = xllamacpp.Server(_params(json.loads(sys.stdin.buffer.readline())))
    print(urlsplit(server.listening_address).port, file=announcement, flush=True)
    sys.stdin.buffer.read()
    os._exit(0)  # its threads would hold up an orderly end


def _params(config: dict[str, Any]) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = config["model"]
    params.hostnames = ["127.0.0.1"]
    params.port = config["port"]
    params.api_keys = [config["api_key"]]
    params.n_parallel = config["slots"]
    params.n_threads_http = config["slots"] + _SPARE_CONNECTIONS
    params.n_ctx = config["slots"] * config["context_tokens"]
    params.n_gpu_layers = 0
    params.n_batch = params.n_ubatch = _BATCH
    params.cpuparams.n_threads = config["decode_threads"]
    params.cpuparams_batch.n_threads = config["prefill_threads"]
    params.cpuparams.poll = params.cpuparams_batch.poll = _POLL
    params.cache_prompt = True
    params.swa_full = True  # a model with sliding windows, like Gemma, would else read much of a call anew at each turn
    params.cache_ram_mib = 0  # each slot keeps its own prefix; copies of it elsewhere would only cost memory
    params.warmup = True
    params.ui = False
    params.verbosity = 1  # errors
    return params


if __name__ == "__main__":
    main()
