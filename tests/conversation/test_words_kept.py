"""No word of the caller is lost or doubled, and no answer to other words is heard, however speech and verdicts fall."""

from dataclasses import dataclass, field
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import MANNER

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    CloseTurn,
    ReadAhead,
    Release,
    Remember,
    Say,
    ScoreTurn,
    StartReply,
    Transcribe,
)
from client_caller.conversation.events import (
    CallAnswered,
    Event,
    HungUp,
    Interim,
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

SPEECH = st.tuples(
    st.integers(0, 4),  # words; none of it may be a noise
    st.floats(0.05, 4.0),  # the silence after it
    st.floats(0.0, 0.6),  # how long its words take to be found
    st.floats(0.0, 1.0),  # what the models think of it
    st.booleans(),  # whether an interim comes before
)


@dataclass
class Ears:
    """A caller with words of their own, ears that hear exactly those, and models that answer as the case says."""

    conversation: Conversation = field(default_factory=lambda: Conversation(MANNER))
    now: float = 0.0
    uttered: list[str] = field(default_factory=list)
    open_words: list[str] = field(default_factory=list)  # since the last CloseTurn
    remembered: list[str] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)  # the caller's words in the history of each reply
    said: dict[int, list[str]] = field(default_factory=dict)
    audible: int | None = None
    due: list[tuple[float, Event]] = field(default_factory=list)
    found_after_s: float = 0.0
    verdict: float = 0.0

    def happen(self, event: Event) -> None:
        self.take(self.conversation.handle(event, self.now))

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Transcribe(pause=pause):
                    self.due.append((self.now + self.found_after_s, Transcript(pause, " ".join(self.open_words))))
                case ScoreTurn(pause=pause):
                    self.due.append((self.now + 0.05, TurnScored(pause, self.verdict)))
                case ReadAhead(history=history):
                    self.due.append((self.now + 0.04, WordsScored(history[-1].text, self.verdict)))
                case StartReply(reply=reply, history=history):
                    self.answers[reply] = history[-1].text
                    self.due.append((self.now + 0.2, ReplyText(reply, "So be it.")))
                    self.due.append((self.now + 0.3, ReplyEnded(reply)))
                case Say(reply=reply, text=text):
                    self.said.setdefault(reply, []).append(text)
                case Release(reply=reply):
                    self.release(reply)
                case CancelReply(reply=reply):
                    self.audible = None if self.audible == reply else self.audible
                case CloseTurn():
                    self.open_words.clear()
                case Remember(turn=turn) if turn.speaker == "caller":
                    self.remembered += turn.text.split()

    def release(self, reply: int) -> None:
        self.audible = reply
        if reply in self.answers:  # neither the greeting nor a phrase
            answered = self.answers[reply].split()
            decoded = [word for word in self.uttered if word not in self.open_words]
            assert answered == decoded[len(decoded) - len(answered) :], "the answer that is heard fits the words"

    def pass_time(self, seconds: float, *, hearing: bool = False) -> None:
        """Whatever is due happens in its order; the caller hears the agent only while the line is quiet."""
        until = self.now + seconds
        while True:
            deadline = self.conversation.deadline
            instants = [at for at, _ in self.due] + ([deadline] if deadline is not None else [])
            if not instants or min(instants) > until:
                break
            self.now = max(self.now, min(instants))
            happening = next((pair for pair in self.due if pair[0] <= self.now), None)
            if happening:
                self.due.remove(happening)
                self.happen(happening[1])
            else:
                self.take(self.conversation.handle_deadline(self.now))
            if hearing:
                self.hear()
        self.now = until

    def hear(self) -> None:
        """All that is audible is heard at once."""
        for piece, text in enumerate(self.said.pop(self.audible, []) if self.audible else []):
            self.happen(PlayedOut(self.audible or 0, piece, len(text.split()), done=True))


@settings(max_examples=400, deadline=None)
@given(st.lists(SPEECH, max_size=12), st.booleans())
def test_every_word_is_remembered_once_and_in_order(
    speeches: list[tuple[int, float, float, float, bool]], hears: bool
) -> None:
    ears, fresh = Ears(), count()
    ears.happen(CallAnswered())
    ears.hear()
    for words, silence_s, found_after_s, verdict, interim in speeches:
        ears.found_after_s, ears.verdict = found_after_s, verdict
        ears.happen(SpeechStarted(ears.now))
        ears.pass_time(0.5)
        new = [f"word{next(fresh)}" for _ in range(words)]
        ears.uttered += new
        ears.open_words += new
        if interim:
            ears.happen(Interim(" ".join(ears.open_words)))
        ears.happen(SpeechPaused(ears.now, 0.4))
        ears.pass_time(silence_s, hearing=hears)
    ears.pass_time(5.0, hearing=hears)
    ears.happen(HungUp())
    assert ears.remembered == ears.uttered
