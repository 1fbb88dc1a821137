"""One frame for each slot of a batch: what a CUDA graph holds.

In:   a batch as tensors on the device.     Out: codes and sound, on the device.
Rule: nothing here waits for the device, reads a number from it or copies to it, and all shapes follow from those of the
      batch and from `length`. So what was captured once can be replayed with other numbers.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from client_caller.speaking.csm.backbone import Backbone
from client_caller.speaking.csm.cache import SlotCache
from client_caller.speaking.csm.depth import DepthDecoder
from client_caller.speaking.csm.sampler import Sampler


class Inputs(NamedTuple):
    """`protocol.Batch` as tensors; the fields are the same."""

    slots: Tensor
    positions: Tensor
    rows: Tensor
    temperature: Tensor
    top_k: Tensor
    end_bias: Tensor
    noise: Tensor
    fresh: Tensor


class Outputs(NamedTuple):
    """`protocol.Frames` as tensors, and the logits from which the first codes were drawn, (B, codes) float32."""

    codes: Tensor
    sound: Tensor
    logits: Tensor


class Decoder(Protocol):
    """Codes to sound, a frame at a time; a stream of sound for each slot."""

    def step(self, slots: Tensor, codes: Tensor, fresh: Tensor) -> Tensor:
        """The sound, (B, FRAME_SAMPLES) float32, of codes (B, codebooks) int64 for `slots`, (B,); fresh as in Batch."""


class Frame:
    """The model's parts, in the order in which they make a frame."""

    def __init__(self, backbone: Backbone, cache: SlotCache, depth: DepthDecoder, decoder: Decoder) -> None:
        self._backbone = backbone
        self._cache = cache
        self._depth = depth
        self._decoder = decoder

    def __call__(self, inputs: Inputs, length: int) -> Outputs:
        """Put each row in and make the frame that follows it. length: more than any of the positions."""
        rows, positions = inputs.rows[:, None], inputs.positions[:, None]
        read = self._backbone.read(rows, inputs.slots, positions, self._cache, length)
        state = self._backbone.state(read[:, 0])
        logits = self._backbone.logits(state)
        logits[:, 0].add_(inputs.end_bias)
        draw = Sampler(inputs.temperature, inputs.top_k, inputs.noise).draw
        codes = self._depth.codes(state, draw(0, logits), draw)
        return Outputs(codes.to(torch.int32), self._decoder.step(inputs.slots, codes, inputs.fresh), logits)
