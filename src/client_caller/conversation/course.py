"""The course of a call, from its opening to its end: what it is about beyond who has the floor.

In:   events, deadlines.     Out: actions, and the next deadline.
Rule: what the law asks for is decided here, of the caller's words and keys, and never by a model. What is said last and
      what is done then are one step: once begun, nothing that the caller says takes it back, but for a wrong verdict on
      who has answered.

How a call opens stands in `opening.py`, who has answered in `probing.py`, what a caller wishes in `wishes.py`, keys in
`keypad.py`, silence in `quiet.py`, a line that was lost in `resuming.py`; who has the floor in `floor.py`.
"""

from dataclasses import replace
from math import inf
from typing import Final

from client_caller.conversation import actions as do
from client_caller.conversation import events as ev
from client_caller.conversation.floor import Actions, Floor
from client_caller.conversation.keypad import Keypad
from client_caller.conversation.languages import LANGUAGES
from client_caller.conversation.opening import Opening
from client_caller.conversation.policy import Manner
from client_caller.conversation.probing import Found, Probe
from client_caller.conversation.quiet import Quiet
from client_caller.conversation.resuming import Interrupted, interrupted, taken_up
from client_caller.conversation.tool_talk import ToolTalk
from client_caller.conversation.transitions import Phase
from client_caller.conversation.wishes import Wish, answer_of, wish_of

_LONGEST_MESSAGE_S: Final = 60.0
"""Many answering machines cut off after a minute; what would last longer is not heard."""

_NOBODY_HOLDS = (Phase.RINGING, Phase.RESUMING, Phase.ENDED)


class Course:
    """Leads one call. `floor` decides who speaks."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._language = LANGUAGES[manner.language]
        self.floor = Floor(manner, self._judge_turn, lambda now: self._tools.go_on(now))
        self._tools = ToolTalk(manner, self.floor, self._do_when_heard)
        self._opening = Opening(manner)
        self.floor.agent.first = self._opening.unheard
        self._probe = Probe(manner, self.floor) if manner.outbound else None
        self._is_human = False  # who has answered a call that we placed
        self._noted: Actions = []  # while it is judged what to do about a turn
        self._keypad = Keypad()
        self._quiet = Quiet(manner.silence_s)
        self._ends_at = inf  # call time at which the call has lasted long enough
        self._last: do.HangUp | do.Transfer | do.SendKeys | None = None  # done once what is being said was heard
        self._last_by = inf  # or at this call time
        self._errand: do.SendKeys | do.Transfer | None = None  # which the carrier runs, while the line is away
        self._interrupted = Interrupted()  # by the loss of the line

    def next_deadline(self) -> float | None:
        """The call time at which something is due if nothing happens before; None when nobody waits for anything."""
        phase = self.floor.phase
        if phase in _NOBODY_HOLDS:
            return None
        due = [self._last_by if self._last else self._ends_at, self.floor.next_deadline()]
        if phase is Phase.PROBING and self._probe:
            due.append(self._probe.due_at)
        if phase is Phase.LISTENING and not self._last:
            due.append(self._quiet.due_at)
        if self._may_take_keys:
            due.append(self._keypad.due_at)
        return min(due)

    def on_event(self, event: ev.Event, now: float) -> Actions:
        """What to do about an event that the phase admits."""
        self._quiet.note(event, now)
        if self._probe and self.floor.phase is not Phase.PROBING:
            self._probe.overhear(event)
        noted = self._note_what_is_heard(event)
        return [*noted, *self._happened(event, now), *self._finish(now)]

    def on_deadline(self, now: float) -> Actions:
        """What to do now that `next_deadline` has come."""
        return [*self._due(now), *self._finish(now)]

    def _happened(self, event: ev.Event, now: float) -> Actions:
        match event:
            case ev.CallAnswered():
                return self._open(now)
            case ev.LineLost():
                return self._on_line_lost(now)
            case ev.LineResumed(back_from=back_from):
                return self._on_line_resumed(back_from, now)
            case ev.HungUp():
                return self._on_hung_up()
            case ev.KeyPressed(key=key):
                return self._on_key(key, now)
            case ev.TransferOrdered(to=to, briefing=briefing):
                return [] if self._last else self._transfer(to or self._manner.transfer_to, briefing, now)
            case ev.KeysOrdered(keys=keys):
                return self._set_out(do.SendKeys(keys), now)
            case ev.HangUpOrdered(reason=reason):
                return [] if self._last else self._part(do.HangUp(reason), [self._manner.farewell], now)
            case ev.ToolAnswered(then="opt out"):
                parting = self._last is not None
                told = self._tools.on_event(replace(event, then=""), now)
                return [*told, *([do.Note("opted out")] if parting else self._opt_out(now))]
            case ev.ToolAsked() | ev.ToolAnswered():
                return self._tools.on_event(event, now)
            case ev.AnswererFound() | ev.Beeped():
                return self._find(event, now)
            case _ if self.floor.phase is Phase.PROBING:
                return self._find(event, now)
        return self.floor.on_event(event, now)

    def _due(self, now: float) -> Actions:
        if self._last and now >= self._last_by:
            return self._do_last(now)
        if not self._last and now >= self._ends_at:
            reason = do.HangUp("the call lasted as long as it may")
            return self._part(reason, [self._manner.goodbye], now)
        if self.floor.phase is Phase.PROBING:
            return self._find(None, now)
        if self._may_take_keys and now >= self._keypad.due_at:
            return self.floor.take_words(self._keypad.take(), now)
        if self.floor.phase is Phase.LISTENING:
            return self._on_quiet(now)
        return self.floor.on_deadline(now)

    # How the call opens.

    def _open(self, now: float) -> Actions:
        self._ends_at = now + self._manner.max_call_s
        self._quiet.begin(now)
        begun = self._opening.begin()
        if self._probe is None:
            return [*begun, *self.floor.say(self._opening.phrases, now)]
        self.floor.phase = Phase.PROBING
        self._probe.begin(now)
        return begun

    def _find(self, event: ev.Event | None, now: float) -> Actions:
        """Something that may tell who has answered."""
        if self._probe is None:
            return []
        actions = self._probe.take(event, now)
        found = self._probe.found(now)
        if self.floor.phase is not Phase.PROBING:
            met = found is Found.MACHINE and not self._last
            return [*actions, *([do.Note("a machine answered"), *self._meet_machine()] if met else [])]
        match found:
            case Found.HUMAN | Found.SILENCE:
                self._last, self.floor.bound = None, False
                self._opening.begin_anew()
                actions += [*(self._note_human() if found is Found.HUMAN else []), *self.floor.cede()]
                actions += self.floor.say(self._opening.phrases, now)
            case Found.MACHINE:
                actions.append(do.Note("a machine answered"))
            case Found.MESSAGE_DUE:
                actions += self._leave_message(now)
            case Found.SCREENING_DUE:
                actions += [*self.floor.cede(), *self.floor.agent.say([self._manner.screened], now)]
            case Found.MENU if self._manner.menu_keys:
                actions += self._set_out(do.SendKeys(self._manner.menu_keys), now)
            case Found():
                actions += self._give_up(found.value, now)
            case None:
                pass
        return actions

    def _meet_machine(self) -> Actions:
        """It was taken for a human."""
        ceded = self.floor.cede()
        self.floor.phase = Phase.PROBING
        return ceded

    def _note_human(self) -> Actions:
        """Whoever says something that is no machine's is a human; that is noted once."""
        if self._probe is None or self._is_human:
            return []
        self._is_human = True
        return [do.Note("a human answered")]

    def _leave_message(self, now: float) -> Actions:
        if not self._manner.message:
            return self._give_up("a machine, and no message", now)
        self._last, self._last_by = do.HangUp("a message was left"), now + _LONGEST_MESSAGE_S
        phrases = list(filter(None, (self._manner.identity, self._manner.message)))
        return [*self.floor.cede(), *self.floor.agent.say(phrases, now)]

    def _give_up(self, reason: str, now: float) -> Actions:
        self._last = do.HangUp(reason)
        return self._do_last(now)

    def _note_what_is_heard(self, event: ev.Event) -> Actions:
        reply = self.floor.agent.reply
        if isinstance(event, ev.PlayedOut) and event.done and reply:
            text = reply.pieces[event.piece]
            left: Actions = [do.Note("a message was left")] if self._last and text == self._manner.message else []
            return [*self._opening.hear(text), *left]
        return []

    # What the caller wants, beyond an answer.

    def _judge_turn(self, now: float) -> Actions | None:
        """A turn of the caller is over. None: it is to be answered."""
        if keys := self._keypad.take():
            self.floor.words.tell(keys)
        text = self.floor.words.turn
        wish = wish_of(text, self._language)
        self._quiet.turn(now, parted="the caller said goodbye" if wish is Wish.GOODBYE else "")
        if self._probe and self._probe.is_machine_after_all(text, now):
            return [*self._meet_machine(), *self._find(None, now)]
        self._noted += self._note_human()
        if wish is Wish.OPT_OUT:
            return self._opt_out(now)
        if self._opening.asks:
            return self._settle_recording(answer_of(text, self._language), now)
        if wish is Wish.HUMAN and self._manner.transfer_to:
            return self._transfer(self._manner.transfer_to, "", now)
        return None

    def _settle_recording(self, answer: str | None, now: float) -> Actions | None:
        actions, phrases = self._opening.settle(answer)
        self._noted += actions
        if phrases:
            return [*self.floor.cede(), *self.floor.say(phrases, now)]
        return None

    def _opt_out(self, now: float) -> Actions:
        return [do.Note("opted out"), *self._part(do.HangUp("opted out"), [self._manner.opted_out], now)]

    def _transfer(self, to: str, briefing: str, now: float) -> Actions:
        if not to or self.floor.phase is Phase.PROBING:
            return []
        return self._part(do.Transfer(to, briefing or self._briefing), [self._manner.connecting], now)

    @property
    def _briefing(self) -> str:
        """What is told to who takes the call, in the caller's last words."""
        words = self.floor.words.turn or self.floor.memory.said_by_caller
        return self._manner.briefly.replace("{words}", words)

    @property
    def _may_take_keys(self) -> bool:
        """Whether what was pressed is a turn of its own, and not part of one that is being spoken."""
        phase = self.floor.phase
        return not self._last and (phase is Phase.PAUSED or (phase is Phase.LISTENING and not self._quiet.speaking))

    def _on_key(self, key: str, now: float) -> Actions:
        if self._last or self.floor.phase is Phase.PROBING:
            return []
        if key == self._manner.opt_out_key:
            return self._opt_out(now)
        if key == self._manner.human_key and self._manner.transfer_to:
            return self._transfer(self._manner.transfer_to, "", now)
        self._keypad.press(key, now)
        return self.floor.interrupt()

    def _on_quiet(self, now: float) -> Actions:
        if self._quiet.parted:
            return self._give_up(self._quiet.parted, now)
        if self._quiet.asked:
            return self._part(do.HangUp("the caller was silent"), [self._manner.farewell], now)
        self._quiet.asked = True
        self._quiet.begin(now)
        return self.floor.say([self._manner.still_there], now)

    # What is said last, and done then.

    def _part(self, last: do.HangUp | do.Transfer, phrases: list[str], now: float) -> Actions:
        """Say this to its end, whoever speaks meanwhile, and then do that."""
        self._last, self._last_by = last, now + self._manner.part_within_s
        phase, reply = self.floor.phase, self.floor.agent.reply
        awaited_since = reply.awaited_since if reply and phase in (Phase.THINKING, Phase.SPEAKING) else None
        ceded = self.floor.cede()
        return [*ceded, *self.floor.bind(now), *self.floor.say(phrases, now, awaited_since)]

    def _do_when_heard(self, what: do.HangUp | do.Transfer | do.SendKeys, now: float) -> Actions:
        """Do this once the reply was heard. Who has more to say is heard before a hang-up."""
        if isinstance(what, do.HangUp):
            self._quiet.part(what.reason)
            return []
        if isinstance(what, do.Transfer) and not what.briefing:
            what = do.Transfer(what.to, self._briefing)
        self._last, self._last_by = what, now + self._manner.part_within_s
        return self.floor.bind(now)

    def _finish(self, now: float) -> Actions:
        """Do what was to be done once all was said."""
        noted, self._noted = self._noted, []
        is_said = self._last is not None and self.floor.agent.reply is None
        return [*noted, *(self._do_last(now) if is_said and self.floor.phase not in _NOBODY_HOLDS else [])]

    def _do_last(self, now: float) -> Actions:
        last, self._last = self._last, None
        self.floor.bound = False
        assert last is not None
        if not isinstance(last, do.HangUp):
            return self._set_out(last, now)
        self.floor.phase = Phase.ENDED
        return [*self.floor.agent.drop("voice", ends=True), last]

    def _set_out(self, errand: do.SendKeys | do.Transfer, now: float) -> Actions:
        """Leave the line to the carrier, for a while."""
        if self._last:
            return []
        self._errand, self._interrupted = errand, self._what_is_open()
        ceded = self.floor.cede("line")
        self.floor.agent.sounds(on=False, now=now)
        self.floor.phase = Phase.RESUMING
        return [*ceded, errand]

    # The line is lost or left, and found again; the call ends.

    def _on_line_lost(self, now: float) -> Actions:
        floor = self.floor
        self._interrupted = self._what_is_open()
        actions = floor.agent.drop("line")
        floor.agent.sounds(on=False, now=now)
        floor.overlap = None
        floor.phase = Phase.RESUMING
        return [*actions, floor.close_turn()]

    def _what_is_open(self) -> Interrupted:
        floor = self.floor
        turn_ended = floor.phase is Phase.PAUSED and bool(floor.pause.text)
        return interrupted(floor.agent, floor.words, turn_ended=turn_ended)

    def _on_line_resumed(self, back_from: str, now: float) -> Actions:
        self._quiet.begin(now)
        what, self._interrupted = self._interrupted, Interrupted()
        errand, self._errand = self._errand, None
        if errand:
            return self._come_back(errand, what, now)
        if self._last and not what.unheard:
            return self._do_last(now)
        if self._probe and not self._probe.is_over:  # nobody knew yet who is there
            return self._return_to_probing(now)
        phrases = taken_up(what, self._manner)
        if what.unanswered:
            return self.floor.answer(what.unanswered, " ".join(phrases), now)
        return self.floor.say(phrases, now)

    def _come_back(self, errand: do.SendKeys | do.Transfer, what: Interrupted, now: float) -> Actions:
        if isinstance(errand, do.Transfer):
            return self.floor.say([self._manner.not_reached], now)
        if self._probe and not self._probe.is_over:
            return self._return_to_probing(now)
        if what.unheard:
            return self.floor.say(list(what.unheard), now)
        if what.unanswered:
            return self.floor.answer(what.unanswered, "", now)
        self.floor.phase = Phase.LISTENING
        return []

    def _return_to_probing(self, now: float) -> Actions:
        assert self._probe is not None
        self._last, self.floor.bound = None, False
        self.floor.phase = Phase.PROBING
        self._probe.begin(now)
        return []

    def _on_hung_up(self) -> Actions:
        actions = self.floor.agent.drop("caller", ends=True)
        if self.floor.words.turn:
            actions.append(do.Remember(self.floor.words.settle()))
        self.floor.phase = Phase.ENDED
        return actions
