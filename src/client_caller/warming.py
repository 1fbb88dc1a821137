"""Warming up: what all prompts of an agent begin with is read before the first call, by every slot of the server.

In:   a language model of slots, and that beginning.     Out: slots that have read it.
"""

from collections.abc import Sequence

from client_caller.thinking.protocol import LanguageModel, Message, ToolOffer


class SlotWarmer:
    """Has every slot read what in a call would take too long."""

    def __init__(
        self, model: LanguageModel, slots: int, messages: Sequence[Message], tools: Sequence[ToolOffer] = ()
    ) -> None:
        self._model = model
        self._slots = slots
        self._messages = messages
        self._tools = tools
        self._warmed = 0

    async def next_slot(self) -> None:
        """Warm one slot. Raises EngineError."""
        await self._model.read_ahead(self._messages, f"warm-up {self._warmed % self._slots}", self._tools)
        self._warmed += 1

    async def rest(self) -> None:
        """Warm those that are not warm yet."""
        while self._warmed < self._slots:
            await self.next_slot()

    async def anew(self) -> None:
        """Warm all of them, for the server has forgotten everything."""
        self._warmed = 0
        await self.rest()
