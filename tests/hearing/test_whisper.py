"""Whisper in batches, proved against faster-whisper itself on models of random weights."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import WhisperModel

from client_caller.audio.levels import at_level
from client_caller.errors import EngineCrashed, ModelUnavailable
from client_caller.hearing.plausible import LEVEL_DBFS
from client_caller.hearing.whisper import WhisperBatches
from client_caller.settings import HearingSettings
from tiny_whisper import make_tiny_whisper, sounds

HINTS = ("Brightline", "Anna Kovač")
SOUNDS = sounds(6)
MAKES = [(80, 7), (128, 5)]
"""Mel bins, as of Whisper up to large-v2 and from large-v3 on, and a seed that gives a talkative model."""

Find = Callable[..., list[str]]


def settings(folder: Path, **changes: str) -> HearingSettings:
    defaults = {"whisper_device": "cpu", "whisper_compute": "float32"}
    return HearingSettings(whisper_model=str(folder), workers=1, **{**defaults, **changes})


@pytest.fixture(scope="module", params=MAKES, ids=["80 mels", "128 mels"])
def folder(request, tmp_path_factory) -> Path:
    mels, seed = request.param
    return make_tiny_whisper(tmp_path_factory.mktemp("whisper") / "tiny", mels, seed)


@contextmanager
def opened(folder: Path, language: str = "en", hints: tuple[str, ...] = ()) -> Iterator[WhisperBatches]:
    engine = WhisperBatches(settings(folder), language, hints)
    try:
        yield engine
    finally:
        engine.close()


def one_by_one(engine: WhisperBatches, stretches: list[np.ndarray] = SOUNDS) -> list[str]:
    async def main() -> list[str]:
        return [await engine.transcribe(samples) for samples in stretches]

    return asyncio.run(main())


@pytest.fixture(scope="module")
def found(folder) -> Find:
    """What we find in the sounds, one by one, given a language and hints; found once."""

    @cache
    def find(language: str = "en", hints: tuple[str, ...] = ()) -> list[str]:
        with opened(folder, language, hints) as engine:
            return one_by_one(engine)

    return find


def by_faster_whisper(folder: Path, language: str, hints: tuple[str, ...]) -> list[str]:
    """What the library finds in the same sounds, when told to work as we do."""
    model = WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=1)
    prompt_tokens = 4 + (2 + len(", ".join(hints).encode()) if hints else 0)  # a byte is a token
    texts = []
    for samples in SOUNDS:
        segments, _ = model.transcribe(
            at_level(samples, LEVEL_DBFS),
            language=language,
            beam_size=1,
            temperature=0.0,
            compression_ratio_threshold=None,
            log_prob_threshold=None,
            no_speech_threshold=None,
            condition_on_previous_text=False,
            without_timestamps=True,
            hotwords=", ".join(hints) or None,
            max_new_tokens=192 - prompt_tokens,  # of these 192 CTranslate2 gives new tokens half
        )
        texts.append("".join(segment.text for segment in segments).strip())
    return texts


def test_calls_that_share_a_batch_get_what_each_would_get_alone(folder, found):
    async def main(engine: WhisperBatches) -> list[str]:
        return await asyncio.gather(*map(engine.transcribe, SOUNDS))

    assert len(set(found())) == len(SOUNDS)
    with opened(folder) as engine:
        assert asyncio.run(main(engine)) == found()


@pytest.mark.parametrize(("language", "hints"), [("en", ()), ("de", ()), ("en", HINTS)])
def test_the_words_are_those_that_faster_whisper_finds(folder, found, language, hints):
    assert found(language, hints) == by_faster_whisper(folder, language, hints)


def test_language_and_hints_reach_the_model(found):
    assert found("en") != found("de")
    assert found("en") != found("en", HINTS)


def test_of_a_long_stretch_the_last_thirty_seconds_count(folder):
    recent = np.concatenate([np.zeros(480_000 - 16_000, np.float32), SOUNDS[3]])
    longer = np.concatenate([SOUNDS[5], recent])
    with opened(folder) as engine:
        first, second = one_by_one(engine, [recent, longer])
    assert first == second != ""


def test_silence_and_hiss_are_not_decoded_at_all(folder):
    with opened(folder) as engine:
        engine.close()
    hiss = np.random.default_rng(1).normal(0, 0.05, 32_000).astype(np.float32)
    assert one_by_one(engine, [np.zeros(32_000, np.float32), hiss]) == ["", ""]


@pytest.mark.parametrize("made", [{"mute": True}, {"sure": 0.1}], ids=["no speech", "unsure"])
def test_what_the_decoder_doubts_is_nothing_heard(tmp_path, made):
    with opened(make_tiny_whisper(tmp_path / "tiny", seed=7, **made)) as engine:
        assert one_by_one(engine, SOUNDS[:2]) == ["", ""]


def test_a_decoder_that_breaks_is_an_engine_error_each_time(tmp_path):
    folder = make_tiny_whisper(tmp_path / "tiny", mels=128)
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80}))
    with opened(folder) as engine:
        for _ in range(2):
            with pytest.raises(EngineCrashed, match=r"transcriber: Invalid input features shape"):
                one_by_one(engine)


def test_without_the_package_the_operator_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(ModelUnavailable, match=r"pip install client-caller\[whisper\]"):
        WhisperBatches(settings(tmp_path), "en")


@pytest.mark.parametrize("model", ["no-such-model", "/no/such/folder"])
def test_a_model_that_cannot_be_had_is_named_with_the_setting(model):
    with pytest.raises(ModelUnavailable, match=rf"{model}(.|\n)*CLIENT_CALLER_HEARING__WHISPER_MODEL"):
        WhisperBatches(settings(Path(model)), "en")


def test_a_folder_without_its_tokenizer_is_refused_before_another_is_fetched(tmp_path):
    folder = make_tiny_whisper(tmp_path / "tiny")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json: correct CLIENT_CALLER_HEARING__WHISPER_MODEL"):
        WhisperBatches(settings(folder), "en")
