"""The engine over a model that shows what it was given: every frame depends on all rows of its slot."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.errors import ConfigError, EngineCrashed, EngineOverloaded
from client_caller.speaking.csm.context import AGENT, CALLER, Layout, Segment
from client_caller.speaking.csm.engine import Engine
from client_caller.speaking.csm.protocol import FRAME_S, FRAME_SAMPLES, RANKS, TEXTLESS, Batch, Codes, Frames, Rows
from client_caller.speaking.csm.scheduler import Scheduler
from client_caller.speaking.csm.turns import CallerTurn, Made, Manner, OwnTurn, Utterance

CODEBOOKS = 4
PROMPT = SimpleNamespace(name="anna", text="good morning", sound=np.full(11 * FRAME_SAMPLES, 0.1, np.float32))
TONE = (0.2 * np.sin(np.arange(FRAME_SAMPLES) / 5)).astype(np.float32)
GREEDY = Manner(temperature=0.0)


class Letters:
    """Text as its letters' numbers."""

    def segment(self, speaker: int, text: str) -> list[int]:
        return [1, 2 + speaker, *text.encode(), 0]


@dataclass
class OpenModel:
    """Codes are a digest of all rows before. A segment has `lasts` frames, or 2 and the length of its last word."""

    slots: int = 3
    positions: int = 400
    batch: int = 8
    codebooks: int = CODEBOOKS
    step_s: float = 0.0
    lasts: int | None = None
    now: float = 0.0
    cache: dict[int, list[Rows]] = field(default_factory=dict)
    begun: list[Rows] = field(default_factory=list)  # the rows before each segment's first frame
    said: dict[int, list[Codes]] = field(default_factory=dict)  # of each of them, the codes that followed
    segment: dict[int, int] = field(default_factory=dict)  # which of them a slot is in
    reads: list[int] = field(default_factory=list)
    copies: int = 0

    def prefill(self, slot: int, position: int, rows: Rows) -> None:
        held = self.cache.setdefault(slot, [])
        assert 0 < len(rows) <= self.positions
        assert position <= len(held)
        del held[position:]
        held.extend(rows.copy())
        self.reads.append(len(rows))
        self.now += self.step_s

    def step(self, batch: Batch) -> Frames:
        assert len(set(batch.slots.tolist())) == len(batch.slots) <= self.batch
        assert batch.noise.shape == (len(batch.slots), self.codebooks, RANKS)
        made = [self._frame(*each) for each in zip(batch.slots, batch.positions, batch.rows, batch.fresh, strict=True)]
        self.now += self.step_s
        return Frames(np.stack(made), np.stack([TONE if codes.any() else 0 * TONE for codes in made]))

    def _frame(self, slot: int, position: int, row: Rows, fresh: bool) -> Codes:
        held = self.cache.setdefault(int(slot), [])
        assert position <= len(held)
        del held[position:]
        held.append(row.copy())
        assert len(held) < self.positions
        rows = np.stack(held)
        if fresh:
            self.segment[int(slot)] = len(self.begun)
            self.begun.append(rows)
        if not (rows[:, 0] == 1).any():
            return np.zeros(self.codebooks, np.int32)
        last = rows[int(np.flatnonzero(rows[:, 0] == 1)[-1]) :, 0]
        words = bytes(last[last > 3].astype(np.uint8))
        sounding = len(rows) - 1 - int(np.flatnonzero(rows[:, 0] != TEXTLESS)[-1])
        frames = self.lasts or len(words.split(b" ")[-1]) + 2
        if sounding >= frames:
            return np.zeros(self.codebooks, np.int32)
        codes = np.random.default_rng(crc32(rows.tobytes())).integers(1, 2048, self.codebooks, np.int32)
        self.said.setdefault(self.segment.get(int(slot), -1), []).append(codes)
        return codes

    def copy(self, source: int, target: int, count: int) -> None:
        assert count <= len(self.cache[source])
        self.cache[target] = [row.copy() for row in self.cache[source][:count]]
        self.copies += 1

    def encode(self, sound: np.ndarray) -> Codes:
        frames = -(-len(sound) // FRAME_SAMPLES)
        return np.random.default_rng(crc32(sound.tobytes())).integers(1, 2048, (frames, self.codebooks), np.int32)


class Shelf:
    def load(self, name: str) -> SimpleNamespace:
        if name != "anna":
            raise ConfigError(f"no voice {name}")
        return PROMPT


def engine_of(model: OpenModel) -> Engine:
    return Engine(model, Letters(), Shelf(), lambda: model.now, Scheduler(model.batch))


def run(engine: Engine, model: OpenModel, steps: int = 10_000) -> list[Made]:
    """Step until there is nothing to do, in no time but what steps take and rests last."""
    made: list[Made] = []
    for _ in range(steps):
        made += engine.step(model.now)
        rest_s = engine.rest_s(model.now)
        if rest_s is None:
            return made
        model.now += rest_s
    raise AssertionError("it does not come to rest")


def sound_of(made: Sequence[Made], utterance: str) -> np.ndarray:
    return np.concatenate([each.sound for each in made if each.utterance == utterance])


def caller(turn: str, text: str, frames: int = 2) -> CallerTurn:
    return CallerTurn(turn, text, np.full(frames * FRAME_SAMPLES, 0.01 * len(text), np.float32))


def told(model: OpenModel, *segments: Segment, words: str) -> Rows:
    """The rows that should lie before the first frame of `words`."""
    layout = Layout(Letters(), CODEBOOKS)
    prompt = Segment(AGENT, PROMPT.text, model.encode(PROMPT.sound))
    return np.concatenate([*(layout.whole(each) for each in (prompt, *segments)), layout.text(AGENT, words)])


def codes_after(model: OpenModel, rows: Rows, count: int) -> Codes:
    """What the model says after these rows."""
    layout, alone = Layout(Letters(), CODEBOOKS), OpenModel(lasts=10_000)
    made = []
    for _ in range(count):
        alone.cache[0] = list(rows[:-1])
        made.append(alone._frame(0, len(rows) - 1, rows[-1], False))
        rows = np.concatenate((rows, layout.sound(made[-1][np.newaxis])))
    return np.stack(made)


def test_an_utterance_follows_on_the_voice_prompt_and_ends_as_the_model_says() -> None:
    model = OpenModel()
    engine = engine_of(model)
    engine.open("call", "anna", GREEDY)
    engine.speak("call", Utterance("a", "hello there"))
    made = run(engine, model)
    assert made[-1].ended == "spoken"
    assert len(sound_of(made, "a")) == 7 * FRAME_SAMPLES
    assert np.array_equal(model.begun[0], told(model, words="hello there"))


def test_turns_of_both_sides_lead_up_to_the_next_utterance() -> None:
    model = OpenModel()
    engine = engine_of(model)
    engine.open("call", "anna", GREEDY)
    engine.speak("call", Utterance("a", "hello"))
    run(engine, model)
    engine.hear("call", caller("c", "hi yes"))
    engine.speak("call", Utterance("b", "good", (OwnTurn("a"), "c")))
    run(engine, model)
    said = Segment(AGENT, "hello", codes_after(model, told(model, words="hello"), 7))
    heard = Segment(CALLER, "hi yes", model.encode(caller("c", "hi yes").sound))
    assert np.array_equal(model.begun[1], told(model, said, heard, words="good"))


def test_only_what_is_new_is_read() -> None:
    model = OpenModel()
    engine = engine_of(model)
    engine.open("call", "anna", GREEDY)
    engine.speak("call", Utterance("a", "hello"))
    run(engine, model)
    model.reads.clear()
    engine.hear("call", caller("c", "hi"))
    engine.speak("call", Utterance("b", "good", (OwnTurn("a"), "c")))
    run(engine, model)
    layout = Layout(Letters(), CODEBOOKS)
    new = len(layout.whole(Segment(CALLER, "hi", model.encode(caller("c", "hi").sound)))) + len(layout.text(0, "good"))
    assert sum(model.reads) == new  # the frame of zeros goes in ahead, the last row with the first frame


def test_what_was_cut_off_goes_back_to_the_last_frame_heard_with_the_words_heard() -> None:
    model = OpenModel(lasts=40)
    engine = engine_of(model)
    engine.open("call", "anna", GREEDY)
    engine.speak("call", Utterance("a", "we are open all day"))
    made = []
    while len(made) < 12:
        made += engine.step(model.now)
        model.now += engine.rest_s(model.now) or 0.0
    engine.cancel("call", "a")
    assert engine.step(model.now)[-1].ended == "cancelled"
    engine.speak("call", Utterance("b", "sorry", (OwnTurn("a", 5.2 * FRAME_S, "we are"),)))
    run(engine, model)
    first = told(model, words="we are open all day")
    said = Segment(AGENT, "we are", codes_after(model, first, 6))
    assert np.array_equal(model.begun[1], told(model, said, words="sorry"))


def test_of_an_utterance_that_nobody_heard_nothing_is_left() -> None:
    model = OpenModel()
    engine = engine_of(model)
    engine.open("call", "anna", GREEDY)
    engine.speak("call", Utterance("a", "hello"))
    run(engine, model)
    for turns in [(OwnTurn("a", 0.0, ""),), ()]:
        engine.speak("call", Utterance("b", "sorry", turns))
        run(engine, model)
        assert np.array_equal(model.begun[-1], told(model, words="sorry"))


def test_a_long_piece_is_said_in_segments_that_follow_on_each_other() -> None:
    model = OpenModel(positions=2_000)
    engine = engine_of(model)
    engine.open("call", "anna", GREEDY)
    long = " ".join(f"this is sentence {n} of a piece that is long." for n in "abcdefgh")
    engine.speak("call", Utterance("a", long))
    made = run(engine, model)
    assert made[-1].ended == "spoken"
    assert len(model.begun) > 2
    for earlier, later in zip(model.begun, model.begun[1:], strict=False):
        assert np.array_equal(later[: len(earlier)], earlier)


def test_a_second_call_with_the_same_voice_does_not_read_the_prompt_again() -> None:
    model = OpenModel()
    engine = engine_of(model)
    for call in ("one", "two"):
        engine.open(call, "anna", GREEDY)
        engine.speak(call, Utterance("a", "hello"))
        run(engine, model)
    assert model.copies == 1
    assert np.array_equal(model.begun[0], model.begun[1])


def test_when_the_context_is_full_the_oldest_turns_go_and_the_voice_prompt_stays() -> None:
    model = OpenModel(positions=500)
    engine = engine_of(model)
    engine.open("call", "anna", GREEDY)
    turns: list[OwnTurn | str] = []
    rebuilt = 0
    for number in range(40):
        engine.hear("call", caller(f"c{number}", f"question {number}"))
        turns.append(f"c{number}")
        before = sum(model.reads)
        engine.speak("call", Utterance(f"a{number}", f"answer {number}", tuple(turns)))
        assert run(engine, model)[-1].ended == "spoken"
        rebuilt += sum(model.reads) - before > 150
        turns.append(OwnTurn(f"a{number}"))
    prompt = told(model, words="")[: len(told(model, words="")) - 3]
    assert all(np.array_equal(rows[: len(prompt)], prompt) for rows in model.begun)
    latest = bytes(model.begun[-1][:, 0].clip(0).astype(np.uint8))
    assert b"question 39" in latest
    assert b"answer 38" in latest
    assert b"question 1" not in latest
    assert 1 < rebuilt < 10


def test_the_context_is_read_anew_while_nobody_waits_for_it() -> None:
    """After an utterance that has filled the context: the next one finds it read."""
    model = OpenModel(positions=200, lasts=70)
    engine = engine_of(model)
    engine.open("call", "anna", GREEDY)
    engine.speak("call", Utterance("a", "an answer of some length, that one"))
    run(engine, model)
    engine.speak("call", Utterance("b", "an answer of some length, this one", (OwnTurn("a"),)))
    run(engine, model)
    before = len(model.reads)
    engine.speak("call", Utterance("c", "yes", (OwnTurn("a"), OwnTurn("b"))))
    run(engine, model)
    assert model.reads[before] <= len(Layout(Letters(), CODEBOOKS).text(AGENT, "yes"))


def test_more_calls_than_slots_take_turns_and_lose_nothing() -> None:
    model = OpenModel(slots=2)
    engine = engine_of(model)
    for number in range(5):
        engine.open(f"call {number}", "anna", GREEDY)
    for turn in range(3):
        for number in range(5):
            engine.speak(
                f"call {number}",
                Utterance(f"u{turn}", f"turn {turn}", tuple(map(OwnTurn, [f"u{t}" for t in range(turn)]))),
            )
            assert run(engine, model)[-1].ended == "spoken"
    assert len({rows.tobytes() for rows in model.begun}) == 3  # all five calls had the same context at each turn


def test_as_many_speak_at_once_as_there_are_slots_and_one_more_is_refused() -> None:
    model = OpenModel(slots=2)
    engine = engine_of(model)
    for call in "abc":
        engine.open(call, "anna", GREEDY)
    engine.speak("a", Utterance("u", "hello"))
    engine.speak("b", Utterance("u", "hello"))
    with pytest.raises(EngineOverloaded):
        engine.speak("c", Utterance("u", "hello"))
    run(engine, model)
    engine.speak("c", Utterance("u", "hello"))
    assert run(engine, model)[-1].ended == "spoken"


def test_a_slow_model_takes_no_more_voices_than_it_can_keep_up_with() -> None:
    model = OpenModel(slots=8, batch=1, step_s=0.02)
    engine = engine_of(model)
    for call in "abcdefgh":
        engine.open(call, "anna", GREEDY)
    engine.speak("a", Utterance("u", "hello"))
    run(engine, model)
    engine.speak("a", Utterance("v", "hello"))
    engine.speak("b", Utterance("u", "hello"))
    with pytest.raises(EngineOverloaded):
        engine.speak("c", Utterance("u", "hello"))


def test_it_knows_what_frames_cost_before_the_first_call() -> None:
    model = OpenModel(slots=8, batch=8, step_s=0.02)
    engine = engine_of(model)
    engine.measure()
    assert engine.figures()["step_s"] == pytest.approx(0.02)
    for call in "abcdefgh":
        engine.open(call, "anna", GREEDY)
        engine.speak(call, Utterance("u", "hello"))  # eight at once take no longer than one
    assert {made.call for made in run(engine, model)} == set("abcdefgh")


def test_nobody_gets_far_ahead_unless_he_wants_all_at_once() -> None:
    def ahead(paced: bool) -> float:
        model = OpenModel(lasts=40, step_s=0.004)
        engine = engine_of(model)
        engine.open("call", "anna", Manner(temperature=0.0, paced=paced))
        engine.speak("call", Utterance("a", "a piece that is not all too short, as pieces go, but has some length"))
        made, most, began = 0.0, 0.0, None
        while (rest_s := engine.rest_s(model.now)) is not None or not made:
            model.now += rest_s or 0.0
            for each in engine.step(model.now):
                began = model.now if began is None else began
                made += len(each.sound) / 24_000
                most = max(most, made - (model.now - began))
        return most

    assert ahead(paced=True) < 0.7
    assert ahead(paced=False) > 2.0


def test_a_model_that_makes_no_numbers_is_broken() -> None:
    class Broken(OpenModel):
        def step(self, batch: Batch) -> Frames:
            frames = super().step(batch)
            return Frames(frames.codes, frames.sound * np.nan)

    model = Broken()
    engine = engine_of(model)
    engine.open("call", "anna", GREEDY)
    engine.speak("call", Utterance("a", "hello"))
    with pytest.raises(EngineCrashed):
        run(engine, model)


def test_an_unknown_voice_is_the_operators_mistake() -> None:
    with pytest.raises(ConfigError):
        engine_of(OpenModel()).open("call", "nobody", GREEDY)


def test_nothing_to_say_is_over_at_once() -> None:
    model = OpenModel()
    engine = engine_of(model)
    engine.open("call", "anna", GREEDY)
    engine.speak("call", Utterance("a", "  "))
    assert [(made.ended, len(made.sound)) for made in run(engine, model)] == [("spoken", 0)]


WORDS = st.sampled_from(["yes", "no thank you", "we are open", "hello there, how are you"])
ASKS = st.tuples(st.sampled_from("abcd"), st.sampled_from(["speak", "hear", "cancel", "step", "leave"]), WORDS)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(ASKS, st.integers(0, 6)), max_size=40), st.integers(1, 4))
def test_every_context_is_the_call_s_own_and_whole(asks: list[tuple[tuple[str, str, str], int]], slots: int) -> None:
    """Four calls on few slots, in any order, cut off anywhere."""
    model = OpenModel(slots=slots, positions=4_000)
    engine = engine_of(model)
    calls = {name: _Told(name) for name in "abcd"}
    for name in calls:
        engine.open(name, "anna", GREEDY)
    for (name, ask, words), number in asks:
        call = calls[name]
        if ask == "speak":
            utterance = call.speak(words, number)
            try:
                engine.speak(name, utterance)
            except EngineOverloaded:
                call.forget(utterance)
        elif ask == "hear":
            engine.hear(name, call.hear(words))
        elif ask == "cancel" and call.own:
            engine.cancel(name, call.own[-1])
        elif ask == "leave":
            engine.close(name)
            engine.open(name, "anna", GREEDY)
        for _ in range(number if ask == "step" else 0):
            engine.step(model.now)
    run(engine, model)
    for number, rows in enumerate(model.begun):
        _check(number, rows, model)


class _Told:
    """A call as whoever holds it knows it: the first letter of all that is said in it is its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.turns: list[OwnTurn | str] = []
        self.own: list[str] = []

    def speak(self, words: str, number: int) -> Utterance:
        if self.own and number < 4:
            cut = OwnTurn(self.own[-1], number * FRAME_S, f"{self.name} {words}"[: number * 3])
            self.turns = [cut if isinstance(turn, OwnTurn) and turn.id == cut.id else turn for turn in self.turns]
        self.count += 1
        utterance = Utterance(f"u{self.count}", f"{self.name} {words}", tuple(self.turns))
        self.turns.append(OwnTurn(utterance.id))
        self.own.append(utterance.id)
        return utterance

    def forget(self, utterance: Utterance) -> None:
        self.own.remove(utterance.id)
        self.turns.pop()

    def hear(self, words: str) -> CallerTurn:
        self.count += 1
        self.turns.append(f"c{self.count}")
        return caller(f"c{self.count}", f"{self.name} {words}")


def _check(number: int, rows: Rows, model: OpenModel) -> None:
    """These rows are the voice prompt, whole segments of one call, and words; what sounds in them was heard or said."""
    prompt = told(model, words="")[:-3]
    assert np.array_equal(rows[: len(prompt)], prompt)
    rest, names = rows[len(prompt) :], set()
    while len(rest):
        assert rest[0, 0] == 1
        speaker = rest[1, 0] - 2
        ends = int(np.flatnonzero(rest[:, 0] == 0)[0])
        text, sound = bytes(rest[2:ends, 0].astype(np.uint8)).decode(), rest[1 + ends :]
        names.add(text[0])
        if not len(sound):
            assert len(names) == 1
            return
        zeros = int(np.flatnonzero(~sound[:, 1:].any(axis=1))[0])
        codes = sound[:zeros, 1:]
        assert zeros > 0
        assert (sound[: zeros + 1, 0] == TEXTLESS).all()
        if speaker == CALLER:
            assert np.array_equal(codes, model.encode(caller("", text).sound))
        else:
            assert any(np.array_equal(np.array(said[:zeros]), codes) for n, said in model.said.items() if n < number)
        rest = sound[zeros + 1 :]
    raise AssertionError("a segment begins behind its own words")
