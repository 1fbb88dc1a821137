"""The meter: what happens in this process, counted for Prometheus.

In:   records of calls, entries for the ledger and lines of the log, listened to where they come by; how things stand.
Out:  all figures, as Prometheus reads them.
Rule: every label has few values, all of them words of this program: never what was said, a number, a name, or an id.
      Nothing is asked to tell the meter anything: it listens, so that what is measured does not know of it.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from client_caller.book import Keep
from client_caller.conversation.actions import Noted
from client_caller.conversation.events import Engine
from client_caller.doorkeeper import Doorkeeper
from client_caller.gauging import Standing
from client_caller.house import House
from client_caller.ledger.entries import CallBegan, CallEnded, CallNoted, Direction, Entry
from client_caller.ledger.ledger import Ledger
from client_caller.loop_lag import LoopLag
from client_caller.records.flight import Entry as RecordEntry
from client_caller.records.flight import FlightRecord
from client_caller.records.stages import Felt, Happened, Stage, Stages, Took, What

disable_created_metrics()  # type: ignore[no-untyped-call]  # twice the series, and none of them is ever looked at

_QUICK: Final = (0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5, 1.0)
"""A window of the voice activity is 32 ms, and the silence that makes a pause 32 ms; aimed at is 150 ms."""

_WORDS: Final = (0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0, 2.0)
"""Dense between 100 and 300 ms, where Moonshine on a processor and Whisper on a GPU are; 2 s is the limit."""

_THOUGHT: Final = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 4.0)
_ANSWER: Final = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.85, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
"""Dense around the half second that is aimed at; 3.5 s is waited after what is surely no whole sentence."""

STAGES: Final[Mapping[Stage, tuple[str, str, tuple[float, ...]]]] = {
    "pause noticed": ("pause_noticed", "until their pause was noticed", _QUICK),
    "words": ("words", "until all their words were known", _WORDS),
    "first token": ("first_token", "until the language model began its answer", _THOUGHT),
    "first piece": ("first_piece", "until there were words to be spoken", _THOUGHT),
    "first audio": ("first_audio", "until the voice had made some of it", _ANSWER),
    "answer": ("answer", "until the first sound of the answer was sent", _ANSWER),
}
"""Of each stage its name, what it means, and the bounds of its buckets in seconds."""

_COUNTED: Final[Mapping[What, tuple[str, str]]] = {
    "barge-in": ("barge_ins", "Answers that the caller broke off"),
    "draft dropped": ("drafts_dropped", "Answers that were drafted and not heard, for the caller went on"),
    "interim dropped": ("interims_dropped", "Decodings that were given up for fresher ones"),
    "line lost": ("lines_lost", "Streams that were lost while a call ran"),
    "call resumed": ("calls_resumed", "Calls that went on, on a fresh stream"),
    "back from an errand": ("errands", "Calls that came back from an errand, such as a transfer that nobody took"),
}

OUTCOMES: Final = frozenset(
    {"talked", "voicemail left", "machine, no message", "no-answer", "opted out", "transferred", "line lost"}
)

REFUSALS: Final = {
    "a call found no room": "no room",
    "a call was given up": "too many streams",
    "a webhook was refused": "webhook not signed",
    "a media socket was turned away": "media socket not ours",
    "a media socket was refused": "media socket too late",
}
"""Why somebody was not served, by the line that says so in the log."""

_NO_ROOM: Final = "no room"
TOO_LATE: Final = "answers would come late"
"""Why there was no room although there were lines."""

FOREBODING: Final = (
    "a call failed",
    "a call could not be resumed",
    "entries can be neither stored nor spilled",
    "entries cannot be stored and were put aside",
    "a campaign is stopped",
    "another engine does the work now",
)
"""Lines that there is an alarm for, or a graph: told as 0 before the first, for a rise from nothing is none."""

_MESSAGES: Final = 200
"""Different lines that are told apart; there are fewer in the program."""

OTHER: Final = "other"


class Meter:
    """Counts what happens in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.lag = LoopLag(self.registry)
        self._stages = {stage: self._histogram(*about) for stage, about in STAGES.items()}
        self._happened = {what: self._counter(name, text) for what, (name, text) in _COUNTED.items()}
        self._begun = self._counter("calls_begun", "Calls that began", direction=get_args(Direction))
        self._ended = self._counter("calls_ended", "Calls that are over, by how they went", outcome=OUTCOMES)
        self._refused = self._counter(
            "calls_refused", "Callers and requests that were turned away", reason=(*REFUSALS.values(), TOO_LATE)
        )
        self._noted = self._counter("noted", "What is kept of calls for ever", what=get_args(Noted))
        self._felt = self._counter("work_failed", "Work that a call had to do without", engine=get_args(Engine))
        self._warnings = self._counter("warnings", "Lines of the log that warn, by message", message=FOREBODING)
        self._messages = set(FOREBODING)
        self._door: Doorkeeper | None = None
        ProcessCollector(registry=self.registry)
        # A handler of its own, whose filter sees every line and lets none pass: nothing is written twice.
        self._ear = logging.Handler(logging.WARNING)
        self._ear.addFilter(self._hear)

    @contextmanager
    def watching(self, house: House, ledger: Ledger | None = None) -> Iterator[None]:
        """Around the house's life: follow its calls, hear the log, tell how house and ledger stand.

        Whether one more call may come in is answered by what is measured.
        """
        log, anybody = logging.getLogger("client_caller"), house.admits
        self._door = Doorkeeper(house, self.lag)
        standing, house.admits = Standing(house, self._door, ledger), self._door.admits
        house.followers.append(self.follow)
        self.registry.register(standing)
        log.addHandler(self._ear)
        try:
            yield
        finally:
            house.followers.remove(self.follow)
            house.admits, self._door = anybody, None
            log.removeHandler(self._ear)
            self.registry.unregister(standing)

    @property
    def predicted_p95_s(self) -> float | None:
        """What an answer would take with one more call, at p95, in seconds; None while nobody knows."""
        return self._door.predicted_p95_s if self._door else None

    def follow(self, record: FlightRecord) -> None:
        """Measure the call that leaves this record."""
        stages = Stages()

        def take(entry: RecordEntry) -> None:
            for told in stages.take(entry):
                if self._door:
                    self._door.heed(told)
                match told:
                    case Took(stage, seconds):
                        self._stages[stage].observe(seconds)
                    case Happened(what):
                        self._happened[what].inc()
                    case Felt(engine):
                        self._felt.labels(engine).inc()

        record.follow(take)

    def keeping(self, keep: Keep) -> Keep:
        """The same `keep`, with all that passes through it counted."""

        def note(entry: Entry) -> None:
            keep(entry)
            match entry:
                case CallBegan(direction=direction):
                    self._begun.labels(direction).inc()
                case CallEnded(outcome=outcome):
                    self._ended.labels(outcome if outcome in OUTCOMES else OTHER).inc()
                case CallNoted(what=what) if what in get_args(Noted):
                    self._noted.labels(what).inc()

        return note

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All figures, in the form that the header `Accept` asks for; and the type of that form."""
        encode, kind = choose_encoder(accept)
        return encode(self.registry), kind

    def _hear(self, line: logging.LogRecord) -> bool:
        """Count a line. Its message is a constant (ruff's G says so), and its facts are not looked at but for one."""
        message = line.msg if isinstance(line.msg, str) else OTHER
        if message not in self._messages:
            message = OTHER if len(self._messages) >= _MESSAGES else message
            self._messages.add(message)
        self._warnings.labels(message).inc()
        if message in REFUSALS:
            unlogged = getattr(line, "unlogged", 0)  # how many like it had no line of their own
            reason = REFUSALS[message]
            if reason == _NO_ROOM and self._door and self._door.is_why:
                reason = TOO_LATE
            self._refused.labels(reason).inc(1 + unlogged)
        return False

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        about = f"Seconds from the end of the caller's voice {text}"
        return Histogram(f"client_caller_{name}_seconds", about, buckets=buckets, registry=self.registry)

    def _counter(self, name: str, about: str, **labels: Iterable[str]) -> Counter:
        """One that starts at 0, for each value of its label if it has one."""
        counter = Counter(f"client_caller_{name}", about, list(labels), registry=self.registry)
        for values in labels.values():
            for value in values:
                counter.labels(value)
        return counter
