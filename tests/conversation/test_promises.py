"""What the heart promises, whatever happens and whenever."""

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from scripts import MANNER

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    ClearPlayout,
    GoOn,
    HangUp,
    Hush,
    PlayFiller,
    Release,
    Remember,
    RunTool,
    Say,
    StartReply,
    Turn,
)
from client_caller.conversation.barge_in import NOISES_KNOWN
from client_caller.conversation.events import (
    AnswererFound,
    Beeped,
    CallAnswered,
    EngineFailed,
    Event,
    HangUpOrdered,
    HungUp,
    Interim,
    KeyPressed,
    KeysOrdered,
    LineLost,
    LineResumed,
    PlayedOut,
    ReplyEnded,
    ReplyText,
    Sounding,
    SpeechPaused,
    SpeechStarted,
    ToolAnswered,
    ToolAsked,
    Transcript,
    TransferOrdered,
    TurnScored,
    WordsScored,
)
from client_caller.conversation.machine import Conversation
from client_caller.conversation.memory import Memory
from client_caller.conversation.policy import Manner
from client_caller.conversation.transitions import Phase

WORDS = st.sampled_from(
    [
        *("", "yes", "my name is", "what does it cost", "um", "stop it please now"),
        *("stop calling me", "let me speak to a human", "goodbye", "hello", "please leave a message after the tone"),
    ]
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "turn",
                "turn",
                "speech",
                "words",
                "interim",
                "score",
                "verdict",
                "text",
                "text",
                "end",
                "ask",
                "told",
                "heard",
                "heard",
                "late",
                "fail",
                "stall",
                "lose",
                "resume",
                "key",
                "order",
                "who",
                "beep",
                "wait",
                "wait",
            ]
        ),
        WORDS,
        st.floats(0.0, 4.99),
        st.integers(0, 3),
    ),
    max_size=80,
)


@dataclass
class World:
    """Everything around a conversation, as far as it may answer: a caller, engines, a voice, an ear."""

    conversation: Conversation = field(default_factory=lambda: Conversation(MANNER))
    now: float = 0.0
    speaking: bool = False
    pauses: int = 0
    script: list[tuple[float, Event | None]] = field(default_factory=list)
    done: list[tuple[float, Action]] = field(default_factory=list)
    said: dict[int, list[str]] = field(default_factory=dict)  # texts handed to the voice, by reply
    heard: dict[int, list[int]] = field(default_factory=dict)  # words played, by reply and piece
    order: dict[int, list[int]] = field(default_factory=dict)  # in which the pieces of a reply sound
    mute: set[tuple[int, int]] = field(default_factory=set)  # pieces that the voice does not get to
    stalled: bool = False
    hushed: bool = False
    sounding: bool = False
    quiet_since: float = 0.0
    longest_silence_s: float = 0.0  # while the agent had the floor
    released: list[int] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)
    ran: list[RunTool] = field(default_factory=list)
    running: list[int] = field(default_factory=list)  # tools that have not answered

    def happen(self, event: Event) -> None:
        if isinstance(event, LineLost):
            self.cancelled |= set(self.said)  # the carrier is gone, and what it had to play
        self.script.append((self.now, event))
        self.take(self.conversation.handle(event, self.now))
        if self.conversation.phase not in (Phase.THINKING, Phase.SPEAKING):
            self.quiet_since = self.now  # who had the floor since, or a fresh line, waits anew
        if self.conversation.phase is Phase.RESUMING:
            self.speaking = self.hushed = False  # a fresh line has fresh ears

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        for _ in range(50):
            deadline = self.conversation.deadline
            if deadline is None or deadline > until:
                break
            self.mind_silence(max(self.now, deadline))
            self.now = max(self.now, deadline)
            self.script.append((self.now, None))
            self.take(self.conversation.handle_deadline(self.now))
        else:
            raise AssertionError("deadlines do not move the call on")
        self.mind_silence(until)
        self.now = until

    def mind_silence(self, until: float) -> None:
        if self.conversation.phase in (Phase.THINKING, Phase.SPEAKING) and not self.sounding:
            self.longest_silence_s = max(self.longest_silence_s, until - self.quiet_since)
        else:
            self.quiet_since = until

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            self.done.append((self.now, action))
            match action:
                case Say(reply=reply, piece=piece, text=text) | PlayFiller(reply=reply, piece=piece, text=text):
                    assert reply not in self.cancelled, "nothing of a cancelled reply is ever said"
                    self.said.setdefault(reply, []).append(text)
                    assert len(self.said[reply]) == piece + 1
                    self.heard.setdefault(reply, []).append(0)
                    self._put_in_order(reply, piece, before_unheard=isinstance(action, PlayFiller))
                    if self.stalled and isinstance(action, Say):
                        self.mute.add((reply, piece))
                case Release(reply=reply):
                    assert reply not in self.cancelled
                    audible = [number for number in self.released if number not in self.cancelled]
                    assert all(self._all_heard(number) for number in audible), "never two replies audible"
                    self.released.append(reply)
                case RunTool(number=number, reply=reply, tool=tool):
                    assert reply not in self.cancelled
                    assert reply in self.released or tool == "look_up", "nothing is changed for a draft"
                    self.ran.append(action)
                    self.running.append(number)
                case CancelReply(reply=reply):
                    self.cancelled.add(reply)
                case Hush():
                    self.hushed = True
                case GoOn() | ClearPlayout():
                    self.hushed = False
        self.notice_sound()

    def _put_in_order(self, reply: int, piece: int, *, before_unheard: bool) -> None:
        """Fillers sound before what has not begun to."""
        order = self.order.setdefault(reply, [])
        unheard = [place for place, number in enumerate(order) if not self.heard[reply][number]]
        order.insert(unheard[0] if before_unheard and unheard else len(order), piece)

    def notice_sound(self) -> None:
        """The voice begins to sound as soon as there is something to hear, and ceases when there is no more."""
        sounding = not self.hushed and self._next_word() is not None
        if sounding != self.sounding:
            self.mind_silence(self.now)
            self.sounding, self.quiet_since = sounding, self.now
            self.happen(Sounding(sounding))

    def _all_heard(self, reply: int) -> bool:
        texts = self.said.get(reply, [])
        return all(count == len(text.split()) for text, count in zip(texts, self.heard.get(reply, []), strict=True))

    @property
    def says_its_last(self) -> bool:
        """Whether what sounds is said to its end: to a machine, or before the agent leaves the call."""
        place = self._next_word()
        texts = set(self.said[place[0]] if place else ())
        last = {MANNER.farewell, MANNER.opted_out, MANNER.connecting}
        return self.conversation.phase is Phase.PROBING or bool(texts & last)

    def _next_word(self) -> tuple[int, int] | None:
        """The reply and piece of the next word to sound; fillers pass by a piece that the voice does not get to."""
        for reply in self.released:
            for piece in self.order.get(reply, []):
                text = self.said[reply][piece]
                waits = self.heard[reply][piece] < len(text.split()) and (reply, piece) not in self.mute
                if reply not in self.cancelled and waits:
                    return reply, piece
        return None

    def step(self, kind: str, text: str, seconds: float, number: int) -> None:
        newest = max([*self.said, *(a.reply for _, a in self.done if isinstance(a, StartReply))], default=0)
        lost = self.conversation.phase is Phase.RESUMING
        match kind:
            case "speech":
                self.speaking = not self.speaking and not lost
                if self.speaking:
                    self.happen(SpeechStarted(self.now))
                elif not lost:
                    self.pauses += 1
                    self.happen(SpeechPaused(self.now, seconds / 4))
            case "turn" if not self.speaking and not lost:
                self.step("speech", "", 0.0, 0)
                self.pass_time(1.0)
                self.step("speech", "", 4.0, 0)
                self.happen(Transcript(self.pauses, text or "what does it cost"))
                self.pass_time(seconds)
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
            case "ask":
                tool = ("look_up", "book", "book", "hang_up")[number]
                self.happen(ToolAsked(newest, tool, "{}", reads_only=tool == "look_up"))
            case "told" if self.running:
                then: Any = ("", "hang up", "transfer", "keys", "opt out")[int(seconds)]
                told = ToolAnswered(
                    self.running.pop(0), text or "Done.", then, "1" if then == "keys" else "+12125550102"
                )
                self.happen(told)
            case "heard":
                self.hear_next()
            case "late":
                self.happen(ReplyText(max(0, newest - 1 - number), "late"))
                self.happen(Transcript(max(0, self.pauses - 1 - number), "late"))
            case "fail":
                which = ("transcriber", "turn model", "language model", "voice")[number]
                self.happen(EngineFailed(which, newest if number > 1 else self.pauses))
            case "stall":
                self.stalled = not self.stalled
                self.mute = self.mute if self.stalled else set()
                self.notice_sound()
            case "lose" if not lost:
                self.speaking = self.hushed = False
                self.happen(LineLost())
            case "resume" if lost:
                self.happen(LineResumed(("", "keys", "busy", "failed")[number]))
            case "key":
                self.happen(KeyPressed("5#90"[number]))
            case "order":
                orders = (
                    TransferOrdered(),
                    TransferOrdered("+15550100009", text),
                    KeysOrdered("1"),
                    HangUpOrdered("so"),
                )
                self.happen(orders[number])
            case "who":
                self.happen(AnswererFound(("human", "machine", "machine done", "fax")[number]))
            case "beep":
                self.happen(Beeped(self.now, "fax" if number == 0 else "beep"))
            case "wait":
                self.pass_time(seconds)

    def hear_next(self) -> None:
        """The next word of the audible reply reaches the ear."""
        if self.hushed or (place := self._next_word()) is None:
            return
        reply, piece = place
        self.heard[reply][piece] += 1
        words = self.heard[reply][piece]
        self.happen(PlayedOut(reply, piece, words, words == len(self.said[reply][piece].split())))
        self.notice_sound()


Steps = list[tuple[str, str, float, int]]

TALKATIVE = replace(
    MANNER,
    identity="Hello, this is Anna, the virtual assistant of Brightline.",
    recording="asked",
    recorded="May we record this call?",
    transfer_to="+15550100003",
    briefly="Somebody says {words}.",
    opt_out_key="9",
    human_key="0",
)
"""An agent with everything in its file."""

DIALLED = replace(TALKATIVE, outbound=True, message="Please call us back.", screened="It is about your order.")
"""The same, in a call that we placed."""

MANNERS = st.sampled_from(
    [MANNER, TALKATIVE, DIALLED, replace(DIALLED, message="", menu_keys="1", recording="announced")]
)


def play(steps: Steps, manner: Manner = MANNER) -> World:
    world = World(Conversation(manner))
    world.happen(CallAnswered())
    for step in steps:
        world.step(*step)
    return world


MEANT = {
    *("the caller was silent", "the caller said goodbye", "the agent ended the call", "opted out", "so"),
    *("a message was left", "a machine, and no message", "a menu", "a fax", "nobody spoke"),
}
"""Reasons to hang up; none of them is a failure."""


@settings(max_examples=300, deadline=None)
@given(STEPS, MANNERS)
def test_nothing_ever_raises_and_the_call_is_never_ended_by_a_failure(steps: Steps, manner: Manner) -> None:
    world = play(steps, manner)
    assert {action.reason for _, action in world.done if isinstance(action, HangUp)} <= MEANT
    awaited = world.conversation.phase in (Phase.RESUMING, Phase.ENDED)
    assert awaited or world.conversation.deadline is not None, "something always moves the call on"


@settings(max_examples=300, deadline=None)
@given(STEPS, MANNERS)
def test_history_holds_what_the_caller_heard_and_nothing_else(steps: Steps, manner: Manner) -> None:
    world = play(steps, manner)
    world.happen(HungUp())
    remembered = [action.turn for _, action in world.done if isinstance(action, Remember)]
    agent = " ".join(turn.text for turn in remembered if turn.speaker == "agent").split()
    heard = [
        word
        for reply in world.released
        for piece in world.order.get(reply, [])
        for word in world.said[reply][piece].split()[: world.heard[reply][piece]]
    ]
    assert agent == heard


@settings(max_examples=300, deadline=None)
@given(STEPS, MANNERS)
def test_the_history_given_to_the_model_alternates_and_ends_with_the_caller(steps: Steps, manner: Manner) -> None:
    for _, action in play(steps, manner).done:
        if isinstance(action, StartReply):
            speakers = [turn.speaker for turn in action.history]
            assert speakers[-1] in ("caller", "tool")
            assert all(one != other or one == "tool" for one, other in itertools.pairwise(speakers))


@settings(max_examples=300, deadline=None)
@given(STEPS, MANNERS)
def test_a_tool_is_run_once_and_what_it_told_is_never_forgotten(steps: Steps, manner: Manner) -> None:
    world = play(steps, manner)
    assert [run.number for run in world.ran] == list(range(1, len(world.ran) + 1))
    if world.conversation.phase in (Phase.RESUMING, Phase.ENDED):
        return
    for number in world.running:
        world.happen(ToolAnswered(number, f"result {number}"))
    world.happen(HungUp())
    remembered = [action.turn for _, action in world.done if isinstance(action, Remember)]
    kept = sum(turn.speaker == "tool" for turn in remembered)
    assert kept == sum(run.reply in world.released for run in world.ran)


@settings(max_examples=200, deadline=None)
@given(STEPS, MANNERS)
def test_after_the_end_there_is_no_action(steps: Steps, manner: Manner) -> None:
    world = play(steps, manner)
    world.happen(HungUp())
    before = len(world.done)
    for step in steps:
        world.step(*step)
    world.pass_time(10_000)
    assert len(world.done) == before


@settings(max_examples=200, deadline=None)
@given(STEPS, MANNERS)
def test_a_caller_who_breaks_in_silences_whatever_is_audible(steps: Steps, manner: Manner) -> None:
    world = World(Conversation(manner))
    world.happen(CallAnswered())
    for step in steps:
        broken_in = step[0] == "speech" and not world.speaking and world.sounding and not world.says_its_last
        alarms = sum(isinstance(action, GoOn) for _, action in world.done)
        world.step(*step)
        if broken_in and alarms < NOISES_KNOWN:
            assert not world.sounding


@settings(max_examples=300, deadline=None)
@given(STEPS, MANNERS)
@example([("stall", "", 0.0, 0), ("key", "", 0.0, 1), ("wait", "", 1.0, 0), ("order", "", 0.0, 1)], MANNER)
def test_the_caller_is_never_left_in_silence_while_the_agent_has_the_floor(steps: Steps, manner: Manner) -> None:
    world = play(steps, manner)
    world.pass_time(20.0)
    assert world.longest_silence_s <= MANNER.filler_after_s + 1e-6


@settings(max_examples=200, deadline=None)
@given(STEPS, MANNERS)
def test_the_same_script_gives_the_same_actions(steps: Steps, manner: Manner) -> None:
    world = play(steps, manner)
    again = Conversation(manner)
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
