"""Feeds a conversation and keeps what it did, so that a test reads as the call did."""

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    ClearPlayout,
    GoOn,
    Hush,
    PlayFiller,
    ReadAhead,
    Release,
    Remember,
    Say,
    ScoreTurn,
    StartReply,
    Turn,
)
from client_caller.conversation.events import (
    CallAnswered,
    Event,
    PlayedOut,
    ReplyEnded,
    ReplyText,
    Sounding,
    SpeechPaused,
    SpeechStarted,
    Transcript,
    TurnScored,
    WordsScored,
)
from client_caller.conversation.machine import Conversation
from client_caller.conversation.policy import Manner

MANNER = Manner(
    greeting="Hello, how can I help?",
    repeat="Sorry, could you say that again?",
    trouble="I am sorry, I need a moment.",
    goodbye="We have to end the call here. Goodbye.",
)


class Script:
    """One conversation and its clock. The voice sounds as soon as it has something to say, until it is heard."""

    def __init__(self, manner: Manner = MANNER) -> None:
        self.conversation = Conversation(manner)
        self.now = 0.0
        self.done: list[Action] = []
        self.pauses = 0
        self.sounding = False
        self.left: dict[int, int] = {}  # pieces handed to the voice and not heard to their end, by reply

    def happen(self, event: Event, after_s: float = 0.0) -> list[Action]:
        """Let time pass, firing deadlines on the way, then let `event` happen."""
        self.wait(after_s)
        actions = self.conversation.handle(event, self.now)
        if isinstance(event, PlayedOut):
            self.left[event.reply] = self.left.get(event.reply, 0) - event.done
        self._sound(actions)
        return actions

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass; returns what the deadlines on the way did."""
        until, actions = self.now + seconds, []
        while (deadline := self.conversation.deadline) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            due = self.conversation.handle_deadline(self.now)
            self._sound(due)
            actions += due
        self.now = until
        return actions

    def _sound(self, actions: list[Action]) -> None:
        """Keep what was done, and have the voice begin or cease to sound as it follows."""
        self.done += actions
        for action in actions:
            match action:
                case Say(reply=reply) | PlayFiller(reply=reply):
                    self.left[reply] = self.left.get(reply, 0) + 1
        hushed = [action for action in self.done if isinstance(action, Hush | GoOn | ClearPlayout)][-1:]
        audible = set(self.released()) - {action.reply for action in self.done if isinstance(action, CancelReply)}
        sounding = any(self.left.get(reply) for reply in audible) and not any(isinstance(a, Hush) for a in hushed)
        if sounding != self.sounding:
            self.sounding = sounding
            self.conversation.handle(Sounding(sounding), self.now)

    def answer_and_greet(self) -> None:
        """The call is answered and the greeting heard to its end."""
        self.happen(CallAnswered())
        self.hear_out()

    def caller_says(self, text: str, p_done: float = 0.9, p_end: float = 0.5) -> list[Action]:
        """The caller speaks for a second and pauses; the verdict on the sound and the words come 0.1 s later."""
        actions = self.happen(SpeechStarted(self.now))
        self.wait(1.0)
        self.pauses += 1
        actions = actions + self.happen(SpeechPaused(self.now - 0.064, 0.9)) + self.wait(0.1)
        if ScoreTurn(self.pauses) in actions:
            actions = actions + self.happen(TurnScored(self.pauses, p_done))
        return actions + self.words_come(text, p_end)

    def words_come(self, text: str, p_end: float = 0.5) -> list[Action]:
        """The words of the newest pause are found, and what the language model thinks of them."""
        actions = self.happen(Transcript(self.pauses, text))
        for read in [action for action in actions if isinstance(action, ReadAhead)]:
            actions = actions + self.happen(WordsScored(read.history[-1].text, p_end))
        return actions

    def agent_answers(self, *pieces: str) -> list[Action]:
        """The language model gives the current reply these pieces and ends it."""
        reply = self.reply
        actions = [action for piece in pieces for action in self.happen(ReplyText(reply, piece))]
        return actions + self.happen(ReplyEnded(reply))

    def hear(self, piece: int, words: int, *, done: bool = False) -> list[Action]:
        """The caller has heard so many words of a piece of the current reply."""
        return self.happen(PlayedOut(self.reply, piece, words, done))

    def hear_out(self) -> None:
        """The caller hears every piece of the current reply to its end, fillers too."""
        reply, played = self.reply, self.left.get(self.reply, 0)
        pieces = [a for a in self.done if isinstance(a, Say | PlayFiller) and a.reply == reply]
        for say in pieces[len(pieces) - played :]:
            self.happen(PlayedOut(reply, say.piece, len(say.text.split()), done=True), after_s=0.5)

    @property
    def reply(self) -> int:
        """The newest reply's number."""
        return max(action.reply for action in self.done if isinstance(action, StartReply | Say | PlayFiller))

    @property
    def history(self) -> list[Turn]:
        """All that was settled, in order."""
        return [action.turn for action in self.done if isinstance(action, Remember)]

    def released(self) -> list[int]:
        """The replies that were made audible, in order."""
        return [action.reply for action in self.done if isinstance(action, Release)]
