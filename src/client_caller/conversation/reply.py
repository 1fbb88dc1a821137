"""What the agent says next, or says now: its pieces, how much of them the caller has heard, and what tools it took.

A reply that needs tools is made in stages: the language model stops for them, and goes on when all have answered.
"""

from dataclasses import dataclass, field

from client_caller.conversation.actions import Turn
from client_caller.conversation.tool_use import ToolUse


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
    tools: list[ToolUse] = field(default_factory=list)
    from_piece: int = 0  # of this stage
    from_tool: int = 0
    stage_over: bool = False  # the language model has stopped for the tools of this stage

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
        """Whether any of this stage is more than a filler."""
        return any(number not in self.fillers for number in range(self.from_piece, len(self.pieces)))

    @property
    def says_nothing_yet(self) -> bool:
        """Whether all of it so far are fillers."""
        return len(self.pieces) == len(self.fillers)

    @property
    def heard_text(self) -> str:
        """The words that the caller heard."""
        return self.heard_between(0, len(self.pieces))

    def heard_between(self, first: int, end: int) -> str:
        """The words that the caller heard of these pieces."""
        within = [number for number in self.order if first <= number < end]
        words = [" ".join(self.pieces[number].split()[: self.heard[number]]) for number in within]
        return " ".join(filter(None, words))

    def unheard_between(self, first: int, end: int) -> int:
        """How many words of these pieces the caller has not heard."""
        return sum(self._left(number) for number in range(first, end))

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

    # Its tools.

    @property
    def asks(self) -> bool:
        """Whether this stage has asked for tools, so that another follows when they have answered."""
        return len(self.tools) > self.from_tool

    @property
    def awaits(self) -> ToolUse | None:
        """The first tool that is running."""
        return next((use for use in self.tools if use.is_running), None)

    @property
    def may_go_on(self) -> bool:
        """Whether nothing but the next stage is missing."""
        return self.stage_over and all(use.result is not None for use in self.tools)

    def begin_stage(self) -> None:
        """The language model goes on, with what the tools have told."""
        for use in self.tools[self.from_tool :]:
            use.behind = len(self.pieces)
        self.from_piece, self.from_tool, self.stage_over = len(self.pieces), len(self.tools), False

    def so_far(self) -> tuple[Turn, ...]:
        """What it was asked for with, and what its tools have told since, with the words between: all of a stage that
        is over, heard or not."""
        turns, place = [*self.history], 0
        for use in self.tools[: self.from_tool]:
            end = len(self.pieces) if use.behind is None else use.behind
            said = " ".join(self.pieces[number] for number in self.order if place <= number < end)
            turns += [Turn("agent", said)] if said else []
            turns.append(use.turn)
            place = end
        return tuple(turns)
