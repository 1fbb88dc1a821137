"""What the agent says next, or says now: its pieces, and how much of them the caller has heard."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Reply:
    """One reply; a draft until it is released."""

    number: int
    answers: str  # the caller's words it answers; empty for a phrase of its own
    pieces: list[str] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)  # words of each piece
    done: int = 0  # pieces heard to their end
    ended: bool = False
    released: bool = False

    @property
    def heard_text(self) -> str:
        """The words that the caller heard."""
        words = [" ".join(text.split()[:count]) for text, count in zip(self.pieces, self.heard, strict=True)]
        return " ".join(filter(None, words))

    @property
    def unheard_text(self) -> str:
        """The words that the caller has not heard, as far as they are known."""
        words = [" ".join(text.split()[count:]) for text, count in zip(self.pieces, self.heard, strict=True)]
        return " ".join(filter(None, words))

    @property
    def is_over(self) -> bool:
        """Whether the caller has heard all of it."""
        return self.ended and self.released and self.done == len(self.pieces)
