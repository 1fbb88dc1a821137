"""Who has answered a call that we placed: a human, an answering machine, who screens calls, a menu, a fax.

In:   onsets and pauses of whoever is there, their words, beeps, what the carrier says; instants.
Out:  the verdict, which later evidence may change; when what it calls for is to be said.
Rule: words first, then lengths, then the carrier, whose word is one vote and never overrules words. Where nothing
      decides, it is a human: to hang up on one, or to talk to one as to a machine, is the worse mistake.

A human is found at the pause after the first "Hello?", before anything is known of what may follow. So a verdict is no
end: a greeting that goes on makes the human a machine, and a "Hello? Who is this?" after the greeting makes the
machine a human. What only tells a machine when nobody has asked ("she is not available") counts until we have spoken.
"""

from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from typing import Final, Literal

from client_caller.conversation.answer_words import Said, said_by
from client_caller.conversation.dictation import bare
from client_caller.conversation.language import Language, mentions

Vote = Literal["human", "machine", "machine done", "fax", "unknown"]
"""What a carrier's detection says. "machine done": its greeting is over, with a beep or without."""

By = Literal["words", "length", "carrier", "tone", "silence"]
"""What a verdict rests on."""

_SHORT_S: Final = 2.5
"""Voice of a human who answers, at most. Source: LiveKit agents, amd/classifier.py; Twilio's
MachineDetectionSpeechThreshold is 2.4 s."""

_LONG_S: Final = 5.0
"""Voice without a known word from which on it is a greeting; humans at work say their names and more in 3 to 4 s."""

_TALK_S: Final = 8.0
"""The same when there are words, and they fit no table."""

_LONGEST_S: Final = 12.0
"""Voice in which a human has said a word of theirs: nobody speaks for so long before an answer."""

_HELLO_QUIET_S: Final = 0.3
_QUIET_S: Final = 0.5
_LONG_QUIET_S: Final = 0.8
_MACHINE_QUIET_S: Final = 1.5
"""Silence that ends a first turn: one that is all "Hello?"; a short one without words; a longer one, or with words that
tell nothing; one of a machine, probably.
Source of 0.5 and 1.5 s: LiveKit agents, amd/classifier.py. The others are assumptions."""

_NOBODY_S: Final = 10.0
"""Source: as above."""

_WE_BEGIN_S: Final = 4.0
"""Silence after which we speak first: some who take a call wait for the caller. An assumption."""

_NO_BEEP_S: Final = 2.0
_BEEP_S: Final = 4.0
"""Silence after a greeting from which on its beep is not waited for any more, and the same for one that has promised a
beep. Assumptions; a beep that comes later has the message said again."""

_AFTER_BEEP_S: Final = 0.3
_SCREEN_QUIET_S: Final = 0.5

_BEEP_VOICED_S: Final = 0.5
"""A beep may be taken for a voice, too, whose end is dated a little later than the beep's."""

_APART_S: Final = 0.5
"""Silence by which "Hello?" stands apart from a greeting before it."""

_OUR_TURN_S: Final = 1.5
"""Who begins to speak so soon after we began does not answer us: it is their greeting that goes on."""

_CALLED_BACK: Final = 6  # words: "hello yes who is this please"; a greeting's sentences are longer


class Answerer(Enum):
    """Who may have answered."""

    HUMAN = auto()  # is told who is calling, and talked to
    SCREENING = auto()  # is told who is calling and why; a human may follow
    VOICEMAIL = auto()  # gets a message
    MENU = auto()
    FAX = auto()
    NOBODY = auto()  # not a sound


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who has answered. at: call time at which it was found;  takes_message: whether one may be left."""

    who: Answerer
    at: float
    by: By
    takes_message: bool = False


_BY_MACHINES: Final = {
    Said.SCREENING: Answerer.SCREENING,
    Said.NO_MESSAGES: Answerer.VOICEMAIL,
    Said.VOICEMAIL: Answerer.VOICEMAIL,
    Said.MENU: Answerer.MENU,
    Said.ASKING: Answerer.SCREENING,
    Said.UNAVAILABLE: Answerer.VOICEMAIL,
}


class WhoAnswered:
    """Finds out for one call. Tell it what is heard, and when we begin to speak; then ask.

    answered_at: call time at which the line was open both ways. Instants of voice may be back-dated; nothing raises,
    in whatever order it comes.
    """

    def __init__(self, language: Language, answered_at: float = 0.0) -> None:
        self.verdict: Verdict | None = None
        self._tables = language.answering
        self._answered_at = answered_at
        self._turn_at: float | None = None  # onset of the first turn; after a verdict, of the newest utterance
        self._quiet_at: float | None = None  # when the voice stopped; None while it lasts
        self._voiced_s = 0.0  # of the turn
        self._words: list[str] = []  # all words there are
        self._past: list[str] = []  # those before the turn
        self._settled: list[str] = []  # those before a machine was found to be a human
        self._said = Said.NOTHING  # in the turn
        self._apart = False  # the turn began after a verdict, and stands apart from what was said before
        self._vote: Vote = "unknown"
        self._beep_at: float | None = None
        self._promised = False  # a beep
        self._spoke_at: float | None = None
        self._answers_us = False  # the newest utterance began after we had spoken
        self._owed = True  # we have something to say, and have not said it
        self._woken_at = -inf

    # What is heard.

    def speech_started(self, at: float) -> None:
        """Their voice set in at `at`."""
        self._answers_us = self._spoke_at is not None and at >= self._spoke_at + _OUR_TURN_S
        if self._turn_at is None or not self._is_open:
            stands_apart = self._quiet_at is None or at - self._quiet_at >= _APART_S
            self._apart = not self._is_open and (stands_apart or self._answers_us)
            self._past, self._said = self._words, Said.NOTHING
            self._turn_at, self._voiced_s = at, 0.0
        self._quiet_at = None

    def speech_paused(self, at: float, voiced_s: float) -> None:
        """Their voice stopped at `at`, after so many seconds of it since the onset."""
        if self._turn_at is None:
            self._turn_at = at - voiced_s
        self._quiet_at = at
        self._voiced_s += voiced_s

    def words(self, text: str, now: float) -> None:
        """All words of theirs so far, also while they speak; those of one turn, or of several together."""
        self._words = bare(text)
        fresh = self._since(self._past)
        self._said = said_by(fresh, self._tables)
        if self._is_open or self._is(Answerer.HUMAN):  # a machine's words may be in two utterances, or be read later
            said = said_by(self._since(self._settled), self._tables)
            self._said = said if said in _BY_MACHINES else self._said
        self._promised |= mentions(self._tables.tones, fresh)
        if self._is(Answerer.SCREENING) and self._apart and mentions(self._tables.names, fresh):
            self._owed = True  # it asks once more
        self._judge(now)

    def beep(self, at: float) -> None:
        """A tone ended at `at` as answering machines make it."""
        self._beep_at = at
        if self._is_open:
            if self._turn_at is not None and self._said not in (Said.HELLO, Said.RECEPTION, Said.SCREENING):
                self._find(Answerer.VOICEMAIL, at, "tone", takes_message=True)
            return
        assert self.verdict is not None
        if self.verdict.who in (Answerer.VOICEMAIL, Answerer.SCREENING):
            self._owed = True
        elif self.verdict.who is Answerer.HUMAN and self._seems_machine and not (self._answers_us and self._words):
            self._find(Answerer.VOICEMAIL, at, "tone", takes_message=True)

    def fax(self, at: float) -> None:
        """A tone of a fax was heard at `at`. Some beep as high: after words it is a beep."""
        if self._words or (self.verdict and self.verdict.by == "words"):
            self.beep(at)
        else:
            self._find(Answerer.FAX, at, "tone")

    def carrier_says(self, who: Vote, now: float) -> None:
        """The carrier has come to a verdict of its own."""
        self._vote = who
        by_words = self._said in (Said.HELLO, Said.RECEPTION) or (
            self.verdict is not None and self.verdict.by == "words"
        )
        if who == "machine done" and self._is(Answerer.VOICEMAIL):
            self._beep_at, self._owed = now, True
        elif by_words or (self._answers_us and not self._is_open):
            pass  # it is known, or they talk with us: the carrier errs
        elif who == "fax" and not self._words:
            self._find(Answerer.FAX, now, "carrier")
        elif who == "machine done":
            self._beep_at = now
            self._find(Answerer.VOICEMAIL, now, "carrier", takes_message=True)
        elif who == "machine" and self._is(Answerer.HUMAN):
            self._find(Answerer.VOICEMAIL, now, "carrier", takes_message=True)
        elif who == "human" and (self._is(Answerer.VOICEMAIL) or (self._is_open and self._turn_at is None)):
            self._find(Answerer.HUMAN, now, "carrier")
        self._judge(now)

    def we_spoke(self, now: float) -> None:
        """We have begun to say what was due, or anything else."""
        self._spoke_at, self._owed = now, False

    # What is to be done.

    @property
    def speak_at(self) -> float | None:
        """Call time at which we are to begin to speak if nothing more is heard; None: nothing is due, or not yet known.

        Without a verdict, or with NOBODY: that we call, for somebody may be waiting. To a HUMAN: who is calling. To a
        SCREENING: who, and why. To a VOICEMAIL: the message; after a beep that comes late, once more.
        """
        if not self._owed:
            return None
        if self._is_open:
            return None if self._turn_at is not None else self._answered_at + _WE_BEGIN_S
        assert self.verdict is not None
        if self.verdict.who is Answerer.HUMAN:
            return self.verdict.at
        return self._after_greeting(self.verdict)

    def due(self, now: float) -> bool:
        """Whether we are to begin to speak."""
        at = self.speak_at
        return at is not None and now >= at

    @property
    def deadline(self) -> float | None:
        """Call time at which something is due if nothing happens before; None: nothing is."""
        instants = [self._judged_at] if self._is_open else []
        if self.speak_at is not None and self.speak_at > self._woken_at:
            instants.append(self.speak_at)
        earliest = min(instants, default=inf)
        return None if earliest == inf else earliest

    def on_deadline(self, now: float) -> None:
        """`deadline` has come: the verdict may be there, or what is to be said may be due."""
        self._woken_at = now
        self._judge(now)

    # How it is judged.

    @property
    def _is_open(self) -> bool:
        return self.verdict is None or self.verdict.who is Answerer.NOBODY

    def _is(self, who: Answerer) -> bool:
        return self.verdict is not None and self.verdict.who is who

    @property
    def _seems_machine(self) -> bool:
        """Whether nothing that was said is a human's, and something points to a machine."""
        if self._said in (Said.NOTHING, Said.UNKNOWN):
            return self._machine_vote or self._voiced_s > _SHORT_S or not self._words
        return self._said in (Said.REACHED, Said.UNAVAILABLE)

    @property
    def _machine_vote(self) -> bool:
        return self._vote in ("machine", "machine done")

    @property
    def _judged_at(self) -> float:
        """When silence or length decides, by what is known now."""
        if self._turn_at is None:
            nobody_at = inf if self._is(Answerer.NOBODY) else self._answered_at + _NOBODY_S
            return nobody_at if self._beep_at is None else min(nobody_at, self._beep_at + _MACHINE_QUIET_S)
        return self._turn_at + self._longest_s if self._quiet_at is None else self._quiet_at + self._quiet_s

    @property
    def _longest_s(self) -> float:
        """Seconds from the onset after which whoever still speaks is a machine."""
        if self._said in (Said.HELLO, Said.RECEPTION) or self._vote == "human" or self._answers_us:
            return _LONGEST_S
        if self._machine_vote:
            return _SHORT_S
        return _LONG_S if self._said is Said.NOTHING else _TALK_S

    @property
    def _quiet_s(self) -> float:
        """Seconds of silence after which the first turn is over."""
        if self._said is Said.HELLO:
            return _HELLO_QUIET_S
        if self._said is Said.RECEPTION:
            return _QUIET_S
        if self._vote == "human":
            return _LONG_QUIET_S if self._said is Said.REACHED else _HELLO_QUIET_S
        if self._machine_vote or self._said is Said.REACHED:
            return _MACHINE_QUIET_S
        return _QUIET_S if self._said is Said.NOTHING and self._voiced_s <= _SHORT_S else _LONG_QUIET_S

    def _judge(self, now: float) -> None:
        if self._said in _BY_MACHINES:
            self._judge_machine(now)
        elif not self._is_open:
            if not self._is(Answerer.HUMAN) and self._is_human_after_all:
                self._settled = self._past if self._apart else self._words
                self._find(Answerer.HUMAN, now, "words")
        elif now >= self._judged_at:
            self._judge_by_length(now)

    def _judge_machine(self, now: float) -> None:
        """Words were said that machines say."""
        who, takes_message = _BY_MACHINES[self._said], self._said is not Said.NO_MESSAGES
        if self._is(Answerer.HUMAN) and self._answers_us and self._said in (Said.ASKING, Said.UNAVAILABLE):
            return
        known = self.verdict if self.verdict and self.verdict.by == "words" else None
        if known and known.who is Answerer.VOICEMAIL and self._said is not Said.SCREENING:  # its menu is one, too
            who, takes_message = Answerer.VOICEMAIL, takes_message and known.takes_message
        takes_message = takes_message and who is Answerer.VOICEMAIL
        if known is None or (known.who, known.takes_message) != (who, takes_message):
            self._find(who, now, "words", takes_message=takes_message)

    @property
    def _is_human_after_all(self) -> bool:
        """Whether who was taken for a machine has just called back to us, or has said what humans say."""
        if self._quiet_at is None:
            return False
        human_words = self._said in (Said.HELLO, Said.RECEPTION)
        if not self._apart:
            return human_words and self.verdict is not None and self.verdict.by != "words"
        if human_words:
            return self._voiced_s <= _LONG_S
        fresh = self._since(self._past)
        return len(fresh) <= _CALLED_BACK and self._voiced_s <= _SHORT_S and mentions(self._tables.present, fresh)

    def _judge_by_length(self, now: float) -> None:
        if self._turn_at is None:
            if self._beep_at is None:
                self._find(Answerer.NOBODY, now, "silence")
            else:
                self._find(Answerer.VOICEMAIL, now, "tone", takes_message=True)
            return
        by: By = "length"
        if self._said in (Said.HELLO, Said.RECEPTION):
            by = "words"
        elif self._vote == "human" or self._machine_vote:
            by = "carrier"
        greets = by == "length" and self._voiced_s > _LONG_S and not self._answers_us
        too_long = self._quiet_at is None or greets
        reached = self._said is Said.REACHED and self._vote != "human"
        if too_long or reached or (by == "carrier" and self._machine_vote):
            self._find(Answerer.VOICEMAIL, now, "length" if too_long else by, takes_message=True)
        else:
            self._find(Answerer.HUMAN, now, by)

    def _find(self, who: Answerer, now: float, by: By, *, takes_message: bool = False) -> None:
        """This is the verdict from now on; what was said up to now has been judged."""
        if who is Answerer.HUMAN and self._is_open and self._spoke_at is not None:
            self._owed = False  # they answer to what we have said into the silence
        elif who is not Answerer.NOBODY and not self._is(who):
            self._owed = True
        self.verdict = Verdict(who, now, by, takes_message)
        self._woken_at = -inf

    def _after_greeting(self, verdict: Verdict) -> float | None:
        """When a machine is to be talked to: when it has beeped or fallen silent."""
        if verdict.who is Answerer.SCREENING:
            quiet_s = _SCREEN_QUIET_S
        elif verdict.who is Answerer.VOICEMAIL and verdict.takes_message:
            quiet_s = _BEEP_S if self._promised else _NO_BEEP_S
        else:
            return None
        if self._turn_at is None:
            return verdict.at + (quiet_s if self._beep_at is None else _AFTER_BEEP_S)
        over_at = self._turn_at if self._quiet_at is None else self._quiet_at - _BEEP_VOICED_S
        if self._beep_at is not None and self._beep_at >= max(self._turn_at, over_at):
            return max(verdict.at, self._beep_at + _AFTER_BEEP_S)
        return None if self._quiet_at is None else max(verdict.at, self._quiet_at + quiet_s)

    def _since(self, past: list[str]) -> list[str]:
        """The words that follow on these; all there are when they do not follow on them."""
        follow = bool(past) and self._words[: min(3, len(past))] == past[:3]
        return self._words[len(past) :] if follow else self._words
