"""What the agent says next, or says now: its pieces, and how much of them the caller has heard."""

from dataclasses import dataclass, field

from client_caller.conversation.actions import Turn


@dataclass(slots=True)
class Reply:
    """One reply; a draft until it is released.

    A piece of it may be a filler: a phrase that bridges a silence while the rest is not there yet.
    """

    number: int
    answers: str  # the caller's words it answers; empty for a phrase of its own
    history: tuple[Turn, ...] = ()  # what it was asked for with
    pieces: list[str] = field(default_factory=list)
    fillers: set[int] = field(default_factory=set)  # which of them are
    order: list[int] = field(default_factory=list)  # in which they sound
    heard: list[int] = field(default_factory=list)  # words of each piece
    done: int = 0  # pieces heard to their end
    ended: bool = False
    released: bool = False
    retried: bool = False  # it failed once, and is made anew
    is_excuse: bool = False  # it says that there is no answer
    moved_at: float = 0.0  # call time at which it last came a step nearer to its end
    awaited_since: float = 0.0  # call time since which the caller has reason to expect a sound of it

    def add(self, text: str, *, filler: bool = False) -> int:
        """One more piece; tells its number. A filler sounds before the pieces of which nothing has been heard."""
        number, place = len(self.pieces), len(self.order)
        if filler:
            self.fillers.add(number)
            place = next((at for at, piece in enumerate(self.order) if not self.heard[piece]), place)
        self.pieces.append(text)
        self.heard.append(0)
        self.order.insert(place, number)
        return number

    @property
    def says_something(self) -> bool:
        """Whether any of it is more than a filler."""
        return len(self.pieces) > len(self.fillers)

    @property
    def heard_text(self) -> str:
        """The words that the caller heard."""
        words = [" ".join(self.pieces[number].split()[: self.heard[number]]) for number in self.order]
        return " ".join(filter(None, words))

    @property
    def unheard_words(self) -> int:
        """How many words the caller has not heard, as far as they are known."""
        return sum(self._left(number) for number in self.order)

    @property
    def unheard_pieces(self) -> list[str]:
        """The pieces that the caller has not heard to their end, whole, without fillers."""
        return [self.pieces[number] for number in self.order if number not in self.fillers and self._left(number)]

    def _left(self, number: int) -> int:
        return len(self.pieces[number].split()) - self.heard[number]

    @property
    def is_over(self) -> bool:
        """Whether the caller has heard all of it."""
        return self.ended and self.released and self.done == len(self.pieces)
