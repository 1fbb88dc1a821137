"""The agent's voice on its way to the carrier: what is due is sent, and what is silenced is cut everywhere alike.

In:   what the playout has ready; orders to be silent.     Out: sound and marks onto the line, into the recording, and
      to the ears, which must know their own voice.
Rule: nothing is decided here, and only `send_due` waits for the line.
"""

from client_caller.conversation.actions import PlayFiller
from client_caller.hearing.listener import Listener
from client_caller.line.protocol import Clear, Line, Mark, Play
from client_caller.records.recording import Recording
from client_caller.speaking.fillers import Fillers
from client_caller.speaking.playout import Playout, Send


class Mouth:
    """Sends what one call's agent says. Instants are call time in seconds."""

    def __init__(
        self, line: Line, playout: Playout, fillers: Fillers, recording: Recording, listener: Listener
    ) -> None:
        self._line = line
        self._playout = playout
        self._fillers = fillers
        self._recording = recording
        self._listener = listener
        self._to_clear = False
        self._to_fade: list[Send] = []

    def interject(self, said: PlayFiller) -> bool:
        """Say a phrase from the bank before all that has not been heard; False when the bank does not have it."""
        speeches = self._fillers.sound(said.text)
        if speeches:
            self._playout.interject(said.reply, said.piece, said.text, speeches)
        return bool(speeches)

    def hush(self, now: float) -> None:
        """Be silent now, and keep what was not heard."""
        self._silence(now)
        self._to_fade = self._playout.hush(now)
        self._listener.agent_hushed()

    def clear(self, now: float) -> None:
        """Be silent now, and drop what was not heard."""
        self._silence(now)
        self._playout.clear(now)

    async def send_due(self, now: float) -> None:
        """Hand to the carrier what is due by now. Raises LineLost."""
        if self._to_clear:
            self._to_clear = False
            await self._line.send(Clear())
        faded, self._to_fade = self._to_fade, []
        for command in (*faded, *self._playout.due(now)):
            if isinstance(command, Send):
                self._recording.agent(command.plays_at, command.mulaw)
                self._listener.agent_plays(command.mulaw, command.plays_at)
                await self._line.send(Play(command.mulaw))
            else:
                await self._line.send(Mark(command.name))

    def _silence(self, now: float) -> None:
        self._to_clear = True
        self._recording.cut(now)
        self._listener.agent_silenced(now)
