"""How a call opens: who is speaking, whether it is recorded, and what else the caller must have heard.

In:   what was heard; an answer about recording.     Out: phrases to say; what is to be noted.
Rule: none of it is left to the language model. Whatever the caller broke into is said again before the next answer,
      until it was heard to its end, and only then may the recording begin.
"""

from client_caller.conversation.actions import Action, Note, StartRecording
from client_caller.conversation.policy import Manner


class Opening:
    """What is due before the call may go its way.

    unheard: phrases that must be heard before anything else is;  asks: whether the caller's next words are an answer to
    the question whether the call may be recorded.
    """

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._may_record = manner.recording == "free"
        self.unheard = [manner.identity] if manner.identity else []
        if manner.recording == "announced":
            self.unheard.append(manner.recorded)
        self.asks = manner.recording == "asked"
        self._was_asked = False

    def begin(self) -> list[Action]:
        """The line is open for the first time."""
        return [StartRecording()] if self._may_record else []

    @property
    def phrases(self) -> list[str]:
        """What is said first: all that must be heard, and then the question, or the greeting."""
        return [*self.unheard, self._manner.recorded if self.asks else self._manner.greeting]

    def begin_anew(self) -> None:
        """A human is there now: whoever has heard who is calling was none."""
        if self._manner.identity and self._manner.identity not in self.unheard:
            self.unheard.insert(0, self._manner.identity)

    def hear(self, text: str) -> list[Action]:
        """A phrase was heard to its end."""
        if text == self._manner.recorded and self.asks:
            self._was_asked = True
        if text not in self.unheard:
            return []
        self.unheard.remove(text)
        if text == self._manner.identity:
            return [Note("who is calling was heard")]
        return [Note("recording allowed"), StartRecording()]

    def settle(self, answer: str | None) -> tuple[list[Action], list[str]]:
        """The caller has said something to the question whether the call may be recorded: "yes", "no", or None for
        neither. Gives what is to be done and said; nothing to say: their words are answered.

        Who has heard the question and says something else does not agree. Who has not is asked again.
        """
        if answer is None and not self._was_asked:
            return [], [self._manner.recorded]
        self.asks = False
        actions: list[Action] = [Note("recording allowed"), StartRecording()]
        if answer != "yes":
            actions = [Note("recording refused")]
        return actions, [] if answer is None else [self._manner.greeting]
