"""Mimi's decoder: from the codes of a frame to its 80 ms of sound, for many streams at once.

In:   one frame's codes of each stream.     Out: the sound that decoding the whole of each stream would give for it.
Rule: float32 throughout. Streams begin, end and change slots independently; what one sounds like does not depend on who
      shares its batch. A step can be captured in a CUDA graph.

Chunks decoded one by one, without what is kept here, click at every seam.
"""

import math
from collections.abc import Callable

from torch import Tensor

from client_caller.speaking.csm.config import MimiConfig
from client_caller.speaking.csm.mimi_layers import Convolution, Residual, Streams, TransposedConvolution, elu
from client_caller.speaking.csm.mimi_quantizer import MimiQuantizer
from client_caller.speaking.csm.mimi_transformer import MimiTransformer
from client_caller.speaking.csm.taking import Take


class MimiDecoder:
    """The decoder and what it keeps of its streams.

    take: gives float32;  slots: streams it can hold. Slot number `slots` is one more, with which batches are padded.
    """

    def __init__(self, config: MimiConfig, take: Take, slots: int) -> None:
        self._blank = slots + 1
        self._quantizer = MimiQuantizer(config, take)
        self._upsample = TransposedConvolution(
            take,
            "codec_model.upsample.conv",
            config.width,
            config.width,
            stride=config.frame_samples // math.prod(config.strides),
            groups=config.upsample_groups,
            bias=False,
            slots=slots,
        )
        self._transformer = MimiTransformer(config, take, "codec_model.decoder_transformer", slots)
        self._seanet = _seanet(config, take, slots)

    def step(self, slots: Tensor, codes: Tensor, fresh: Tensor) -> Tensor:
        """The next frame of each stream: (B, frame_samples) float32.

        slots: (B,) int64, none twice but the padding slot;  codes: (B, codebooks) int64, each in [0, config.codes);
        fresh: (B,) bool, whether the stream begins with this frame.
        """
        streams = Streams(slots, slots.masked_fill(fresh, self._blank))
        sound = self._upsample(self._quantizer.decode(codes).unsqueeze(-1), streams)
        sound = self._transformer(sound.transpose(1, 2), streams).transpose(1, 2)
        for layer in self._seanet:
            sound = layer(sound, streams)
        return sound.squeeze(1)


def _seanet(config: MimiConfig, take: Take, slots: int) -> list[Callable[[Tensor, Streams], Tensor]]:
    """From 25 Hz to sound. The place of a layer in the list is its number in the checkpoint."""
    name = "codec_model.decoder.layers"
    channels = config.filters * 2 ** len(config.strides)
    layers: list[Callable[[Tensor, Streams], Tensor]] = [
        Convolution(take, f"{name}.0.conv", config.width, channels, config.kernel, slots=slots)
    ]
    for stride in config.strides:
        layers.append(elu)
        layers.append(
            TransposedConvolution(
                take, f"{name}.{len(layers)}.conv", channels, channels // 2, stride=stride, slots=slots
            )
        )
        channels //= 2
        for repeat in range(config.residual_layers):
            layers.append(Residual(config, take, f"{name}.{len(layers)}", channels, repeat, slots=slots))
    layers.append(elu)
    layers.append(Convolution(take, f"{name}.{len(layers)}.conv", channels, 1, config.last_kernel, slots=slots))
    return layers
