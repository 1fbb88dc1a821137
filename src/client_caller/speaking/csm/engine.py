"""The engine: many calls, one model. `step()` = schedule, run, emit.

In:   calls, what their callers said, what is to be said; `now`.     Out: sound, a frame at a time.
Rule: one thread owns it. It knows of no network and no torch, and of the clock only what it is told. The turns of a
      call are the truth of whoever calls; what is kept of them here is only spared work.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import Samples
from client_caller.errors import ConfigError, EngineCrashed, EngineOverloaded
from client_caller.speaking.csm.context import AGENT, CALLER, Layout, Segment, Tokenizer
from client_caller.speaking.csm.prompts import VoicePrompt
from client_caller.speaking.csm.protocol import FRAME_S, HZ, RANKS, Batch, FrameModel, Rows
from client_caller.speaking.csm.scheduler import CHUNKS, TARGET_S, Scheduler, SlotNeed
from client_caller.speaking.csm.slots import Slot, Slots
from client_caller.speaking.csm.story import Story, Turn
from client_caller.speaking.csm.turns import CallerTurn, Made, Manner, Utterance
from client_caller.speaking.csm.voicing import Voicing

_QUEUED: Final = 64
"""Utterances of a call that may wait."""

_PROMPTS: Final = 64
"""Voice prompts whose codes are kept."""

_UNPACED_AHEAD_S: Final = TARGET_S - FRAME_S / 2
"""Who wants the whole at once is always due, and comes after those who are nearer to silence."""

_MEASUREMENTS: Final = 3
"""Of each size, before there are calls."""

_SILENCE: Final = np.zeros(0, np.float32)


class Shelf(Protocol):
    """Where the voices are."""

    def load(self, name: str) -> VoicePrompt:
        """Raises ConfigError."""


@dataclass(slots=True, eq=False)
class _Call:
    """One call. sound_ends: when what was made for it will have been played."""

    id: str
    story: Story
    manner: Manner
    queue: deque[Utterance] = field(default_factory=deque)
    voicing: Voicing | None = None
    slot: Slot | None = None
    sound_ends: float = 0.0

    @property
    def speaks(self) -> bool:
        return self.voicing is not None or bool(self.queue)


class Engine:
    """Says utterances. clock: in seconds, to measure what a step takes."""

    def __init__(
        self,
        model: FrameModel,
        tokenizer: Tokenizer,
        shelf: Shelf,
        clock: Callable[[], float],
        scheduler: Scheduler | None = None,
    ) -> None:
        self._model = model
        self._layout = Layout(tokenizer, model.codebooks)
        self._shelf = shelf
        self._clock = clock
        self._scheduler = scheduler or Scheduler(model.batch)
        self._slots = Slots(model)
        self._calls: dict[str, _Call] = {}
        self._prompts: dict[str, Segment] = {}
        self._made: list[Made] = []
        self._rest_until = 0.0
        self._counts = {"utterances": 0, "frames": 0, "rows_read": 0, "rows_spared": 0, "refused": 0}

    def measure(self) -> None:
        """Find out what frames and reading cost, so that the first call knows how many may follow. Before any call."""
        rows = np.zeros((min(max(CHUNKS), self._model.positions) + 1, 1 + self._model.codebooks), np.int32)
        for _ in range(_MEASUREMENTS):
            for count in (count for count in CHUNKS if count < len(rows)):
                began = self._clock()
                self._model.prefill(0, 0, rows[:count])
                self._scheduler.measured_prefill(count, self._clock() - began)
            for power in range(min(self._model.batch, self._model.slots).bit_length()):
                count = 2**power
                began = self._clock()
                self._model.step(_idle(count, rows))
                self._scheduler.measured_step(count, self._clock() - began)

    # What is asked of it.

    def open(self, call: str, voice: str, manner: Manner) -> None:
        """Begin a call in this voice. Raises ConfigError for a voice that there is not."""
        story = Story(self._layout, self._prompt(voice), self._model.positions)
        if story.pinned > self._model.positions // 2:
            raise ConfigError(f"the voice {voice!r} takes more than half of the context: give it a shorter recording")
        self._calls[call] = _Call(call, story, manner)

    def hear(self, call: str, turn: CallerTurn) -> None:
        """Know what the caller said, for utterances that follow on it."""
        segment = Segment(CALLER, turn.text, self._model.encode(turn.sound))
        self._calls[call].story.know(Turn(turn.id, [segment]))

    def speak(self, call: str, utterance: Utterance) -> None:
        """Say this, behind what the call is still saying. Raises EngineOverloaded when there is no room for it."""
        state = self._calls[call]
        others = sum(other.speaks for other in self._calls.values() if other is not state)
        if len(state.queue) >= _QUEUED or others >= self._model.slots or not self._scheduler.admits(others):
            self._counts["refused"] += 1
            raise EngineOverloaded("voice", f"{others} calls speak, and there is no room for one more")
        state.queue.append(utterance)
        self._rest_until = 0.0

    def cancel(self, call: str, utterance: str) -> None:
        """Say no more of this utterance."""
        state = self._calls[call]
        if state.voicing and state.voicing.utterance.id == utterance:
            state.voicing.cancel()
            self._end(state, _SILENCE)
            state.sound_ends = 0.0  # what the caller broke into is no lead for what comes next
        elif any(waiting.id == utterance for waiting in state.queue):
            state.queue = deque(waiting for waiting in state.queue if waiting.id != utterance)
            self._made.append(Made(call, utterance, _SILENCE, "cancelled"))
        self._rest_until = 0.0

    def close(self, call: str) -> None:
        """The call is over."""
        self._calls.pop(call, None)
        self._slots.leave(call)

    # What it does.

    def step(self, now: float) -> list[Made]:
        """Do the most urgent piece of work, if there is any. What came of it, and of what was asked since.

        Raises EngineCrashed when the model is broken; then all of it must be made anew.
        """
        for state in self._calls.values():
            if state.voicing is None and state.queue:
                self._begin(state)
        at_work = {state.slot.index: state for state in self._calls.values() if state.slot}
        work = self._scheduler.plan([need for state in at_work.values() for need in self._needs(state, now)])
        if work.prefill:
            self._read(at_work[work.prefill[0]], work.prefill[1])
        elif work.frames:
            self._make([at_work[slot] for slot in work.frames], now)
        self._rest_until = now + (work.wait_s or 0.0)
        made, self._made = self._made, []
        return made

    def rest_s(self, now: float) -> float | None:
        """0 when there is work to do; the seconds until there will be; None when there is none before it is asked."""
        return max(0.0, self._rest_until - now) if self._rest_until < inf else None

    def figures(self) -> dict[str, float]:
        """What there is to know of it, by name."""
        speaking = sum(state.speaks for state in self._calls.values())
        return {
            **self._counts,
            "calls": len(self._calls),
            "speaking": speaking,
            "slots": self._model.slots,
            "slots_owned": self._slots.owned,
            "step_s": self._scheduler.predicted_step_s(max(1, speaking)),
        }

    def _prompt(self, voice: str) -> Segment:
        if voice not in self._prompts:
            prompt = self._shelf.load(voice)
            if len(self._prompts) == _PROMPTS:
                del self._prompts[next(iter(self._prompts))]
            self._prompts[voice] = Segment(AGENT, prompt.text, self._model.encode(prompt.sound))
        return self._prompts[voice]

    def _begin(self, state: _Call) -> None:
        """Take up the next utterance of a call, if there is a slot for it."""
        utterance = state.queue[0]
        story = state.story
        voicing = Voicing(
            utterance, story.turns(utterance.turns), state.manner, story.letters_per_s, self._model.codebooks
        )
        if voicing.ended is None:
            busy = frozenset(other.id for other in self._calls.values() if other.voicing)
            if (slot := self._slots.take(state.id, busy)) is None:
                return
            for other in self._calls.values():
                other.slot = None if other.slot is slot else other.slot
            state.slot = slot
        state.queue.popleft()
        state.voicing = voicing
        self._counts["utterances"] += 1
        if voicing.ended is None:
            self._want(state, voicing)
        else:
            self._end(state, _SILENCE)

    def _want(self, state: _Call, voicing: Voicing) -> None:
        """Have the call's slot hold what leads up to the next frame."""
        assert state.slot
        words, frames = self._layout.nothing, 0
        if voicing.ended is None:
            words, frames = self._layout.text(AGENT, voicing.text), voicing.longest
        self._slots.want(state.slot, state.story.rows(voicing.turns, words, frames))
        self._counts["rows_spared"] += state.slot.filled

    def _needs(self, state: _Call, now: float) -> Iterator[SlotNeed]:
        """What a call's slot needs to have done. One that is silent may have its context read, for the next time."""
        slot, voicing = state.slot, state.voicing
        if slot is None or not (voicing or slot.unread):
            return
        begun = voicing is not None and voicing.has_sounded
        ahead_s = state.sound_ends - now if state.manner.paced else _UNPACED_AHEAD_S
        yield SlotNeed(slot.index, ahead_s if begun else 0.0, slot.unread, begun, idle=voicing is None)

    def _read(self, state: _Call, count: int) -> None:
        slot = state.slot
        assert slot
        began = self._clock()
        self._model.prefill(slot.index, slot.filled, slot.wanted[slot.filled : slot.filled + count])
        self._scheduler.measured_prefill(count, self._clock() - began)
        slot.filled += count
        self._counts["rows_read"] += count

    def _make(self, states: Sequence[_Call], now: float) -> None:
        """The next frame of each."""
        began = self._clock()
        frames = self._model.step(self._batch(states))
        took_s = self._clock() - began
        self._scheduler.measured_step(len(states), took_s)
        self._counts["frames"] += len(states)
        if not np.isfinite(frames.sound).all():  # what is no number stays in the caches, and spoils what comes after it
            raise EngineCrashed("voice", "the model makes numbers that are none")
        for state, codes, sound in zip(states, frames.codes, frames.sound, strict=True):
            self._take(state, codes, sound, now + took_s)

    def _batch(self, states: Sequence[_Call]) -> Batch:
        slots = [state.slot for state in states if state.slot]
        voicings = [state.voicing for state in states if state.voicing]
        return Batch(
            np.array([slot.index for slot in slots], np.int64),
            np.array([len(slot.wanted) - 1 for slot in slots], np.int64),
            np.stack([slot.wanted[-1] for slot in slots]),
            np.array([state.manner.temperature or 1.0 for state in states], np.float32),
            np.array([state.manner.top_k for state in states], np.int64),
            np.array([voicing.end_bias for voicing in voicings], np.float32),
            np.stack([voicing.noise() for voicing in voicings]),
            np.array([voicing.fresh for voicing in voicings], np.bool_),
        )

    def _take(self, state: _Call, codes: NDArray[np.int32], sound: Samples, now: float) -> None:
        """A frame was made."""
        voicing, slot = state.voicing, state.slot
        assert voicing
        assert slot
        slot.frame(self._layout.sound(codes[np.newaxis]))
        segments = len(voicing.said)
        out = voicing.take(codes, sound)
        state.sound_ends = max(state.sound_ends, now) + len(out) / HZ
        if voicing.ended:
            self._end(state, out)
            return
        if len(voicing.said) > segments or voicing.fresh:
            self._want(state, voicing)  # the next segment follows on the last
        if len(out):
            self._made.append(Made(state.id, voicing.utterance.id, out))

    def _end(self, state: _Call, last: Samples) -> None:
        """The utterance is over; `last`: the end of its sound."""
        voicing = state.voicing
        assert voicing
        state.voicing = None
        state.story.know(Turn(voicing.utterance.id, voicing.said))
        self._made.append(Made(state.id, voicing.utterance.id, last, voicing.ended))
        if state.slot:
            self._want(state, voicing)


def _idle(count: int, rows: Rows) -> Batch:
    """A frame for each of the first so many slots."""
    return Batch(
        np.arange(count, dtype=np.int64),
        np.zeros(count, np.int64),
        rows[:count],
        np.ones(count, np.float32),
        np.ones(count, np.int64),
        np.zeros(count, np.float32),
        np.zeros((count, rows.shape[1] - 1, RANKS), np.float32),
        np.ones(count, np.bool_),
    )
