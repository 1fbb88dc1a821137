"""What every engine of hearing must do, real or scripted."""

import asyncio
import wave

import numpy as np
import pytest

from client_caller.audio import mulaw
from client_caller.audio.resample import resample
from client_caller.errors import ModelUnavailable
from client_caller.hearing.moonshine import MoonshinePool
from client_caller.hearing.scripted import LoudnessActivity, ScriptedTranscriber, ScriptedTurnModel
from client_caller.hearing.silero import SileroModel
from client_caller.hearing.smart_turn import SmartTurn

real = pytest.mark.models


def hiss(seconds: float, hz: int, dbfs: float = -55.0) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 10 ** (dbfs / 20), round(seconds * hz)).astype(np.float32)


def windows(samples: np.ndarray) -> list[np.ndarray]:
    return list(samples[: len(samples) // 256 * 256].reshape(-1, 256))


@pytest.fixture(scope="module")
def human(request):
    """Six phrases of a human voice as the telephone carries it, 8 kHz."""
    path = request.getfixturevalue("models")("beckett.wav")
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        spoken = resample((pcm / 32_768).astype(np.float32), file.getframerate(), 8_000)
    return mulaw.decode(mulaw.encode(spoken))


@pytest.fixture(params=["loudness", pytest.param("silero", marks=real)])
def new_activity(request):
    """Makes the voice activity of one call."""
    if request.param == "loudness":
        return LoudnessActivity
    return SileroModel(request.getfixturevalue("models")("silero_vad.onnx")).for_call


@pytest.fixture(scope="module", params=["scripted", pytest.param("smart turn", marks=real)])
def turn_model(request):
    if request.param == "scripted":
        yield ScriptedTurnModel([0.2, 0.9])
        return
    model = SmartTurn(request.getfixturevalue("models")("smart-turn-v3.2-cpu.onnx"))
    yield model
    model.close()


@pytest.fixture(scope="module")
def moonshine(request):
    folder = request.getfixturevalue("models")("moonshine-tiny-en/encoder_model.ort").parent
    pool = MoonshinePool(folder, 2)
    yield pool
    pool.close()


@pytest.fixture(params=["scripted", pytest.param("moonshine", marks=real)])
def transcriber(request):
    if request.param == "scripted":
        return ScriptedTranscriber(["Ever tried"])
    return request.getfixturevalue("moonshine")


def test_hiss_is_no_voice(new_activity):
    activity = new_activity()
    assert max(activity.probability(window) for window in windows(hiss(5, 8_000))) < 0.35


@real
def test_a_human_voice_is_one(new_activity, human):
    activity = new_activity()
    voiced = [activity.probability(window) for window in windows(human[: 8_000 * 5])]
    assert all(0 <= p <= 1 for p in voiced)
    assert max(voiced) > 0.85


@real
def test_what_one_call_hears_does_not_reach_another(new_activity, human):
    alone, beside, other = new_activity(), new_activity(), new_activity()
    for window, noise in zip(windows(human[:40_000]), windows(hiss(5, 8_000, -20)), strict=False):
        other.probability(noise)
        assert alone.probability(window) == beside.probability(window)


@real
def test_a_reset_forgets_everything(new_activity, human):
    used, fresh = new_activity(), new_activity()
    for window in windows(human[:40_000]):
        used.probability(window)
    used.reset()
    assert [used.probability(w) for w in windows(human[:4_000])] == [
        fresh.probability(w) for w in windows(human[:4_000])
    ]


@pytest.mark.parametrize("seconds", [0.0, 0.01, 3.0, 20.0])
def test_a_turn_is_judged_whatever_its_length(turn_model, seconds):
    assert 0 <= asyncio.run(turn_model.p_done(hiss(seconds, 16_000))) <= 1


@real
def test_only_the_last_eight_seconds_count(request, human):
    model = SmartTurn(request.getfixturevalue("models")("smart-turn-v3.2-cpu.onnx"))
    recent = resample(human, 8_000, 16_000)[-8 * 16_000 :]
    longer = np.concatenate((hiss(5, 16_000, -20), recent))
    assert asyncio.run(model.p_done(longer)) == asyncio.run(model.p_done(recent))
    model.close()


@real
def test_a_pause_after_a_phrase_scores_above_a_cut_within_one(request, human):
    model = SmartTurn(request.getfixturevalue("models")("smart-turn-v3.2-cpu.onnx"))
    spoken = resample(human, 8_000, 16_000)

    def score(until_s: float) -> float:
        return asyncio.run(model.p_done(spoken[: round(until_s * 16_000)]))

    assert min(score(pause) for pause in (1.5, 3.25, 9.75)) > 0.9
    assert max(score(cut) for cut in (2.0, 3.75, 8.5)) < 0.1
    model.close()


@pytest.mark.parametrize("seconds", [0.0, 0.05, 2.0])
def test_silence_has_no_words(transcriber, seconds):
    assert asyncio.run(transcriber.transcribe(np.zeros(round(seconds * 16_000), np.float32))) == ""


@real
def test_a_human_phrase_is_understood(transcriber, human):
    text = asyncio.run(transcriber.transcribe(resample(human[: 8_000 * 2], 8_000, 16_000)))
    assert "ever tried" in text.lower()


@real
def test_many_clips_at_once_get_each_its_own_words(moonshine, human):
    clips = [resample(human[start : start + 12_000], 8_000, 16_000) for start in range(0, 60_000, 6_000)]

    async def one_by_one() -> list[str]:
        return [await moonshine.transcribe(clip) for clip in clips]

    async def at_once() -> list[str]:
        return await asyncio.gather(*(moonshine.transcribe(clip) for clip in clips))

    expected = asyncio.run(one_by_one())
    assert len(set(expected)) > 5
    for _ in range(2):
        assert asyncio.run(at_once()) == expected


@real
def test_cancelled_decodes_leave_the_pool_whole(moonshine, human):
    clip = resample(human[:16_000], 8_000, 16_000)

    async def main() -> str:
        jobs = [asyncio.ensure_future(moonshine.transcribe(clip)) for _ in range(6)]
        await asyncio.sleep(0)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        return await moonshine.transcribe(clip)

    assert "ever tried" in asyncio.run(main()).lower()


@pytest.mark.parametrize("load", [SileroModel, SmartTurn, lambda path: MoonshinePool(path, 1)])
def test_a_missing_model_is_named(load, tmp_path):
    with pytest.raises(ModelUnavailable, match="nowhere"):
        load(tmp_path / "nowhere")
