"""What the caller has said and nobody has answered yet; and what the language model thought of it.

In:   words of pauses and interims, verdicts.     Out: the history that a reply would begin from.
Rule: nothing here is history yet. It becomes so when the first word of an answer has been heard (see machine.py).
"""

from client_caller.conversation.actions import Turn
from client_caller.conversation.dictation import bare
from client_caller.conversation.language import Language
from client_caller.conversation.memory import Memory


class CallerWords:
    """The caller's open turn: words that were answered, but not yet heard to be, and what was decoded since."""

    def __init__(self, memory: Memory, language: Language) -> None:
        self._memory = memory
        self._language = language
        self._judged: list[str] = []
        self._p_end: float | None = None
        self._newest = ""  # what was decoded since the turn was last closed
        self.carried = ""  # words that were answered, but not yet heard to be answered

    @property
    def turn(self) -> str:
        """All words that an answer would answer."""
        return " ".join(filter(None, (self.carried, self._newest)))

    def decoded(self, text: str) -> bool:
        """Take the newest words, written as they were before as far as they are the same. Whether all are gone now.

        A transcriber changes commas and capitals from one decode to the next, and a language model must read anew
        whatever follows the first letter that has changed. The last word of before is written anew: its mark was not
        in the middle then.
        """
        before, now = self._newest.split(), self._without_false_stops(text.split())
        same = 0
        while same < min(len(before) - 1, len(now)) and bare(before[same]) == bare(now[same]):
            same += 1
        self._newest = " ".join(before[:same] + now[same:])
        return bool(before) and not now

    def _without_false_stops(self, words: list[str]) -> list[str]:
        """A transcriber ends whatever it is given with a full stop, so one stands where the caller only paused."""
        unfinished = self._language.dangling | self._language.leaning
        return [
            word.rstrip(".?!") if index < len(words) - 1 and set(bare(word)) & unfinished else word
            for index, word in enumerate(words)
        ]

    def history(self) -> tuple[Turn, ...]:
        """What the language model reads before it answers."""
        return self._memory.with_caller(self.turn)

    def differ(self, answered: str) -> bool:
        """Whether an answer to `answered` no longer fits; case and marks do not count."""
        return bare(self.turn) != bare(answered)

    def close(self) -> None:
        """The agent takes the floor; what comes next is decoded anew."""
        self.carried, self._newest = self.turn, ""

    def tell(self, text: str) -> None:
        """The caller has told this in another way than by voice; it follows what was said."""
        self.close()
        self.carried = " ".join(filter(None, (self.carried, text)))

    def settle(self) -> Turn:
        """All of it becomes history. Returns the addition."""
        said, self.carried, self._newest = self.turn, "", ""
        return self._memory.add("caller", said)

    def settle_carried(self) -> Turn:
        """Only what was said before the turn was last closed becomes history. Returns the addition."""
        said, self.carried = self.carried, ""
        return self._memory.add("caller", said)

    def judge(self, read: str, p_end: float) -> None:
        """Keep the model's verdict on the caller's turn as it was read."""
        self._judged, self._p_end = bare(read), p_end

    def verdict(self) -> float | None:
        """P(a sentence may end after these words); None when they are not those judged last."""
        return self._p_end if bare(self.history()[-1].text) == self._judged else None
