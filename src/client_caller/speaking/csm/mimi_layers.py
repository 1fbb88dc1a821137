"""Mimi's convolutions, for many streams of sound a frame at a time, or for one sound that is there as a whole.

In:   (B, channels, T), and whose streams they are.     Out: what the layer would give for the whole of each stream.
Rule: what a stream needs of its past is kept in a row for each slot, and is read and written by index alone. Shapes are
      static and nothing is asked of the device, so that a CUDA graph can hold a step.

Sources: transformers' `models/mimi` for the arithmetic, Kyutai's moshi (`modules/conv.py`) for what a stream must keep.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from client_caller.speaking.csm.config import MimiConfig
from client_caller.speaking.csm.taking import Take


@dataclass(frozen=True, slots=True)
class Streams:
    """Whose frames a batch holds.

    slots: (B,) int64, the row of each stream in what is kept; no row twice but the one that is there for padding;
    before: (B,) int64, the row that holds its past: the same, or the last, which is zero, for a stream that begins.
    """

    slots: Tensor
    before: Tensor

    def recall(self, kept: Tensor) -> Tensor:
        """The past of these streams: (B, …) of (rows, …)."""
        return kept.index_select(0, self.before)

    def keep(self, kept: Tensor, rows: Tensor) -> None:
        """Overwrite the rows of these streams."""
        kept.index_copy_(0, self.slots, rows)


def rows(slots: int) -> int:
    """How many rows layers keep for so many streams: one more, which padding writes to, and one that stays zero.

    None if all sound is whole.
    """
    return slots + 2 if slots else 0


def elu(sound: Tensor, streams: Streams | None = None) -> Tensor:
    """The activation between convolutions. It needs no past."""
    return functional.elu(sound)


class Convolution:
    """A convolution that sees no future.

    name: of its tensors;  edge: what a whole sound is padded with;  slots: streams it can serve.
    """

    def __init__(
        self,
        take: Take,
        name: str,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
        edge: Literal["constant", "replicate"] = "constant",
        slots: int = 0,
    ) -> None:
        self._weight = take(f"{name}.weight", (outputs, inputs, kernel))
        self._bias = take(f"{name}.bias", (outputs,)) if bias else None
        self._stride = stride
        self._dilation = dilation
        self._edge = edge
        self._reach = (kernel - 1) * dilation + 1 - stride
        self._last = self._weight.new_zeros(rows(slots), inputs, self._reach)

    def __call__(self, sound: Tensor, streams: Streams | None = None) -> Tensor:
        """(B, outputs, ceil(T / stride)) of (B, inputs, T).

        Without streams the sound is there as a whole: nothing came before it, and nothing is kept of it. Of streams, T
        must be a multiple of the stride.
        """
        if streams is None:
            rest = -sound.shape[-1] % self._stride
            sound = functional.pad(sound, (self._reach, rest), mode=self._edge)
        elif self._reach:
            sound = torch.cat((streams.recall(self._last), sound), dim=-1)
            streams.keep(self._last, sound[..., -self._reach :])
        return functional.conv1d(sound, self._weight, self._bias, self._stride, dilation=self._dilation)


class TransposedConvolution:
    """A convolution that raises the rate by `stride`. What reaches beyond a frame is added to the stream's next."""

    def __init__(
        self,
        take: Take,
        name: str,
        inputs: int,
        outputs: int,
        *,
        stride: int,
        slots: int,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        kernel = 2 * stride
        self._weight = take(f"{name}.weight", (inputs, outputs // groups, kernel))
        self._bias = take(f"{name}.bias", (outputs,)).unsqueeze(-1) if bias else None
        self._stride = stride
        self._groups = groups
        self._overlap = kernel - stride
        self._tail = self._weight.new_zeros(rows(slots), outputs, self._overlap)

    def __call__(self, sound: Tensor, streams: Streams) -> Tensor:
        """(B, outputs, T * stride) of (B, inputs, T)."""
        length = sound.shape[-1] * self._stride
        spread = functional.conv_transpose1d(sound, self._weight, stride=self._stride, groups=self._groups)
        spread[..., : self._overlap].add_(streams.recall(self._tail))
        streams.keep(self._tail, spread[..., length:])
        sound = spread[..., :length]
        # not given to the convolution above: the tail would carry it into the next frame a second time
        return sound if self._bias is None else sound + self._bias


class Residual:
    """Two convolutions beside a straight way through. repeat: which of those that follow on each other it is."""

    def __init__(self, config: MimiConfig, take: Take, name: str, width: int, repeat: int, *, slots: int = 0) -> None:
        inner, kernel, dilation = width // config.compress, config.residual_kernel, config.dilation**repeat
        self._narrow = Convolution(take, f"{name}.block.1.conv", width, inner, kernel, dilation=dilation, slots=slots)
        self._widen = Convolution(take, f"{name}.block.3.conv", inner, width, 1, slots=slots)

    def __call__(self, sound: Tensor, streams: Streams | None = None) -> Tensor:
        """(B, width, T) of the same."""
        inner = self._narrow(functional.elu(sound), streams)
        return sound + self._widen(functional.elu(inner), streams)
