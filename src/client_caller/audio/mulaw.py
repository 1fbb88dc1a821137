"""G.711 mu-law, the eight bits in which a telephone line carries a sample.

In:   linear samples, float32 in [-1, 1].     Out: bytes, one a sample; and back.
Rule: both directions are table look-ups, for they run on every frame of every call.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import Samples

SILENCE: Final = 0xFF
"""The byte of a zero sample."""


def _decode_table() -> NDArray[np.int16]:
    """Linear value of each byte. Source: ITU-T G.711 table 2, in the 16-bit form (bias 33, shifted left by two)."""
    code = ~np.arange(256, dtype=np.uint8) & 0xFF
    segment = (code >> 4).astype(np.int32) & 0x07
    step = code.astype(np.int32) & 0x0F
    magnitude = (((step << 3) + 0x84) << segment) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _encode_table() -> NDArray[np.uint8]:
    """Byte of each int16, indexed by its bits as uint16. Source: G.711 in 14 bits, clipped at 8158, bias 33."""
    linear = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 2
    magnitude = np.minimum(np.abs(linear), 8_158) + 33
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    table: NDArray[np.uint8] = (code ^ np.where(linear < 0, 0x7F, 0xFF)).astype(np.uint8)
    return table


_PCM: Final[NDArray[np.int16]] = _decode_table()
_LINEAR: Final[Samples] = (_PCM / 32_768).astype(np.float32)
_CODE: Final[NDArray[np.uint8]] = _encode_table()


def decode(mulaw: bytes | bytearray) -> Samples:
    """Expand mu-law bytes to samples, shape (len(mulaw),)."""
    samples: Samples = _LINEAR.take(np.frombuffer(mulaw, np.uint8))
    return samples


def decode_pcm(mulaw: bytes | bytearray) -> NDArray[np.int16]:
    """The same as 16-bit PCM: what `decode` gives, times 32,768."""
    pcm: NDArray[np.int16] = _PCM.take(np.frombuffer(mulaw, np.uint8))
    return pcm


def encode(samples: Samples) -> bytes:
    """Compress samples, clipped to [-1, 1], to one byte each; a zero sample becomes 0xFF."""
    pcm = np.clip(np.rint(samples * np.float32(32_768)), -32_768, 32_767).astype(np.int16)
    mulaw: bytes = _CODE[pcm.view(np.uint16)].tobytes()
    return mulaw


def faded_out(mulaw: bytes) -> bytes:
    """The same sound, falling to nothing at its end."""
    return encode(decode(mulaw) * np.linspace(1, 0, len(mulaw), dtype=np.float32))
