"""Who has answered, measured: how often the verdict is right, how soon it is there, and where the message would begin.

    .venv/bin/python bench/answered.py [--quick] [--out bench/results/answered.json]

Every answer is sound on a telephone line with noise at -55 dBFS, 8 kHz mu-law, heard by the product's own ears (Silero,
the listener, Moonshine with its interims) and by the beep detector; what they tell goes to `WhoAnswered` at the instant
at which it would be there, decoding included, in the time that it took here. Nobody plays it in real time, so an answer
is over in less time than it lasts.

Greetings, menus and assistants are spoken by eSpeak in several voices and speeds, and so are some of the humans: it is
understood far worse than people are. The other humans are short clips of the folder shared/corpus beside the
repository; they are no people who answer a telephone. So each answer is heard three times: with the words that
Moonshine reads, with those that were said, and with none, as if the transcriber were down. The carrier says nothing.
Takes five minutes. Prints tables; writes one JSON.
"""

import argparse
import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np

from client_caller.app import embedded_voice
from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ, Samples
from client_caller.audio.levels import at_level
from client_caller.audio.mulaw import encode
from client_caller.conversation.english import ENGLISH
from client_caller.conversation.events import SpeechPaused, SpeechStarted
from client_caller.conversation.who_answered import Answerer, WhoAnswered
from client_caller.engines import Engines
from client_caller.hearing.beep import BeepDetector
from client_caller.hearing.listener import Listener, TurnAudio
from client_caller.rehearsal.clips import prepare
from client_caller.settings import HearingSettings, load_settings
from common import Row, keep, origin, show_times, summary
from corpus import HZ, corpus_present, human_clips
from hearing import engines_of

VOICES: Final = (("en-us", 150, 40), ("en-us+f3", 165, 60), ("en", 135, 45))
"""Voice, words per minute, pitch."""

WORDS: Final = ("read", "known", "none")
"""Where the words come from."""

HELLOS: Final = (
    "Hello?",
    "Hello, who is this?",
    "Yes, hello?",
    "Good morning.",
    "Jones residence.",
    "This is Michael speaking.",
    "Good morning, Smith and Sons, Jane speaking, how can I help you?",
    "Thank you for calling the Riverside Hotel, this is Daniel, how may I help you today?",
)
GREETINGS: Final = (
    "Hi, you've reached Sarah. I can't come to the phone right now. Please leave a message after the tone.",
    "Hello. This is Bob. Leave me a message and I'll call you back.",
    "Your call has been forwarded to an automated voice messaging system. At the tone, please record your message.",
    "The person you are calling is not available. Please leave your message after the beep.",
    "Sorry, nobody can take your call at the moment. Please leave your name and number.",
    "You have reached the Miller family. We are not home right now. Leave a message.",
)
FULL: Final = (
    "The mailbox is full and cannot accept any messages at this time. Goodbye.",
    "I'm sorry, the person you called has a voice mailbox that has not been set up yet.",
)
ASSISTANTS: Final = (
    "Hi. If you record your name and reason for calling, I'll see if this person is available.",
    "Hi, the person you're calling is using a screening service and will get a copy of this conversation. "
    "Go ahead and say your name and why you're calling.",
)
MENUS: Final = (
    "Thank you for calling Acme. For sales, press one. For support, press two.",
    "Please listen carefully, as our menu options have changed.",
)
BEEPS: Final = (((1_000.0,), 0.4), ((440.0,), 0.7), ((1_400.0,), 0.2), ((800.0, 1_200.0), 0.5), None)
"""Hertz and seconds; None: no beep comes."""

_LEVEL_DBFS: Final = -23.0
_NOISE_DBFS: Final = -55.0
_LEAD_S: Final = 0.8
_TO_BEEP_S: Final = 0.9
_TAIL_S: Final = 6.0
_LONGEST_HUMAN_S: Final = 2.5  # a clip that answers


@dataclass(frozen=True, slots=True)
class Answer:
    """What a line carries after it was opened. speech_end_s, beep_end_s: seconds from its first byte; None: no beep."""

    kind: str
    text: str
    expected: Answerer
    takes_message: bool
    mulaw: bytes
    speech_end_s: float
    beep_end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found. Instants as in `Answer`.

    first, last: the first verdict and the one that stood in the end;  right_at: when the last verdict was there;
    speak_at: when we were to speak first;  message: whether a message was to be left.
    """

    kind: str
    text: str
    words: str
    expected: str
    first: str
    last: str
    by: str
    first_at: float
    right_at: float
    speak_at: list[float]
    message: bool
    takes_message: bool
    speech_end_s: float
    beep_end_s: float | None
    understood: str


async def answers(quick: bool) -> list[Answer]:
    """All of them, in an order that does not change."""
    found = [_answer("nobody", "", Answerer.NOBODY, False, None)]
    voices = VOICES[:1] if quick else VOICES
    for voice, words_per_minute, pitch in voices:

        async def say(text: str, speaks: tuple[str, int, int] = (voice, words_per_minute, pitch)) -> Samples:
            voiced = embedded_voice(*speaks)
            return np.concatenate([speech.samples async for speech in voiced.speak(text)])

        for text in HELLOS:
            found.append(_answer("human, synthetic", text, Answerer.HUMAN, False, await say(text)))
        for number, text in enumerate(GREETINGS):
            beep = BEEPS[(number + len(found)) % len(BEEPS)]
            kind = "voicemail with a beep" if beep else "voicemail without a beep"
            found.append(_answer(kind, text, Answerer.VOICEMAIL, True, await say(text), beep))
        for kind, texts, who in (
            ("voicemail that is full", FULL, Answerer.VOICEMAIL),
            ("assistant", ASSISTANTS, Answerer.SCREENING),
            ("menu", MENUS, Answerer.MENU),
        ):
            found += [_answer(kind, text, who, False, await say(text)) for text in texts]
    clips = [
        clip
        for clip in human_clips()
        if clip.source == "corpus" and clip.transcript and clip.speech_s <= _LONGEST_HUMAN_S
    ]
    for clip in clips[:: 6 if quick else 1]:
        begin, end = round((clip.speech_start_s - 0.05) * HZ), round((clip.speech_end_s + 0.05) * HZ)
        spoken = prepare(clip.samples[max(0, begin) : end], HZ, "").samples
        found.append(_answer("human, recorded", clip.transcript, Answerer.HUMAN, False, spoken))
    return found


def _answer(
    kind: str,
    text: str,
    expected: Answerer,
    takes_message: bool,
    spoken: Samples | None,
    beep: tuple[tuple[float, ...], float] | None = None,
) -> Answer:
    parts = [_silence(_LEAD_S)]
    if spoken is not None:
        clip = prepare(spoken, LINE_HZ, text)
        parts.append(at_level(clip.samples, _LEVEL_DBFS))
    speech_end_s = _LEAD_S + (0.0 if spoken is None else clip.speech_end_s)
    beep_end_s = None
    if beep is not None:
        parts += [_silence(_TO_BEEP_S), _tone(*beep)]
        beep_end_s = sum(map(len, parts)) / LINE_HZ
    parts.append(_silence(_TAIL_S if spoken is not None else 12.0))
    sound = np.concatenate(parts)
    noise = np.random.default_rng(len(sound)).normal(0, 10 ** (_NOISE_DBFS / 20), len(sound))
    return Answer(
        kind, text, expected, takes_message, encode((sound + noise).astype(np.float32)), speech_end_s, beep_end_s
    )


def _silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * LINE_HZ), np.float32)


def _tone(hz: tuple[float, ...], seconds: float) -> Samples:
    t = np.arange(round(seconds * LINE_HZ)) / LINE_HZ
    waves = np.sum([np.sin(2 * np.pi * each * t) for each in hz], axis=0)
    return at_level(waves.astype(np.float32), _LEVEL_DBFS)


class Hearing:
    """One answer as it is heard, on the clock of its sound."""

    def __init__(self, answer: Answer, engines: Engines, settings: HearingSettings, words: str) -> None:
        self._answer, self._engines = answer, engines
        self._words = words
        self._who = WhoAnswered(ENGLISH)
        self._listener = Listener(engines.activity(), settings)
        self._beeps = BeepDetector()
        self._coming: list[tuple[float, int, Callable[[float], None]]] = []  # words that are being decoded
        self._number = count()
        self._busy_until = 0.0
        self._first: tuple[Answerer, float] | None = None
        self._last_at = 0.0
        self._speak_at: list[float] = []
        self._understood = ""

    async def outcome(self) -> Outcome:
        """Hear it to its end, and half a minute of nothing after it."""
        for media_s, frame in _frames(self._answer.mulaw):
            now = media_s + FRAME_S
            self._pass_time(now)
            if (tone := self._beeps.feed(frame, media_s)) and tone.kind != "tone":
                self._do(self._who.beep if tone.kind == "beep" else self._who.fax, now, tone.ended_s)
            for event in await self._listener.feed(frame, media_s, now):
                if isinstance(event, SpeechStarted):
                    self._do(self._who.speech_started, now, event.at)
                elif isinstance(event, SpeechPaused):
                    self._do(lambda at, voiced_s=event.voiced_s: self._who.speech_paused(at, voiced_s), now, event.at)
                    await self._decode(self._listener.turn_audio(), now, final=True)
            if self._listener.interim_due():
                await self._decode(self._listener.interim_audio(), now, final=False)
        self._pass_time(len(self._answer.mulaw) / LINE_HZ + 30.0)
        return self._summed_up()

    async def _decode(self, audio: TurnAudio, now: float, *, final: bool) -> None:
        """Its words are told when they would be there: one decode after the other, as long as they took."""
        if self._words == "none" or (not final and self._busy_until > now):
            return
        began_at = time.perf_counter()
        text = await self._engines.transcriber.transcribe(audio.samples)
        there_at = max(now, self._busy_until) + time.perf_counter() - began_at
        self._busy_until = there_at
        words = self._listener.decoded(audio, text) if final else self._listener.interim(audio, text).text
        if self._words == "known":
            words = self._said_by(now)
        self._understood = words or self._understood
        heapq.heappush(self._coming, (there_at, next(self._number), lambda at: self._who.words(words, at)))

    def _said_by(self, now: float) -> str:
        """The words that were said up to now, as if all were equally long."""
        words = self._answer.text.split()
        share = (now - _LEAD_S) / (self._answer.speech_end_s - _LEAD_S)
        return " ".join(words[: max(0, round(min(1.0, share) * len(words)))])

    def _pass_time(self, now: float) -> None:
        """All that was due up to now: words that are there, deadlines that have come."""
        while True:
            deadline, words_at = self._who.deadline, self._coming[0][0] if self._coming else None
            instants = [at for at in (deadline, words_at) if at is not None and at <= now]
            if not instants:
                return
            at = min(instants)
            if at == words_at:
                self._do(heapq.heappop(self._coming)[2], at, at)
            else:
                self._do(self._who.on_deadline, max(at, self._last_at), max(at, self._last_at))

    def _do(self, tell: Callable[[float], None], now: float, at: float) -> None:
        before = self._who.verdict
        tell(at)
        verdict = self._who.verdict
        if verdict and (before is None or before.who is not verdict.who):
            self._first = self._first or (verdict.who, now)
            self._last_at = now
        if self._who.due(now):
            self._speak_at.append(now)
            self._who.we_spoke(now)

    def _summed_up(self) -> Outcome:
        verdict, answer = self._who.verdict, self._answer
        assert verdict is not None
        assert self._first is not None
        return Outcome(
            answer.kind,
            answer.text,
            self._words,
            answer.expected.name,
            self._first[0].name,
            verdict.who.name,
            verdict.by,
            self._first[1],
            self._last_at,
            self._speak_at,
            verdict.takes_message,
            answer.takes_message,
            answer.speech_end_s,
            answer.beep_end_s,
            self._understood,
        )


def _frames(mulaw: bytes) -> Iterator[tuple[float, bytes]]:
    for first in range(0, len(mulaw), FRAME_SAMPLES):
        yield first / LINE_HZ, mulaw[first : first + FRAME_SAMPLES]


def confusion(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """How often each kind was taken for what in the end."""
    table: dict[str, Counter[str]] = {}
    for each in outcomes:
        table.setdefault(each.kind, Counter())[each.last] += 1
    return {kind: dict(row) for kind, row in table.items()}


def figures(outcomes: Sequence[Outcome]) -> dict[str, Row]:
    """Times from the end of the speech, or of the beep, in milliseconds; of what was found right only."""
    right = [each for each in outcomes if each.last == each.expected]
    rows = {
        f"verdict, {kind}": summary([each.right_at - each.speech_end_s for each in right if each.kind == kind])
        for kind in dict.fromkeys(each.kind for each in right)
        if kind != "nobody"
    }
    left = [each for each in right if each.message and each.speak_at]
    rows["message after the beep"] = summary([e.speak_at[-1] - e.beep_end_s for e in left if e.beep_end_s])
    rows["message after the greeting, no beep"] = summary(
        [e.speak_at[-1] - e.speech_end_s for e in left if e.beep_end_s is None]
    )
    return rows


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """What the two tables do not tell."""
    humans = [each for each in outcomes if each.expected == "HUMAN"]
    machines = [each for each in outcomes if each.expected == "VOICEMAIL"]
    return {
        "answers": len(outcomes),
        "right in the end": sum(each.last == each.expected for each in outcomes),
        "right at first": sum(each.first == each.expected for each in outcomes),
        "humans taken for something else, at any time": sum({e.first, e.last} != {"HUMAN"} for e in humans),
        "voicemails first taken for humans, and talked to": sum(each.first == "HUMAN" for each in machines),
        "voicemails spoken to before their beep, and again after it": sum(
            len(each.speak_at) > 1 for each in machines if each.beep_end_s and each.last == "VOICEMAIL"
        ),
        "full mailboxes known as such": sum(
            each.last == "VOICEMAIL" and not each.message for each in machines if not each.takes_message
        ),
    }


def show(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Print what was found of these, and give it."""
    table = confusion(outcomes)
    columns = [who.name for who in Answerer]
    print(f"\n{'taken for':<28}" + "".join(f"{column:>11}" for column in columns))
    for kind, row in table.items():
        print(f"{kind:<28}" + "".join(f"{row.get(column, 0) or '.':>11}" for column in columns))
    rows, counted = figures(outcomes), counts(outcomes)
    show_times(rows)
    print("\n".join(f"{name}: {value}" for name, value in counted.items()))
    return {"confusion": table, "figures": rows, "counts": counted}


async def main(quick: bool, out: Path) -> None:
    settings = load_settings()
    result: dict[str, object] = {**origin("who answered"), "quick": quick, "corpus": corpus_present()}
    print(f"{result['machine']}; commit {result['commit']}{'; a few of everything' if quick else ''}")
    if not corpus_present():
        print("no shared/corpus beside the repository: no human voices among the answers")
    made = await answers(quick)
    every: list[Outcome] = []
    async with engines_of(settings) as engines:
        for words in WORDS:
            outcomes = [await Hearing(each, engines, settings.hearing, words).outcome() for each in made]
            print(f"\nwords: {words}")
            result[f"words: {words}"] = show(outcomes)
            every += outcomes
    wrong = [each for each in every if each.last != each.expected or each.first != each.expected]
    for each in wrong:
        print(f"{each.kind}, words {each.words}: {each.first} -> {each.last}: {each.text[:60]}")
    result["not right at first, or in the end"] = [asdict(each) for each in wrong]
    keep(result, out)
    print(f"\nwritten to {out}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/answered.json"))
    given = arguments.parse_args()
    asyncio.run(main(given.quick, given.out))
