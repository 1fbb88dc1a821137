"""Mimi's encoder: from the sound of a turn to its codes.

In:   the sound of a whole turn, 24 kHz.     Out: its codes, 12.5 frames a second.
Rule: float32 throughout. A turn is there as a whole when it is encoded, so nothing is kept between calls.
"""

import math
from collections.abc import Callable

from torch import Tensor

from client_caller.speaking.csm.config import MimiConfig
from client_caller.speaking.csm.mimi_layers import Convolution, Residual, elu
from client_caller.speaking.csm.mimi_quantizer import MimiQuantizer
from client_caller.speaking.csm.mimi_transformer import MimiTransformer
from client_caller.speaking.csm.taking import Take


class MimiEncoder:
    """The encoder. take: gives float32."""

    def __init__(self, config: MimiConfig, take: Take) -> None:
        stride = config.frame_samples // math.prod(config.strides)
        self._seanet = _seanet(config, take)
        self._transformer = MimiTransformer(config, take, "codec_model.encoder_transformer")
        self._downsample = Convolution(
            take,
            "codec_model.downsample.conv",
            config.width,
            config.width,
            2 * stride,
            stride=stride,
            bias=False,
            edge="replicate",
        )
        self._quantizer = MimiQuantizer(config, take)

    def encode(self, sound: Tensor) -> Tensor:
        """The codes, (ceil(n / frame_samples), codebooks) int64, of sound, (n,) float32 with n > 0."""
        heard = sound[None, None]
        for layer in self._seanet:
            heard = layer(heard)
        heard = self._transformer(heard.transpose(1, 2)).transpose(1, 2)
        return self._quantizer.encode(self._downsample(heard)[0].T)


def _seanet(config: MimiConfig, take: Take) -> list[Callable[[Tensor], Tensor]]:
    """From sound to 25 Hz. The place of a layer in the list is its number in the checkpoint."""
    name = "codec_model.encoder.layers"
    channels = config.filters
    layers: list[Callable[[Tensor], Tensor]] = [Convolution(take, f"{name}.0.conv", 1, channels, config.kernel)]
    for stride in reversed(config.strides):
        for repeat in range(config.residual_layers):
            layers.append(Residual(config, take, f"{name}.{len(layers)}", channels, repeat))
        layers.append(elu)
        layers.append(
            Convolution(take, f"{name}.{len(layers)}.conv", channels, 2 * channels, 2 * stride, stride=stride)
        )
        channels *= 2
    layers.append(elu)
    layers.append(Convolution(take, f"{name}.{len(layers)}.conv", channels, config.width, config.last_kernel))
    return layers
