"""CSM with its caches, on one device: the FrameModel that the engine runs.

In:   the published tensors, then rows and batches as numpy arrays.     Out: codes and sound as numpy arrays.
Rule: one thread at a time. Numbers are checked here, on the host: an index out of range would break a GPU's context,
      and every call with it.

A batch is filled up to the next of a few sizes with rows for the scratch slot, and attention sees the next of a few
lengths, so that a handful of CUDA graphs does for all batches.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from client_caller.audio.frame import Samples
from client_caller.errors import LocalProtocolError
from client_caller.speaking.csm.backbone import Backbone
from client_caller.speaking.csm.cache import SlotCache
from client_caller.speaking.csm.config import CsmConfig
from client_caller.speaking.csm.depth import DepthDecoder
from client_caller.speaking.csm.frame import Frame, Inputs
from client_caller.speaking.csm.graphs import CpuLane, GpuLane, Lane, Runner
from client_caller.speaking.csm.mimi_decoder import MimiDecoder
from client_caller.speaking.csm.mimi_encoder import MimiEncoder
from client_caller.speaking.csm.protocol import HZ, RANKS, TEXTLESS, Batch, Codes, Frames, Rows
from client_caller.speaking.csm.taking import Take

LENGTHS: Final = (512, 1024, 2048)
"""Positions that attention sees: the last are some 160 s of text and sound."""

_CHUNK: Final = 1_024
"""Rows of the prefill with which kernels are loaded and memory is taken: the scheduler's largest chunk."""

_TURN_S: Final = 10
"""Seconds of sound that are encoded for the same."""


class CsmModel:
    """A FrameModel (see `protocol`).

    take: the language model's tensors, on `device`: bfloat16 on a GPU, float32 on a CPU;  take_codec: Mimi's, float32;
    slots: sequences it can hold;  batch: frames it makes at once, at most;  lengths: see LENGTHS.
    """

    def __init__(
        self,
        config: CsmConfig,
        take: Take,
        take_codec: Take,
        slots: int,
        device: torch.device,
        batch: int = 32,
        lengths: Sequence[int] = LENGTHS,
    ) -> None:
        self.codebooks = config.codebooks
        self.slots = slots
        self.positions = config.backbone.positions
        self.batch = batch
        self._config = config
        self._device = device
        self._sizes = (*(1 << power for power in range((batch - 1).bit_length())), batch)
        self._lengths = (*(length for length in sorted(lengths) if length < self.positions), self.positions)
        with torch.no_grad():
            self._backbone = Backbone(config, take)
            depth = DepthDecoder(config, take, self._backbone.audio_embedding)
            self._cache = SlotCache(config.backbone, slots, self._backbone.audio_embedding.dtype, device)
            self.frame = Frame(self._backbone, self._cache, depth, MimiDecoder(config.mimi, take_codec, slots))
            self._encoder = MimiEncoder(config.mimi, take_codec)
        self._lane: Lane = GpuLane(device) if device.type == "cuda" else CpuLane()
        self._runners: dict[int, Runner] = {}

    def warm_up(self) -> None:
        """Capture every graph and load every kernel, so that no call waits for it; some seconds on a GPU."""
        with self._lane.enter():
            for size in reversed(self._sizes):  # the largest first: the others fit into its memory
                for length in reversed(self._lengths):
                    self._runner(size).prepare(length)
        # Last, for a capture gives back what memory torch has at hand: so it has enough, whoever shares the GPU.
        self.encode(np.zeros(_TURN_S * HZ, np.float32))
        self._read(self._cache.scratch, 0, np.zeros((min(_CHUNK, self.positions), 1 + self.codebooks), np.int32))

    def prefill(self, slot: int, position: int, rows: Rows) -> None:
        """As of a FrameModel. All of these raise LocalProtocolError for a number out of range."""
        if len(rows):
            _check(np.array([slot]), 0, self.slots, "slot")
            _check(np.array([position, position + len(rows) - 1]), 0, self.positions, "position")
            self._check_rows(rows)
            self._read(slot, position, rows)

    def step(self, batch: Batch) -> Frames:
        """As of a FrameModel."""
        self._check_batch(batch)
        count = len(batch.slots)
        with self._lane.enter():
            runner = self._runner(next(size for size in self._sizes if size >= count))
            # With a row for each slot, each has its own and is read in place (see SlotCache.window).
            places = batch.slots if len(runner.inputs.slots) == self.slots else np.arange(count)
            runner.inputs.slots.fill_(self._cache.scratch)  # what is left in the other rows is of no account
            for field, tensor in zip(Inputs._fields, runner.inputs, strict=True):
                tensor.numpy()[places] = getattr(batch, field)
            codes, sound = runner.run(next(length for length in self._lengths if length > batch.positions.max()))
            return Frames(codes.numpy()[places], sound.numpy()[places])

    def copy(self, source: int, target: int, count: int) -> None:
        """As of a FrameModel."""
        _check(np.array([source, target]), 0, self.slots, "slot")
        _check(np.array([count]), 0, self.positions + 1, "count of rows")
        with self._lane.enter():
            self._cache.copy(source, target, count)

    def encode(self, sound: Samples) -> Codes:
        """As of a FrameModel."""
        if not len(sound):
            return np.zeros((0, self.codebooks), np.int32)
        with self._lane.enter():
            codes: Codes = self._encoder.encode(self._lane.bring(sound)).to(torch.int32).cpu().numpy()
            return codes

    def _read(self, slot: int, position: int, rows: Rows) -> None:
        end = position + len(rows)
        with self._lane.enter():
            slots = torch.full((1,), slot, device=self._device)
            positions = torch.arange(position, end, device=self._device)[None]
            length = min(-(-end // 8) * 8, self.positions)  # in eights, as memory-efficient attention wants its masks
            self._backbone.read(self._lane.bring(rows)[None], slots, positions, self._cache, length)
            self._lane.wait()  # the engine measures what reading takes, and plans by it

    def _runner(self, size: int) -> Runner:
        if size not in self._runners:
            self._runners[size] = self._lane.runner(self.frame, self._idle(size))
        return self._runners[size]

    def _idle(self, size: int) -> Inputs:
        return Inputs(
            slots=torch.full((size,), self._cache.scratch),
            positions=torch.zeros(size, dtype=torch.int64),
            rows=torch.zeros((size, 1 + self.codebooks), dtype=torch.int32),
            temperature=torch.ones(size),
            top_k=torch.ones(size, dtype=torch.int64),
            end_bias=torch.zeros(size),
            noise=torch.zeros((size, self.codebooks, RANKS)),
            fresh=torch.ones(size, dtype=torch.bool),
        )

    def _check_batch(self, batch: Batch) -> None:
        count = len(batch.slots)
        if not 0 < count <= self.batch or len(set(batch.slots.tolist())) < count:
            raise LocalProtocolError(f"a batch is of 1 to {self.batch} slots, each once")
        if batch.temperature.min() <= 0:
            raise LocalProtocolError("a temperature is more than 0")
        _check(batch.slots, 0, self.slots, "slot")
        _check(batch.positions, 0, self.positions, "position")
        _check(batch.top_k, 1, RANKS + 1, "top_k")
        self._check_rows(batch.rows)

    def _check_rows(self, rows: Rows) -> None:
        _check(rows[:, 0], TEXTLESS, self._config.text_vocabulary, "text token")
        _check(rows[:, 1:], 0, self._config.vocabulary, "code")


def _check(numbers: NDArray[Any], first: int, end: int, what: str) -> None:
    if numbers.min() < first or numbers.max() >= end:
        raise LocalProtocolError(f"a {what} is from {first} to {end - 1}, not {numbers.min()} or {numbers.max()}")
