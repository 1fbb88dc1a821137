"""What every engine of hearing must do, real or scripted."""

import asyncio
import wave
from contextlib import asynccontextmanager

import numpy as np
import pytest

from client_caller.audio import mulaw
from client_caller.audio.levels import at_level
from client_caller.audio.resample import resample
from client_caller.errors import EngineError, ModelUnavailable
from client_caller.hearing.level_activity import LevelActivity
from client_caller.hearing.moonshine import MoonshinePool
from client_caller.hearing.protocols import VoiceActivity
from client_caller.hearing.scripted import LoudnessActivity, ScriptedTranscriber, ScriptedTurnModel
from client_caller.hearing.silero import SileroModel
from client_caller.hearing.smart_turn import SmartTurn
from client_caller.hearing.transcription_server import TranscriptionServer
from client_caller.hearing.whisper import WhisperBatches
from client_caller.settings import HearingSettings
from client_caller.sturdy import SturdyTranscriber, SturdyTurnModel, sturdy_activity
from tiny_whisper import make_tiny_whisper, sounds
from transcription_stand_in import standing_in

real = pytest.mark.models


def hiss(seconds: float, hz: int, dbfs: float = -55.0) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 10 ** (dbfs / 20), round(seconds * hz)).astype(np.float32)


def windows(samples: np.ndarray) -> list[np.ndarray]:
    return list(samples[: len(samples) // 256 * 256].reshape(-1, 256))


def over_the_telephone(spoken: np.ndarray) -> np.ndarray:
    return mulaw.decode(mulaw.encode(spoken))


@pytest.fixture(scope="module")
def spoken(request):
    """Six phrases of a human voice, 8 kHz."""
    path = request.getfixturevalue("models")("beckett.wav")
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return resample((pcm / 32_768).astype(np.float32), file.getframerate(), 8_000)


@pytest.fixture(scope="module")
def human(spoken):
    """The same as the telephone carries it."""
    return over_the_telephone(spoken)


@pytest.fixture(
    params=[
        "loudness",
        "level",
        "sturdy",
        pytest.param("silero", marks=real),
        pytest.param("sturdy silero", marks=real),
    ]
)
def new_activity(request):
    """Makes the voice activity of one call."""
    simple = {
        "loudness": LoudnessActivity,
        "level": LevelActivity,
        "sturdy": sturdy_activity(LoudnessActivity),
    }
    if request.param in simple:
        return simple[request.param]
    silero = SileroModel(request.getfixturevalue("models")("silero_vad.onnx"))
    return sturdy_activity(silero.for_call) if request.param == "sturdy silero" else silero.for_call


@pytest.fixture(scope="module", params=["scripted", "sturdy", pytest.param("smart turn", marks=real)])
def turn_model(request):
    if request.param in {"scripted", "sturdy"}:
        scripted = ScriptedTurnModel([0.2, 0.9])
        yield SturdyTurnModel(scripted) if request.param == "sturdy" else scripted
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


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    folder = make_tiny_whisper(tmp_path_factory.mktemp("whisper") / "tiny", seed=7)
    settings = HearingSettings(whisper_model=str(folder), whisper_device="cpu", whisper_compute="float32", workers=1)
    engine = WhisperBatches(settings, "en")
    yield engine
    engine.close()


@pytest.fixture(params=["scripted", "sturdy", "whisper", "server", pytest.param("moonshine", marks=real)])
def transcribing(request):
    """Gives a transcriber for as long as one event loop runs."""
    engine = None if request.param in {"scripted", "sturdy", "server"} else request.getfixturevalue(request.param)

    @asynccontextmanager
    async def opened():
        if request.param == "server":
            with standing_in() as stand_in:
                client = TranscriptionServer(HearingSettings(server_url=stand_in.url, server_within_s=20), "en")
                yield client
                await client.close()
        else:
            scripted = ScriptedTranscriber(f"phrase {number}" for number in range(20))
            yield SturdyTranscriber([scripted], 2.0) if request.param == "sturdy" else engine or scripted

    return opened


@pytest.fixture
def phrases(request):
    """Sixteen stretches, each with something else in it: human for Moonshine, tones for the others."""
    if "moonshine" not in request.node.name:
        return sounds(16)
    human = resample(request.getfixturevalue("human"), 8_000, 16_000)
    return [human[start : start + 16_000] for start in range(0, 8_000 * 16, 8_000)]


async def voice_in(activity: VoiceActivity, samples: np.ndarray) -> list[float]:
    """The probabilities, window by window."""
    return [await activity.probability(window) for window in windows(samples)]


def test_hiss_is_no_voice(new_activity):
    assert max(asyncio.run(voice_in(new_activity(), hiss(5, 8_000)))) < 0.35


@real
def test_a_human_voice_is_one(new_activity, human):
    voiced = asyncio.run(voice_in(new_activity(), human[: 8_000 * 5]))
    assert all(0 <= p <= 1 for p in voiced)
    assert max(voiced) >= 0.8


@real
def test_what_one_call_hears_does_not_reach_another(new_activity, human):
    async def side_by_side() -> list[list[float]]:
        heard = (human[:40_000], hiss(3, 8_000, -20), human[40_000:80_000])  # one of them ends before the others
        return await asyncio.gather(*(voice_in(new_activity(), samples) for samples in heard))

    first, _, last = asyncio.run(side_by_side())
    assert first == asyncio.run(voice_in(new_activity(), human[:40_000]))
    assert last == asyncio.run(voice_in(new_activity(), human[40_000:80_000]))


def test_a_cancelled_question_harms_neither_its_call_nor_another(new_activity):
    async def with_one_cancelled(activity: VoiceActivity, other: VoiceActivity) -> list[float]:
        beside = asyncio.ensure_future(voice_in(other, hiss(1, 8_000)))
        given_up = asyncio.ensure_future(activity.probability(np.full(256, 0.5, np.float32)))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        return [await activity.probability(windows(hiss(1, 8_000))[0]), *await beside]

    told = asyncio.run(with_one_cancelled(new_activity(), new_activity()))
    expected = asyncio.run(voice_in(new_activity(), hiss(1, 8_000)))
    assert told == [expected[0], *expected]


@real
def test_a_reset_forgets_everything(new_activity, human):
    async def main() -> None:
        used, fresh = new_activity(), new_activity()
        await voice_in(used, human[:40_000])
        used.reset()
        assert await voice_in(used, human[:4_000]) == await voice_in(fresh, human[:4_000])

    asyncio.run(main())


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

    # No bounds on the scores themselves: arithmetic in eight bits differs between processors, a score by up to 0.15.
    pauses, cuts = [score(at) for at in (1.5, 3.25, 9.75)], [score(at) for at in (2.0, 3.75, 8.5)]
    assert min(pauses) > max(cuts) + 0.5
    model.close()


def words(transcribing, samples: np.ndarray) -> str:
    async def main() -> str:
        async with transcribing() as transcriber:
            return await transcriber.transcribe(samples)

    return asyncio.run(main())


@pytest.mark.parametrize("seconds", [0.0, 0.05, 2.0])
def test_silence_has_no_words(transcribing, seconds):
    assert words(transcribing, np.zeros(round(seconds * 16_000), np.float32)) == ""


ODDITIES = {
    "noise at full scale": hiss(2, 16_000, 0),
    "a click": np.eye(1, 16_000, 8_000, dtype=np.float32)[0],
    "a square wave": np.sign(np.sin(np.arange(16_000) / 20)).astype(np.float32),
    "not a number": np.full(16_000, np.nan, np.float32),
    "a snatch": sounds(1)[0][-1_700:],
    "beyond full scale": 20 * sounds(1)[0],
    "half a minute and more": np.tile(sounds(1)[0], 32),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_whatever_the_sound_there_is_text_or_an_engine_error(transcribing, oddity):
    try:
        text = words(transcribing, ODDITIES[oddity])
    except EngineError:
        return
    assert text == " ".join(text.split())


def test_calls_at_once_get_each_its_own_words_though_some_hang_up(transcribing, phrases):
    async def alone() -> list[str]:
        async with transcribing() as transcriber:
            return [await transcriber.transcribe(phrase) for phrase in phrases]

    async def at_once(given_up: range) -> list[object]:
        async with transcribing() as transcriber:
            jobs = [asyncio.ensure_future(transcriber.transcribe(phrase)) for phrase in phrases]
            await asyncio.sleep(0)
            for job in jobs[given_up.start : given_up.stop : given_up.step]:
                job.cancel()
            return await asyncio.gather(*jobs, return_exceptions=True)

    expected = asyncio.run(alone())
    assert len(set(expected)) > 12
    for given_up in (range(0), range(0, 16, 2), range(14), range(0)):
        outcomes = asyncio.run(at_once(given_up))
        for number, (outcome, own) in enumerate(zip(outcomes, expected, strict=True)):
            assert isinstance(outcome, asyncio.CancelledError) if number in given_up else outcome == own


@real
def test_a_human_phrase_is_understood(moonshine, human):
    text = asyncio.run(moonshine.transcribe(resample(human[: 8_000 * 2], 8_000, 16_000)))
    assert "ever tried" in text.lower()


@real
@pytest.mark.parametrize("dbfs", [-20, -40, -60])
def test_a_quiet_caller_is_understood_as_a_loud_one_is(moonshine, spoken, dbfs):
    phrases = {0.0: "ever tried", 1.6: "fail", 3.4: "no matter", 4.8: "try again"}
    for starts_s, said in phrases.items():
        phrase = spoken[round(starts_s * 8_000) : round((starts_s + 1.3) * 8_000)]
        heard = over_the_telephone(at_level(phrase, dbfs))
        assert said in asyncio.run(moonshine.transcribe(resample(heard, 8_000, 16_000))).lower()


@pytest.mark.parametrize("transcribing", ["whisper", "server", pytest.param("moonshine", marks=real)], indirect=True)
@pytest.mark.parametrize("dbfs", [-20, -35, -50, -60, -70, -80])
def test_the_hiss_of_a_line_has_no_words_at_any_level(transcribing, dbfs):
    heard = over_the_telephone(hiss(3, 8_000, dbfs))
    assert words(transcribing, resample(heard, 8_000, 16_000)) == ""


@pytest.mark.parametrize("load", [SileroModel, SmartTurn, lambda path: MoonshinePool(path, 1)])
def test_a_missing_model_is_named(load, tmp_path):
    with pytest.raises(ModelUnavailable, match="nowhere"):
        load(tmp_path / "nowhere")
