"""What the heart promises, whatever happens and whenever."""

import itertools
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import MANNER

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    ClearPlayout,
    HangUp,
    Release,
    Remember,
    Say,
    StartReply,
    Turn,
)
from client_caller.conversation.events import (
    CallAnswered,
    EngineFailed,
    Event,
    HungUp,
    Interim,
    KeyPressed,
    PlayedOut,
    ReplyEnded,
    ReplyText,
    SpeechPaused,
    SpeechStarted,
    Transcript,
    TurnScored,
    WordsScored,
)
from client_caller.conversation.machine import Conversation
from client_caller.conversation.memory import Memory
from client_caller.conversation.transitions import Phase

WORDS = st.sampled_from(["", "yes", "my name is", "what does it cost", "um", "stop it please now"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "speech",
                "words",
                "interim",
                "score",
                "verdict",
                "text",
                "text",
                "end",
                "heard",
                "heard",
                "late",
                "fail",
                "key",
                "wait",
                "wait",
            ]
        ),
        WORDS,
        st.floats(0.0, 4.0),
        st.integers(0, 3),
    ),
    max_size=80,
)


@dataclass
class World:
    """Everything around a conversation, as far as it may answer: a caller, engines, an ear."""

    conversation: Conversation = field(default_factory=lambda: Conversation(MANNER))
    now: float = 0.0
    speaking: bool = False
    pauses: int = 0
    script: list[tuple[float, Event | None]] = field(default_factory=list)
    done: list[tuple[float, Action]] = field(default_factory=list)
    said: dict[int, list[str]] = field(default_factory=dict)  # texts handed to the voice, by reply
    heard: dict[int, list[int]] = field(default_factory=dict)  # words played, by reply and piece
    released: list[int] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)

    def happen(self, event: Event) -> None:
        self.script.append((self.now, event))
        self.take(self.conversation.handle(event, self.now))

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        for _ in range(50):
            deadline = self.conversation.deadline
            if deadline is None or deadline > until:
                break
            self.now = max(self.now, deadline)
            self.script.append((self.now, None))
            self.take(self.conversation.handle_deadline(self.now))
        else:
            raise AssertionError("deadlines do not move the call on")
        self.now = until

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            self.done.append((self.now, action))
            match action:
                case Say(reply=reply, piece=piece, text=text):
                    assert reply not in self.cancelled, "nothing of a cancelled reply is ever said"
                    self.said.setdefault(reply, []).append(text)
                    assert len(self.said[reply]) == piece + 1
                    self.heard.setdefault(reply, []).append(0)
                case Release(reply=reply):
                    assert reply not in self.cancelled
                    audible = [number for number in self.released if number not in self.cancelled]
                    assert all(self._all_heard(number) for number in audible), "never two replies audible"
                    self.released.append(reply)
                case CancelReply(reply=reply):
                    self.cancelled.add(reply)

    def _all_heard(self, reply: int) -> bool:
        texts = self.said.get(reply, [])
        return all(count == len(text.split()) for text, count in zip(texts, self.heard.get(reply, []), strict=True))

    def step(self, kind: str, text: str, seconds: float, number: int) -> None:
        newest = max([*self.said, *(a.reply for _, a in self.done if isinstance(a, StartReply))], default=0)
        match kind:
            case "speech":
                self.speaking = not self.speaking
                if self.speaking:
                    self.happen(SpeechStarted(self.now))
                else:
                    self.pauses += 1
                    self.happen(SpeechPaused(self.now, 0.5))
            case "words":
                self.happen(Transcript(self.pauses, text))
            case "interim":
                self.happen(Interim(text))
            case "score":
                self.happen(TurnScored(self.pauses, seconds / 4))
            case "verdict":
                self.happen(WordsScored(text, (None, 0.01, 0.3, 0.9)[number]))
            case "text":
                self.happen(ReplyText(newest, text or "Hm."))
            case "end":
                self.happen(ReplyEnded(newest))
            case "heard":
                self.hear_next()
            case "late":
                self.happen(ReplyText(max(0, newest - 1 - number), "late"))
                self.happen(Transcript(max(0, self.pauses - 1 - number), "late"))
            case "fail":
                which = ("transcriber", "turn model", "language model", "voice")[number]
                self.happen(EngineFailed(which, newest if number > 1 else self.pauses))
            case "key":
                self.happen(KeyPressed("5"))
            case "wait":
                self.pass_time(seconds)

    def hear_next(self) -> None:
        """The next word of the audible reply reaches the ear."""
        for reply in self.released:
            if reply in self.cancelled:
                continue
            for piece, text in enumerate(self.said.get(reply, [])):
                if self.heard[reply][piece] < len(text.split()):
                    self.heard[reply][piece] += 1
                    words = self.heard[reply][piece]
                    self.happen(PlayedOut(reply, piece, words, words == len(text.split())))
                    return


def play(steps: list[tuple[str, str, float, int]]) -> World:
    world = World()
    world.happen(CallAnswered())
    for step in steps:
        world.step(*step)
    return world


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_nothing_ever_raises_and_the_call_is_never_ended_by_a_failure(steps: list[tuple[str, str, float, int]]) -> None:
    world = play(steps)
    assert not any(isinstance(action, HangUp) for _, action in world.done)
    assert world.conversation.phase is not Phase.ENDED
    assert world.conversation.deadline is not None, "something always moves the call on"


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_history_holds_what_the_caller_heard_and_nothing_else(steps: list[tuple[str, str, float, int]]) -> None:
    world = play(steps)
    world.happen(HungUp())
    remembered = [action.turn for _, action in world.done if isinstance(action, Remember)]
    agent = " ".join(turn.text for turn in remembered if turn.speaker == "agent").split()
    heard = [
        word
        for reply in world.released
        for text, count in zip(world.said.get(reply, []), world.heard.get(reply, []), strict=True)
        for word in text.split()[:count]
    ]
    assert agent == heard


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_the_history_given_to_the_model_alternates_and_ends_with_the_caller(
    steps: list[tuple[str, str, float, int]],
) -> None:
    for _, action in play(steps).done:
        if isinstance(action, StartReply):
            speakers = [turn.speaker for turn in action.history]
            assert speakers[-1] == "caller"
            assert all(one != other for one, other in itertools.pairwise(speakers))


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_after_the_end_there_is_no_action(steps: list[tuple[str, str, float, int]]) -> None:
    world = play(steps)
    world.happen(HungUp())
    before = len(world.done)
    for step in steps:
        world.step(*step)
    world.pass_time(10_000)
    assert len(world.done) == before


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_a_barge_in_clears_whatever_was_audible(steps: list[tuple[str, str, float, int]]) -> None:
    world = World()
    world.happen(CallAnswered())
    for step in steps:
        audible = world.conversation.phase is Phase.SPEAKING
        before = len(world.done)
        world.step(*step)
        if audible and step[0] == "speech" and world.speaking:
            assert ClearPlayout() in [action for _, action in world.done[before:]]


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_the_same_script_gives_the_same_actions(steps: list[tuple[str, str, float, int]]) -> None:
    world = play(steps)
    again = Conversation(MANNER)
    actions: list[tuple[float, Action]] = []
    for now, event in world.script:
        done = again.handle_deadline(now) if event is None else again.handle(event, now)
        actions += [(now, action) for action in done]
    assert actions == world.done


@given(st.lists(st.tuples(st.sampled_from(["caller", "agent"]), st.text("ab ", min_size=1)), max_size=20))
def test_memory_alternates_whoever_speaks(turns: list[tuple[str, str]]) -> None:
    memory = Memory()
    for speaker, text in turns:
        memory.add(speaker, text)
    speakers = [turn.speaker for turn in memory.turns]
    assert all(one != other for one, other in itertools.pairwise(speakers))
    assert memory.with_caller("x")[-1] in (
        Turn("caller", "x"),
        Turn("caller", f"{memory.turns[-1].text} x") if memory.turns else None,
    )
