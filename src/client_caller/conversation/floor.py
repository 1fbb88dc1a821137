"""The floor: who has it, and what every event means for that.

In:   events that matter, deadlines.     Out: actions, and the next deadline.
Rule: history is settled late: the caller's words when the first word of an answer to them has been heard, the agent's
      when they have been heard. What nobody heard leaves no trace, and the caller's turn goes on where it was.

The caller's open turn is kept in `caller_words.py`, a silence of the caller in `pause.py`, a sound of the caller over
the agent's voice in `barge_in.py`, the agent's reply in `answering.py`. Here stands what leads from one to the other.
What a call is about beyond that, from its opening to its end, is the business of `course.py`.
"""

from collections.abc import Callable
from math import inf

from client_caller.conversation import actions as do
from client_caller.conversation import events as ev
from client_caller.conversation.answering import Answering
from client_caller.conversation.barge_in import NOISES_KNOWN, Overlap, interrupts
from client_caller.conversation.caller_words import CallerWords
from client_caller.conversation.habits import Habits
from client_caller.conversation.languages import LANGUAGES
from client_caller.conversation.memory import Memory
from client_caller.conversation.pause import DRAFTS_AT_MOST, SPOKEN_S, Pause
from client_caller.conversation.policy import UNKNOWN, Manner
from client_caller.conversation.transitions import Phase

Actions = list[do.Action]


class Floor:
    """Decides for one conversation who has the floor. `phase` says who has it.

    on_turn: asked when a turn of the caller is judged over what is to be done about it; None: it is answered;
    on_told: asked how a reply goes on that has stopped for tools.
    """

    def __init__(
        self, manner: Manner, on_turn: Callable[[float], Actions | None], on_told: Callable[[float], Actions]
    ) -> None:
        self.phase = Phase.RINGING
        self.bound = False
        self.memory = Memory()
        self._manner = manner
        self._on_turn = on_turn
        self._on_told = on_told
        self._language = LANGUAGES[manner.language]
        self.words = CallerWords(self.memory, self._language)
        self.agent = Answering(manner, self.memory, self.words)
        self._habits = Habits()
        self.pause = Pause(0, 0.0)
        self._drafts = 0
        self._asked_again = False  # and no word was understood since
        self.overlap: Overlap | None = None  # a sound of the caller over the agent's voice
        self._false_alarms = 0  # in this answer

    def next_deadline(self) -> float:
        """The call time at which something is due if nothing happens before; infinite when nothing is."""
        due = [inf]
        if self.phase is Phase.PAUSED and not self.bound:
            due.append(self.pause.due_at(self._manner, self._habits.slower))
        if self.phase is Phase.HUSHED and self.overlap:
            due.append(self.overlap.due_at)
        if self.phase in (Phase.THINKING, Phase.SPEAKING):
            due.append(self.agent.filler_at if self.bound else min(self.agent.filler_at, self.agent.stuck_at))
        return min(due)

    # What each event means.

    def on_event(self, event: ev.Event, now: float) -> Actions:
        """What to do about an event that the phase admits."""
        match event:
            case ev.SpeechStarted(at=at):
                return self._on_speech(at, now)
            case ev.SpeechPaused():
                return self._on_pause(event, now)
            case ev.Interim(text=text):
                return self._on_overlap_interim(text, now) if self.overlap else self._on_interim(text)
            case ev.TurnScored():
                self.pause.p_done = event.p_done
            case ev.WordsScored():
                return self._on_verdict(event, now)
            case ev.Transcript(text=text):
                return self._on_overlap_words(text, now) if self.overlap else self._on_words(text, now)
            case ev.ReplyText(text=text):
                return self._on_reply_text(text, now)
            case ev.ReplyEnded():
                return self._on_reply_ended(now)
            case ev.PlayedOut():
                return [*self.agent.hear(event, now), *self.finish_if_heard()]
            case ev.Sounding(on=on):
                self.agent.sounds(on, now)
            case ev.EngineFailed():
                return self._on_failure(event, now)
        return []

    def on_deadline(self, now: float) -> Actions:
        """What to do now that `next_deadline` has come."""
        if self.phase is Phase.HUSHED:
            return self._judge_by_length(now)
        if self.phase is Phase.PAUSED:
            return self._on_silence(now)
        if now >= self.agent.stuck_at and not self.bound:  # whatever should have come next has failed
            if self.agent.gives_up_tools(now):
                return self._on_told(now)
            return self._on_reply_ended(now) if self.agent.is_making else self._on_voice_failed(now)
        self.phase = Phase.SPEAKING
        return self.agent.bridge(now)

    # What the course of the call asks for.

    def say(self, phrases: list[str], now: float, awaited_since: float | None = None) -> Actions:
        """Say phrases that need no language model. awaited_since: the caller has waited since then."""
        return self._take_floor(self.agent.say(phrases, now, awaited_since))

    def bind(self, now: float) -> Actions:
        """What the agent says now is said to its end, whoever speaks meanwhile."""
        actions = self.go_on(now) if self.overlap and self.phase is Phase.HUSHED else []
        self.bound, self.overlap = True, None
        return actions

    def answer(self, history: tuple[do.Turn, ...], bridge: str, now: float) -> Actions:
        """Say a phrase, if there is one, and behind it the answer that is due to this history."""
        actions = [*self.agent.start(history), *self.agent.release(now)]
        return self._take_floor([*actions, *(self.agent.bridge(now, bridge) if bridge else [])])

    def cede(self, cut_by: do.CutBy = "caller") -> Actions:
        """Break off whatever the agent says or is about to say, and take the caller's words as they are."""
        cleared: Actions = [do.ClearPlayout()] if self.agent.is_released else []
        self.overlap = None
        return [*cleared, *self.agent.drop(cut_by), self.close_turn()]

    def take_words(self, text: str, now: float) -> Actions:
        """The caller has told something without a voice, and waits for an answer."""
        self.words.tell(text)
        actions = self._drop_outdated_draft()
        self.pause = Pause(self.pause.number + 1, now, self.memory.said_by_agent)
        return [*actions, *self.commit(now)]

    def interrupt(self) -> Actions:
        """The caller wants the floor, without a voice."""
        return self._yield_floor() if self.agent.is_released else []

    def close_turn(self) -> do.Action:
        """What the caller says from now on is decoded by itself."""
        self.words.close()
        return do.CloseTurn()

    # The caller has the floor.

    def _on_speech(self, at: float, now: float) -> Actions:
        if self.bound:
            return []
        if self.phase in (Phase.SPEAKING, Phase.HUSHED):
            return self._on_overlap(now)
        if self.phase is Phase.PAUSED and self.pause.text:
            self._habits.paused(at - self.pause.at)
        actions: Actions = []
        if self.phase is Phase.THINKING:  # the answer had no word to say yet
            actions = self._yield_floor()
        elif self.phase is Phase.LISTENING:  # otherwise it has been read already
            actions.append(self._read_ahead())
        self.phase = Phase.LISTENING
        return actions

    def _on_interim(self, text: str) -> Actions:
        self.words.decoded(text)
        actions = self._drop_outdated_draft()
        if self.words.verdict() is None:
            actions.append(self._read_ahead())
        return actions

    def _on_pause(self, event: ev.SpeechPaused, now: float) -> Actions:
        if self.phase is Phase.SPEAKING and self.overlap is None:  # in the goodbye
            return []
        self.pause = Pause(self.pause.number + 1, event.at, self.memory.said_by_agent, event.voiced_s)
        asked: Actions = [do.Transcribe(self.pause.number)]
        if self.overlap is None:
            self.phase = Phase.PAUSED
            return asked
        self.overlap.stops(event.voiced_s, now)
        harmless = self.overlap.is_harmless(event.at)  # unless its words still come out differently
        return [*asked, *self._speak_on(self.overlap, now)] if harmless else asked

    def _on_words(self, text: str, now: float) -> Actions:
        gone = self.words.decoded(text)
        self.pause.text = self.words.turn if text else ""
        actions = self._drop_outdated_draft()
        if text:
            self._asked_again = False
            self.pause.drafted = self.agent.reply is not None or self._drafts >= DRAFTS_AT_MOST
            self.pause.p_end = self.words.verdict()
            if self.pause.p_end is None:
                actions.append(self._read_ahead())
            return [*actions, *self._draft_if_due(now)]
        if self.words.carried:  # it was a noise that stopped an answer in the making
            return [*actions, *self.commit(now)]
        if self.memory.ends_with_a_tool:  # the same, and what was asked for is settled, for a tool has run
            return [*actions, *self.answer(self.memory.turns, "", now)]
        if (gone or self.pause.voiced_s >= SPOKEN_S) and not self._asked_again:  # the caller waits for an answer to it
            self.pause.text, self.pause.failed = None, True
            return actions
        self.phase = Phase.LISTENING
        return actions

    def _on_verdict(self, event: ev.WordsScored, now: float) -> Actions:
        self.words.judge(event.text, UNKNOWN if event.p_end is None else event.p_end)
        if self.phase is not Phase.PAUSED or not self.pause.text:
            return []
        if (p_end := self.words.verdict()) is not None:
            self.pause.p_end = p_end
        return self._draft_if_due(now)

    def _on_silence(self, now: float) -> Actions:
        """The pause has lasted long enough for something."""
        pause, actions = self.pause, self._draft_if_due(now)
        if now >= pause.score_at(self._manner):
            pause.scoring = True
            actions.append(do.ScoreTurn(pause.number))
        if now < pause.commit_at(self._manner, self._habits.slower):
            return actions
        if pause.text is None:
            self._asked_again = True
            return [*actions, self.close_turn(), *self.say([self._manner.repeat], now)]
        return [*actions, *self.commit(now)]

    def _draft_if_due(self, now: float) -> Actions:
        if now < self.pause.draft_at(self._manner, self._habits.slower):
            return []
        self.pause.draft(now)
        self._drafts += 1
        return self.agent.start()

    def _drop_outdated_draft(self) -> Actions:
        """A draft lives as long as the words it answers are the caller's words."""
        reply = self.agent.reply
        return self.agent.drop("caller") if reply and self.words.differ(reply.answers) else []

    def _read_ahead(self) -> do.Action:
        """Have the model read what the reply will begin from: the history and the caller's words so far."""
        return do.ReadAhead(self.words.history())

    # A sound of the caller while the agent has the floor.

    def _on_overlap(self, now: float) -> Actions:
        reply = self.agent.reply
        assert reply is not None
        if self.overlap is None and reply.ended and not reply.unheard_words:
            return [*self._yield_floor(), self._read_ahead()]
        self.overlap = self.overlap or Overlap(now)
        self.overlap.goes_on(now)
        if self.phase is Phase.HUSHED:
            return []
        self.overlap.spoken_over = self._false_alarms >= NOISES_KNOWN
        if self.overlap.spoken_over:
            return []
        self.phase = Phase.HUSHED
        return [do.Hush(), *([] if self.words.turn else [do.ReadAhead(self.agent.if_cut())])]

    def _on_overlap_interim(self, text: str, now: float) -> Actions:
        assert self.overlap is not None
        if not self._interrupts(text):
            self.overlap.wordless, self.overlap.harmless_at = not text, now
            return []
        return [*self._yield_floor(), *self._on_interim(text)] if self.overlap.may_interrupt(now) else []

    def _on_overlap_words(self, text: str, now: float) -> Actions:
        if self._interrupts(text):
            return [*self._yield_floor(Phase.PAUSED), *self._on_words(text, now)]
        return self.go_on(now)

    def _interrupts(self, text: str) -> bool:
        assert self.overlap is not None
        assert self.agent.reply is not None
        return interrupts(text, self.overlap, self.agent.reply, self._language)

    def _judge_by_length(self, now: float) -> Actions:
        """The words of the overlap have not come in time, or will not come."""
        assert self.overlap is not None
        if not self.overlap.seems_talk:
            return self.go_on(now)
        if self.overlap.lasts:
            return [*self._yield_floor(), self._read_ahead()]
        return self._yield_floor(Phase.PAUSED)

    def _yield_floor(self, to: Phase = Phase.LISTENING) -> Actions:
        """The caller has broken in, and is speaking or has just spoken."""
        if self.words.carried:
            self._habits.answered_too_soon()
        cleared: Actions = [] if self.phase is Phase.THINKING else [do.ClearPlayout()]
        actions = [*cleared, *self.agent.drop("caller")]
        self.pause.said = self.memory.said_by_agent
        self.overlap, self._false_alarms = None, 0
        self.phase = to
        return actions

    def go_on(self, now: float) -> Actions:
        """It is a noise, or a sound of assent: the agent speaks on, over it if it lasts."""
        assert self.overlap is not None
        actions = self._speak_on(self.overlap, now)
        if self.overlap.lasts:
            return actions
        self.overlap = None
        return [self.close_turn(), *actions]

    def _speak_on(self, overlap: Overlap, now: float) -> Actions:
        overlap.spoken_over = True
        if self.phase is not Phase.HUSHED:
            return []
        self._false_alarms += 1
        self.phase = Phase.SPEAKING
        return self.agent.go_on(now)

    # The agent has the floor.

    def commit(self, now: float) -> Actions:
        """The caller's turn is over: the agent has the floor, with whatever of the draft is there."""
        self._drafts = 0
        waits_since = min(now, self.pause.over_at(self._manner, self._habits.slower))
        self._habits.turn_ended()
        if (otherwise := self._on_turn(now)) is not None:
            return otherwise
        actions: Actions = [self.close_turn()]
        if self.agent.reply is None:
            actions += self.agent.start()
        return self._take_floor([*actions, *self.agent.release(now, waits_since)])

    def _take_floor(self, actions: Actions) -> Actions:
        """`actions` have given the caller something to hear, or to wait for."""
        assert self.agent.reply is not None
        self.overlap, self._false_alarms = None, 0
        self.phase = Phase.SPEAKING if self.agent.reply.pieces else Phase.THINKING
        return actions

    def _on_reply_text(self, text: str, now: float) -> Actions:
        self.pause.sound_by = 0.0
        if self.phase is Phase.THINKING:
            self.phase = Phase.SPEAKING
        return self.agent.add(text, now)

    def _on_reply_ended(self, now: float) -> Actions:
        """The language model has no more to say, or has failed, or waits for tools."""
        reply = self.agent.reply
        assert reply is not None
        if reply.asks:
            reply.stage_over = True
            return self._on_told(now)
        if reply.says_something:
            reply.ended, reply.moved_at = True, now
            return self.finish_if_heard()
        self.pause.sound_by = 0.0
        actions = self.agent.replace_failed(now)
        if self.phase is Phase.THINKING and reply.pieces:
            self.phase = Phase.SPEAKING
        return actions

    def finish_if_heard(self) -> Actions:
        """Give the floor to the caller if all of the reply was heard."""
        reply = self.agent.reply
        if reply is None or not reply.is_over:
            return []
        actions = self.agent.finish()
        return self._give_floor(actions)

    def _give_floor(self, actions: Actions) -> Actions:
        """`actions` have ended what the agent had to say."""
        words_due = self.overlap is not None and not self.overlap.lasts
        if self.phase is Phase.HUSHED:
            actions = [do.ClearPlayout(), *actions]
        self.overlap = None
        self.phase = Phase.PAUSED if words_due else Phase.LISTENING
        return actions

    def _on_voice_failed(self, now: float) -> Actions:
        reply = self.agent.reply
        if reply is None or not reply.pieces:  # without a piece there was nothing to fail at
            return []
        is_owed = reply.released and (reply.says_something or reply.asks)
        if is_owed and not self.bound and self.phase is not Phase.HUSHED:
            return self._take_floor(self.agent.excuse_voice(now))
        self.pause.sound_by = 0.0
        actions = self.agent.drop("voice")
        return self._give_floor(actions) if reply.released else actions

    def _on_failure(self, failure: ev.EngineFailed, now: float) -> Actions:
        match failure:
            case ev.EngineFailed(engine="transcriber"):
                self.pause.failed = True
                return self._judge_by_length(now) if self.overlap else []
            case ev.EngineFailed(engine="turn model"):
                self.pause.p_done = UNKNOWN
            case ev.EngineFailed(engine="language model", number=0):
                self.pause.p_end = UNKNOWN
                return self._draft_if_due(now)
            case ev.EngineFailed(engine="language model"):
                return self._on_reply_ended(now)
            case ev.EngineFailed(engine="voice"):
                reply = self.agent.reply  # while it is made and nothing but a filler failed, nothing of it is lost
                is_filler = reply is not None and not reply.ended and not reply.unheard_pieces
                return [] if is_filler else self._on_voice_failed(now)
        return []
