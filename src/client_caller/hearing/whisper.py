"""Whisper, by CTranslate2: the caller's words, on a GPU in this process.

In:   samples at 16 kHz, one stretch of speech.     Out: its words.
Rule: one attempt. Whatever makes decoding longer or less certain (beams, higher temperatures, timestamps, words of the
      stretch before, guessing the language) is off; what the decoder itself doubts counts as nothing heard.

The encoder always sees 30 seconds, so a batch costs little more than one stretch: what waits is decoded together.
Source of options and layouts: faster-whisper 1.2.1 (MIT), `WhisperModel.transcribe`, which finds the same words; OpenAI
Whisper, `decoding.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from client_caller.audio.frame import Samples
from client_caller.audio.levels import at_level
from client_caller.errors import EngineCrashed, ModelUnavailable
from client_caller.hearing.batches import Batches
from client_caller.hearing.plausible import LEVEL_DBFS, believed, doubted, holds_voice
from client_caller.settings import HearingSettings

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_ENGINE: Final = "transcriber"
_HZ: Final = 16_000
_SEEN_S: Final = 30
_NEW_TOKENS: Final = 96
"""About 70 words, more than anybody says in the ten seconds that are decoded at once."""

_AT_MOST: Final = 16
"""Stretches in a batch."""


class WhisperBatches:
    """One model; calls that wait share a batch.

    language: of the callers, e.g. "en";  hints: words they may say.
    Raises ModelUnavailable when faster-whisper or the model is missing or cannot run on the device.
    """

    def __init__(self, settings: HearingSettings, language: str, hints: Sequence[str] = ()) -> None:
        self._model = _load(settings)
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        multilingual = self._model.model.is_multilingual
        self._tokenizer = Tokenizer(self._model.hf_tokenizer, multilingual, task="transcribe", language=language)
        hotwords = ", ".join(hints) or None
        self._prompt = self._model.get_prompt(self._tokenizer, [], without_timestamps=True, hotwords=hotwords)
        # CTranslate2 gives the new tokens what the prompt leaves of this length, but no more than half of it.
        self._length = max(len(self._prompt) + _NEW_TOKENS, 2 * _NEW_TOKENS)
        self._suppressed = get_suppressed_tokens(self._tokenizer, [-1])
        self._batches = Batches(_ENGINE, self._decode, _AT_MOST)

    async def transcribe(self, samples: Samples) -> str:
        """The words in `samples` (shape (n,), 16 kHz, [-1, 1]), or "" when there are none. Raises EngineError.

        Of more than 30 s only the last count.
        """
        if not holds_voice(samples, _HZ):
            return ""
        return await self._batches.run(samples[-_SEEN_S * _HZ :])

    def close(self) -> None:
        """End the worker."""
        self._batches.close()

    def _decode(self, stretches: list[Samples]) -> list[str]:
        pictures = np.stack([self._picture(samples) for samples in stretches])
        try:
            found = self._model.model.generate(
                self._model.encode(pictures),
                [self._prompt] * len(stretches),
                beam_size=1,
                max_length=self._length,
                return_scores=True,
                return_no_speech_prob=True,
                suppress_tokens=self._suppressed,
            )
        except (RuntimeError, ValueError) as broken:
            raise EngineCrashed(_ENGINE, str(broken)) from broken
        return [self._words(result) for result in found]

    def _picture(self, samples: Samples) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Log-mel features of shape (80 or 128, 3000), 0 where there is no sound; the last column is padding."""
        from faster_whisper.audio import pad_or_trim

        picture: np.ndarray[Any, np.dtype[np.float32]] = pad_or_trim(
            self._model.feature_extractor(at_level(samples, LEVEL_DBFS))[:, :-1]
        )
        return picture

    def _words(self, result: Any) -> str:
        tokens: list[int] = result.sequences_ids[0]
        # CTranslate2's score is the mean over the tokens without the one that ends them; Whisper's counts that, too.
        log_probability = result.scores[0] * len(tokens) / (len(tokens) + 1)
        if doubted(result.no_speech_prob, log_probability):
            return ""
        return believed(self._tokenizer.decode(tokens))


def _load(settings: HearingSettings) -> "WhisperModel":
    try:
        from faster_whisper import WhisperModel
    except ImportError as missing:
        raise ModelUnavailable(
            "CLIENT_CALLER_HEARING__ENGINE is whisper, which is not installed: pip install client-caller[whisper]"
        ) from missing
    folder = Path(settings.whisper_model).expanduser()
    if folder.is_dir() and not (folder / "tokenizer.json").is_file():
        # faster-whisper would fetch a tokenizer from the network, which need not be this model's.
        raise ModelUnavailable(f"{folder} holds no tokenizer.json: correct CLIENT_CALLER_HEARING__WHISPER_MODEL")
    try:
        return WhisperModel(
            str(folder) if folder.is_dir() else settings.whisper_model,
            device=settings.whisper_device,
            compute_type=settings.whisper_compute,
            cpu_threads=settings.workers,
        )
    except (OSError, ValueError, RuntimeError) as broken:
        raise ModelUnavailable(
            f"the {_ENGINE} cannot be loaded from {settings.whisper_model}: {broken}\n"
            "CLIENT_CALLER_HEARING__WHISPER_MODEL is a folder or a name to download, __WHISPER_DEVICE and "
            "__WHISPER_COMPUTE say where and how it runs"
        ) from broken
