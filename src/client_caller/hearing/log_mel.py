"""The picture of sound that Whisper's encoders look at: its loudness by pitch and time.

In:   samples at 16 kHz.     Out: log-mel features, 80 bins, one column per 10 ms.
Rule: arithmetic only.

Source: OpenAI Whisper, `audio.log_mel_spectrogram` (periodic Hann window of 400 samples, hop 160, reflected edges, last
column dropped, floor eight decades below the loudest, scaled by (x + 4) / 4), with the mel filters of librosa
(Slaney's scale and area normalisation).
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from client_caller.audio.frame import Samples

HZ: Final = 16_000
_FFT: Final = 400  # 25 ms
_HOP: Final = 160  # 10 ms
_BINS: Final = 80
_WINDOW: Final = np.hanning(_FFT + 1)[:-1]


def _mel_edges_hz() -> NDArray[np.float64]:
    """Corners of the filters, evenly spaced on Slaney's scale: 200/3 Hz a mel to 1 kHz, then 27 mels per factor 6.4."""
    knee_hz, knee = 1_000.0, 15.0
    per_mel = np.log(6.4) / 27
    top = knee + np.log(HZ / 2 / knee_hz) / per_mel
    mels = np.linspace(0, top, _BINS + 2)
    return np.where(mels < knee, mels * 200 / 3, knee_hz * np.exp(per_mel * np.maximum(mels - knee, 0)))


def _filters() -> NDArray[np.float64]:
    """Triangles of area one over the spectrum's bins, shape (80, 201)."""
    edges = _mel_edges_hz()[:, None]
    pitches = np.linspace(0, HZ / 2, _FFT // 2 + 1)[None, :]
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((pitches - low) / (peak - low), (high - pitches) / (high - peak))
    return np.maximum(triangles, 0) * 2 / (high - low)


_FILTER, _BIN = np.nonzero(_filters())
_WEIGHT: Final = _filters()[_FILTER, _BIN]
_STARTS: Final = np.searchsorted(_FILTER, np.arange(_BINS))
"""Each filter covers a few neighbouring bins of the spectrum; they stand here one filter after the other. The product
with the whole matrix, nearly all zeros, would wake the threads of NumPy's linear algebra, which then wait spinning:
several times the processor time of the rest."""


def log_mel(samples: Samples) -> NDArray[np.float32]:
    """Features of shape (80, n // 160) for n samples, n >= 201."""
    padded = np.pad(samples.astype(np.float64), _FFT // 2, mode="reflect")
    windows = sliding_window_view(padded, _FFT)[:-_HOP:_HOP] * _WINDOW
    spectrum = np.fft.rfft(windows, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    loudness = np.log10(np.maximum(np.add.reduceat(power[:, _BIN] * _WEIGHT, _STARTS, axis=1).T, 1e-10))
    loudness = np.maximum(loudness, loudness.max() - 8)
    scaled: NDArray[np.float32] = ((loudness + 4) / 4).astype(np.float32)
    return scaled
