"""The slow half of the endpointing benchmark: what our ears make of every take, done once and kept.

In:   takes; the engines.     Out: `Heard` for each, kept under `runs/endpointing/`.
Rule: by media time only, so that the load of the machine changes nothing. What is kept is found again by the take's
      sound, the settings and the source of `hearing/`: change one of them, and it is made anew.

Interims are left out: they change when the words of a pause are there, hardly which.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

import client_caller.hearing
from client_caller.agent import Agent
from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ, Samples
from client_caller.audio.mulaw import decode
from client_caller.audio.resample import resample
from client_caller.conversation.actions import Turn
from client_caller.conversation.events import SpeechPaused, SpeechStarted
from client_caller.engines import Engines
from client_caller.hearing.endpointing import WINDOW_SAMPLES
from client_caller.hearing.listener import Listener, TurnAudio
from client_caller.settings import Settings
from client_caller.thinking.prompt import Prompt
from endpointing_records import Heard, Onset, Pause, silences
from endpointing_takes import Take

KEPT: Final = Path("runs/endpointing")

SCORED_AT_S: Final = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
"""How old a silence is when Smart Turn is asked; those shorter than the second are not asked about at all."""

_MODEL_HZ: Final = 16_000
_JUDGED_S: Final = 8.0
_DECODED_AFTER_S: Final = 0.06
"""A pause that is over sooner is not decoded: its words would come when nobody asks for them any more."""


@dataclass(frozen=True, slots=True)
class Ears:
    """The engines, loaded once for all takes, and whose they are."""

    settings: Settings
    agent: Agent
    engines: Engines


async def hear(take: Take, ears: Ears) -> Heard:
    """What the ears make of this take, from the file kept of it if there is one. Raises EngineError."""
    file = KEPT / f"{_key(take, ears)}.json"
    if file.exists():
        return msgspec.json.decode(file.read_bytes(), type=Heard)
    heard = await _heard_anew(take, ears)
    _keep(file, msgspec.json.encode(heard))
    return heard


def _keep(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


async def _heard_anew(take: Take, ears: Ears) -> Heard:
    onsets, pauses = await _listen(take, ears)
    probabilities = await _probabilities(take, ears)
    scores = await _scores(take, ears, [*_silent_at(probabilities), *(pause.noticed_at for pause in pauses)])
    return Heard(tuple(onsets), tuple(pauses), probabilities, scores, take.truth.asked)


def _key(take: Take, ears: Ears) -> str:
    digest = hashlib.sha256(take.mulaw + take.truth.asked.encode())
    for part in (ears.settings.hearing.model_dump_json(), ears.settings.thinking.model, ears.agent.model_dump_json()):
        digest.update(part.encode())
    for source in sorted(Path(client_caller.hearing.__path__[0]).glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:24]


@dataclass(slots=True)
class _Listening:
    """What has come of a take so far; the newest pause waits for its words as long as there is sound for them."""

    onsets: list[Onset] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    undecoded: TurnAudio | None = None


async def _listen(take: Take, ears: Ears) -> tuple[list[Onset], list[Pause]]:
    """Our listener's onsets and pauses, with the words at each."""
    listener, found = Listener(ears.engines.activity(), ears.settings.hearing), _Listening()
    for media_s, frame in _frames(take.mulaw):
        now = media_s + FRAME_S
        for event in await listener.feed(frame, media_s, now):
            if isinstance(event, SpeechStarted):
                found.onsets.append(Onset(now, event.at))
                found.undecoded = None
            elif isinstance(event, SpeechPaused):
                found.pauses.append(Pause(now, event.at, event.voiced_s))
                found.undecoded = listener.turn_audio()
        if found.undecoded and now - found.pauses[-1].noticed_at > _DECODED_AFTER_S:
            await _decode(listener, found, take.truth.asked, ears)
    return found.onsets, found.pauses


async def _decode(listener: Listener, found: _Listening, asked: str, ears: Ears) -> None:
    audio, found.undecoded = found.undecoded, None
    assert audio is not None
    words = listener.decoded(audio, await ears.engines.transcriber.transcribe(audio.samples))
    p_end = await _p_end(words, asked, ears) if words else None
    found.pauses[-1] = replace(found.pauses[-1], text=words, p_end=p_end)


async def _p_end(words: str, asked: str, ears: Ears) -> float | None:
    history = (Turn("agent", asked or ears.agent.greeting), Turn("caller", words))
    p_end = await ears.engines.language_model.read_ahead(Prompt.of(ears.agent).messages(history), "endpointing")
    return None if p_end is None else round(p_end, 4)


async def _probabilities(take: Take, ears: Ears) -> tuple[float, ...]:
    """Silero as it is shipped, without our listener's resets."""
    activity, sound = ears.engines.activity(), decode(take.mulaw)
    whole = range(0, len(sound) - WINDOW_SAMPLES + 1, WINDOW_SAMPLES)
    windows = [sound[first : first + WINDOW_SAMPLES] for first in whole]
    return tuple([round(await activity.probability(window), 3) for window in windows])


def _silent_at(probabilities: tuple[float, ...]) -> Iterator[float]:
    for begin_s, end_s in silences(probabilities):
        if end_s - begin_s >= SCORED_AT_S[1]:
            yield from (begin_s + age_s for age_s in SCORED_AT_S if begin_s + age_s <= end_s)


async def _scores(take: Take, ears: Ears, instants: Sequence[float]) -> tuple[tuple[float, float], ...]:
    sound = resample(decode(take.mulaw), LINE_HZ, _MODEL_HZ)
    scores = []
    for at in sorted({round(instant, 2) for instant in instants}):
        judged: Samples = sound[max(0, round((at - _JUDGED_S) * _MODEL_HZ)) : round(at * _MODEL_HZ)]
        scores.append((at, round(await ears.engines.turn_model.p_done(judged), 4)))
    return tuple(scores)


def _frames(mulaw: bytes) -> Iterator[tuple[float, bytes]]:
    for first in range(0, len(mulaw), FRAME_SAMPLES):
        yield first / LINE_HZ, mulaw[first : first + FRAME_SAMPLES]
