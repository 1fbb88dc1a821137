"""The heart: decides who has the floor. Events in, actions out, `now` as an argument, one deadline.

Rule 1: no clock, no task, no logger, no chance; the same script of events gives the same actions, so a recorded call
        replays exactly.
Rule 2: news of a pause or a reply that has been superseded is dropped in one place, `_is_stale`.
Rule 3: history is settled late: the caller's words when the first word of an answer to them has been heard, the agent's
        when they have been heard. What nobody heard leaves no trace, and the caller's turn goes on where it was.
"""

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    ClearPlayout,
    CloseTurn,
    HangUp,
    ReadAhead,
    Release,
    Remember,
    Say,
    ScoreTurn,
    StartReply,
    Transcribe,
)
from client_caller.conversation.caller_words import CallerWords
from client_caller.conversation.events import (
    CallAnswered,
    EngineFailed,
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
from client_caller.conversation.habits import Habits
from client_caller.conversation.languages import LANGUAGES
from client_caller.conversation.memory import Memory
from client_caller.conversation.pause import DRAFT_WITHIN_S, DRAFTS_AT_MOST, Pause
from client_caller.conversation.policy import UNKNOWN, Manner
from client_caller.conversation.reply import Reply
from client_caller.conversation.transitions import TRANSITIONS, Deadline, Phase, Trigger
from client_caller.errors import LocalProtocolError


class Conversation:
    """One call's conversation. Feed it events; do what it answers; call `handle_deadline` at `deadline`."""

    def __init__(self, manner: Manner) -> None:
        self.phase = Phase.RINGING
        self.deadline: float | None = None  # call time at which to call handle_deadline
        self._phase_since = 0.0
        self._manner = manner
        self._memory = Memory()
        self._words = CallerWords(self._memory, LANGUAGES[manner.language])
        self._ends_at = 0.0  # call time at which the call has lasted long enough
        self._habits = Habits()
        self._pause = Pause(0, 0.0)
        self._unheard = ""  # what the caller silenced by speaking, in case it was only a noise
        self._reply: Reply | None = None
        self._replies = 0
        self._drafts = 0
        self._retried = False
        self._leaving = ""  # the reason, once the goodbye is being said

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do about `event`, in order. Raises LocalProtocolError when it is impossible in this phase."""
        if self._is_stale(event):
            return []
        came_from = self._admit(type(event))
        actions = self._on_event(event, now)
        self._settle_step(came_from, type(event), now)
        return actions

    def handle_deadline(self, now: float) -> list[Action]:
        """What to do at `now` if the deadline has come; nothing otherwise."""
        if self.deadline is None or now < self.deadline:
            return []
        came_from = self._admit(Deadline)
        actions = self._on_deadline(now)
        self._settle_step(came_from, Deadline, now)
        return actions

    # The frame around every step.

    def _is_stale(self, event: Event) -> bool:
        if self.phase is Phase.ENDED:
            return True
        reply = self._reply.number if self._reply else None
        match event:
            case Transcript(pause=number):
                return self.phase is not Phase.PAUSED or number != self._pause.number or self._pause.text is not None
            case TurnScored(pause=number):
                return self.phase is not Phase.PAUSED or number != self._pause.number
            case Interim():
                return self.phase is not Phase.LISTENING
            case WordsScored():
                return self.phase not in (Phase.LISTENING, Phase.PAUSED)
            case EngineFailed(engine="transcriber" | "turn model", number=number):
                return self.phase is not Phase.PAUSED or number != self._pause.number
            case EngineFailed(engine="language model", number=0):
                return self.phase is not Phase.PAUSED
            case ReplyText(reply=number) | ReplyEnded(reply=number) | PlayedOut(reply=number):
                return number != reply
            case EngineFailed(number=number):
                return number != reply
        return False

    def _admit(self, trigger: Trigger) -> Phase:
        if trigger not in TRANSITIONS[self.phase]:
            raise LocalProtocolError(f"{trigger.__name__} cannot happen while {self.phase.value}")
        return self.phase

    def _settle_step(self, came_from: Phase, trigger: Trigger, now: float) -> None:
        if self.phase not in TRANSITIONS[came_from][trigger]:
            raise LocalProtocolError(f"{trigger.__name__} cannot lead from {came_from.value} to {self.phase.value}")
        if self.phase is not came_from:
            self._phase_since = now
        self.deadline = self._next_deadline()

    def _next_deadline(self) -> float | None:
        if self.phase in (Phase.RINGING, Phase.ENDED):
            return None
        if self.phase is Phase.THINKING and not self._leaving:
            return min(self._phase_since + self._manner.think_within_s, self._ends_at)
        if self.phase is not Phase.PAUSED or self._leaving:
            return self._ends_at
        pause, manner, slower = self._pause, self._manner, self._habits.slower
        due = pause.score_at(manner), pause.draft_at(manner, slower), pause.commit_at(manner, slower)
        return min(*due, self._ends_at)

    # What each event means.

    def _on_event(self, event: Event, now: float) -> list[Action]:
        match event:
            case CallAnswered():
                self._ends_at = now + self._manner.max_call_s
                return self._say(self._manner.greeting)
            case SpeechStarted(at=at):
                return self._on_speech(at)
            case SpeechPaused():
                return self._on_pause(event)
            case Interim(text=text):
                return self._on_interim(text)
            case TurnScored():
                self._pause.p_done = event.p_done
            case WordsScored():
                return self._on_verdict(event, now)
            case Transcript():
                return self._on_words(event.text, now)
            case ReplyText():
                return self._on_reply_text(event.text)
            case ReplyEnded():
                return self._on_reply_ended()
            case PlayedOut():
                return self._on_heard(event)
            case EngineFailed():
                return self._on_failure(event, now)
            case HungUp():
                return self._on_hung_up()
        return []  # a key pressed means nothing yet

    def _on_deadline(self, now: float) -> list[Action]:
        if now >= self._ends_at:
            return self._hang_up() if self._leaving else self._take_leave("the call lasted as long as it may", now)
        if self.phase is Phase.THINKING:
            return self._replace_failed_reply()
        return self._on_silence(now)

    def _on_speech(self, at: float) -> list[Action]:
        if self._leaving:
            return []
        actions: list[Action] = []
        if self._reply and self._reply.released:
            if self.phase is Phase.SPEAKING:
                actions.append(ClearPlayout())
                self._unheard = self._reply.unheard_text
            if self._words.carried:
                self._habits.answered_too_soon()
            actions += self._drop_reply()
        if self.phase is Phase.PAUSED and self._pause.text:
            self._habits.paused(at - self._pause.at)
        if self.phase in (Phase.LISTENING, Phase.SPEAKING):  # otherwise it has been read already
            actions.append(self._read_ahead())
        self.phase = Phase.LISTENING
        return actions

    def _on_interim(self, text: str) -> list[Action]:
        self._words.decoded(text)
        actions = self._drop_outdated_draft()
        if self._words.verdict() is None:
            actions.append(self._read_ahead())
        return actions

    def _on_pause(self, event: SpeechPaused) -> list[Action]:
        if self._leaving:
            return []
        self._pause = Pause(self._pause.number + 1, event.at, self._memory.said_by_agent)
        self._retried = False
        self.phase = Phase.PAUSED
        return [Transcribe(self._pause.number)]

    def _on_words(self, text: str, now: float) -> list[Action]:
        self._words.decoded(text)
        self._pause.text = self._words.turn if text else ""
        actions = self._drop_outdated_draft()
        if text:
            self._unheard = ""
            self._pause.drafted = self._reply is not None or self._drafts >= DRAFTS_AT_MOST
            self._pause.p_end = self._words.verdict()
            if self._pause.p_end is None:
                actions.append(self._read_ahead())
            return [*actions, *self._draft_if_due(now)]
        if self._unheard:  # it was a noise that silenced the agent
            return [*actions, self._close_turn(), *self._say(self._unheard)]
        if self._words.carried:  # it was a noise that stopped an answer in the making
            return [*actions, *self._commit()]
        self.phase = Phase.LISTENING
        return actions

    def _on_verdict(self, event: WordsScored, now: float) -> list[Action]:
        self._words.judge(event.text, UNKNOWN if event.p_end is None else event.p_end)
        if self.phase is not Phase.PAUSED or not self._pause.text:
            return []
        if (p_end := self._words.verdict()) is not None:
            self._pause.p_end = p_end
        return self._draft_if_due(now)

    def _on_silence(self, now: float) -> list[Action]:
        """The pause has lasted long enough for something."""
        pause, actions = self._pause, self._draft_if_due(now)
        if now >= pause.score_at(self._manner):
            pause.scoring = True
            actions.append(ScoreTurn(pause.number))
        if now < pause.commit_at(self._manner, self._habits.slower):
            return actions
        if pause.text is None:
            return [*actions, self._close_turn(), *self._say(self._manner.repeat)]
        return [*actions, *self._commit()]

    def _draft_if_due(self, now: float) -> list[Action]:
        if now < self._pause.draft_at(self._manner, self._habits.slower):
            return []
        self._pause.drafted = True
        self._pause.sound_by = now + DRAFT_WITHIN_S
        self._drafts += 1
        return self._start_reply()

    def _drop_outdated_draft(self) -> list[Action]:
        """A draft lives as long as the words it answers are the caller's words."""
        return self._drop_reply() if self._reply and self._words.differ(self._reply.answers) else []

    def _close_turn(self) -> Action:
        self._words.close()
        return CloseTurn()

    def _commit(self) -> list[Action]:
        """The caller's turn is over: the agent has the floor, with whatever of the draft is there."""
        actions: list[Action] = [self._close_turn()]
        if self._reply is None:
            actions += self._start_reply()
        self._drafts = 0
        self._habits.turn_ended()
        return [*actions, *self._release()]

    def _on_reply_text(self, text: str) -> list[Action]:
        assert self._reply is not None
        self._reply.pieces.append(text)
        self._reply.heard.append(0)
        self._pause.sound_by = 0.0
        if self.phase is Phase.THINKING:
            self.phase = Phase.SPEAKING
        return [Say(self._reply.number, len(self._reply.pieces) - 1, text)]

    def _on_reply_ended(self) -> list[Action]:
        assert self._reply is not None
        self._reply.ended = True
        if not self._reply.pieces:
            return self._replace_failed_reply()
        return self._finish_if_heard()

    def _on_heard(self, event: PlayedOut) -> list[Action]:
        reply = self._reply
        assert reply is not None
        reply.heard[event.piece] = max(reply.heard[event.piece], event.words)
        reply.done += event.done
        actions: list[Action] = []
        if self._words.turn and reply.heard_text:
            actions.append(Remember(self._words.settle()))
        return [*actions, *self._finish_if_heard()]

    def _on_failure(self, failure: EngineFailed, now: float) -> list[Action]:
        match failure:
            case EngineFailed(engine="transcriber"):
                self._pause.failed = True
            case EngineFailed(engine="turn model"):
                self._pause.p_done = UNKNOWN
            case EngineFailed(engine="language model", number=0):
                self._pause.p_end = UNKNOWN
                return self._draft_if_due(now)
            case EngineFailed(engine="language model"):
                return self._on_reply_ended()
            case EngineFailed(engine="voice"):  # without a piece there was nothing for it to fail at
                return self._give_up_reply() if self._reply and self._reply.pieces else []
        return []

    def _on_hung_up(self) -> list[Action]:
        actions = self._drop_reply() if self._reply else []
        if self._words.turn:
            actions.append(Remember(self._words.settle()))
        self.phase = Phase.ENDED
        return actions

    # The life of a reply.

    def _read_ahead(self) -> Action:
        """Have the model read what the reply will begin from: the history and the caller's words so far."""
        return ReadAhead(self._words.history())

    def _start_reply(self) -> list[Action]:
        self._replies += 1
        self._reply = Reply(self._replies, self._words.turn)
        return [StartReply(self._replies, self._words.history())]

    def _release(self) -> list[Action]:
        assert self._reply is not None
        self._reply.released = True
        self.phase = Phase.SPEAKING if self._reply.pieces else Phase.THINKING
        return [Release(self._reply.number)]

    def _say(self, text: str) -> list[Action]:
        """Say a phrase that needs no language model."""
        self._replies += 1
        self._unheard = ""
        self._reply = Reply(self._replies, self._words.carried, [text], [0], ended=True)
        return [Say(self._replies, 0, text), *self._release()]

    def _drop_reply(self) -> list[Action]:
        """Stop the reply; what the caller heard of it is history, the rest never was."""
        reply, self._reply = self._reply, None
        assert reply is not None
        actions: list[Action] = [CancelReply(reply.number)]
        if reply.heard_text:
            turn = self._memory.add("agent", reply.heard_text, interrupted=bool(reply.unheard_text) or not reply.ended)
            actions.append(Remember(turn))
        return actions

    def _finish_if_heard(self) -> list[Action]:
        reply = self._reply
        assert reply is not None
        if not reply.is_over:
            return []
        self._reply = None
        actions: list[Action] = []
        if reply.heard_text:
            actions.append(Remember(self._memory.add("agent", reply.heard_text)))
        if self._leaving:
            return [*actions, *self._hang_up()]
        self.phase = Phase.LISTENING
        return actions

    def _replace_failed_reply(self) -> list[Action]:
        """The reply came to nothing: try once more, then apologise."""
        failed, self._reply = self._reply, None
        assert failed is not None
        actions: list[Action] = [CancelReply(failed.number)]
        if not failed.released:  # a draft: the commit starts another
            self._pause.sound_by = 0.0
            return actions
        if self._retried:
            return [*actions, *self._say(self._manner.trouble)]
        self._retried = True
        return [*actions, *self._start_reply(), *self._release()]

    def _give_up_reply(self) -> list[Action]:
        """The voice cannot say the rest of it."""
        released = self._reply is not None and self._reply.released
        actions = self._drop_reply()
        if self._leaving:
            return [*actions, *self._hang_up()]
        if released:
            self.phase = Phase.LISTENING
        return actions

    def _take_leave(self, reason: str, now: float) -> list[Action]:
        actions: list[Action] = []
        if self._reply:
            actions = [ClearPlayout(), *self._drop_reply()] if self._reply.released else self._drop_reply()
        self._leaving = reason
        self._ends_at = now + self._manner.part_within_s
        return [*actions, self._close_turn(), *self._say(self._manner.goodbye)]

    def _hang_up(self) -> list[Action]:
        actions = self._drop_reply() if self._reply else []
        self.phase = Phase.ENDED
        return [*actions, HangUp(self._leaving)]
