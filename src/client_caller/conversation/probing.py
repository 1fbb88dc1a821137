"""On a call that we placed: finding out who has answered, while the floor is nobody's.

In:   events.     Out: what was found, or is due, once for each; actions that find out more.
Rule: how the evidence is weighed stands in `who_answered.py`; what follows from it in `course.py`.
"""

from enum import Enum
from math import inf

from client_caller.conversation import actions as do
from client_caller.conversation import events as ev
from client_caller.conversation.floor import Actions, Floor
from client_caller.conversation.languages import LANGUAGES
from client_caller.conversation.pause import Pause
from client_caller.conversation.policy import Manner
from client_caller.conversation.who_answered import Answerer, WhoAnswered


class Found(Enum):
    """What may be found, or due. Where the call ends with it, its value is the reason."""

    HUMAN = "a human"  # is to be told who is calling
    SILENCE = "somebody, perhaps"  # is to be told, too
    MACHINE = "a machine"
    MESSAGE_DUE = "a machine that takes a message now"
    SCREENING_DUE = "an assistant that asks who is calling"
    FULL = "a mailbox that takes no message"
    MENU = "a menu"
    FAX = "a fax"
    NOBODY = "nobody spoke"


_ENDS = {Answerer.MENU: Found.MENU, Answerer.FAX: Found.FAX, Answerer.NOBODY: Found.NOBODY}

_MACHINES = (Answerer.VOICEMAIL, Answerer.SCREENING, Answerer.MENU)

_DUE = {
    None: Found.SILENCE,
    Answerer.NOBODY: Found.SILENCE,
    Answerer.HUMAN: Found.HUMAN,
    Answerer.SCREENING: Found.SCREENING_DUE,
    Answerer.VOICEMAIL: Found.MESSAGE_DUE,
}


class Probe:
    """Weighs what is heard on one call that we placed. Instants are seconds of call time.

    is_over: whether whoever is there has been told who is calling, as one tells a human.
    """

    def __init__(self, manner: Manner, floor: Floor) -> None:
        self.is_over = False
        self._floor = floor
        self._language = LANGUAGES[manner.language]
        self._who = WhoAnswered(self._language)
        self._believed: Answerer | None = None

    @property
    def due_at(self) -> float:
        """When something is due if nothing happens before."""
        return inf if self._who.deadline is None else self._who.deadline

    def begin(self, now: float) -> None:
        """Somebody or something is on the line from now on, and nothing is known of it."""
        self._who, self._believed, self.is_over = WhoAnswered(self._language, now), None, False

    def take(self, event: ev.Event | None, now: float) -> Actions:
        """Take in what has happened; None: the instant that was due."""
        match event:
            case None:
                self._who.on_deadline(now)
            case ev.SpeechPaused(at=at, voiced_s=voiced_s):
                self.overhear(event)
                self._floor.pause = Pause(self._floor.pause.number + 1, at, voiced_s=voiced_s)
                return [do.Transcribe(self._floor.pause.number)]
            case ev.Interim(text=text) | ev.Transcript(text=text):
                self._floor.words.decoded(text)
                self._who.words(text, now)
            case ev.AnswererFound(who=who):
                self._who.carrier_says(who, now)
            case ev.Beeped(at=at, kind="beep"):
                self._who.beep(at)
            case ev.Beeped(at=at):
                self._who.fax(at)
            case _:
                self.overhear(event)
                return self._speak_on(event, now)
        return []

    def overhear(self, event: ev.Event) -> None:
        """Take in when a voice was heard, whoever has the floor."""
        match event:
            case ev.SpeechStarted(at=at):
                self._who.speech_started(at)
            case ev.SpeechPaused(at=at, voiced_s=voiced_s):
                self._who.speech_paused(at, voiced_s)
            case _:
                pass

    def found(self, now: float) -> Found | None:
        """What is new; or due, and then it is taken for done."""
        verdict = self._who.verdict
        who = verdict.who if verdict else None
        if who is not self._believed:
            self._believed = who
            if who in _ENDS:
                return _ENDS[who]
            if verdict and who is Answerer.VOICEMAIL:
                self.is_over = False
                return Found.MACHINE if verdict.takes_message else Found.FULL
        if not self._who.due(now) or who not in _DUE:
            return None
        self._who.we_spoke(now)
        self.is_over = _DUE[who] in (Found.HUMAN, Found.SILENCE)
        return _DUE[who]

    def is_machine_after_all(self, text: str, now: float) -> bool:
        """Whether `text`, said by who was taken for a human, is a machine's."""
        self._who.words(text, now)
        return self._who.verdict is not None and self._who.verdict.who in _MACHINES

    def _speak_on(self, event: ev.Event, now: float) -> Actions:
        """What concerns the agent's own voice."""
        agent = self._floor.agent
        match event:
            case ev.Sounding(on=on):
                agent.sounds(on, now)
            case ev.PlayedOut():
                heard = agent.hear(event, now)
                return [*heard, *agent.finish()] if agent.reply and agent.reply.is_over else heard
            case ev.EngineFailed(engine="voice"):
                return agent.drop("voice")
            case _:
                pass
        return []
