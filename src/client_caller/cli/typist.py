"""The screen and the keyboard of a typed call.

In:   lines of who types, from a keyboard or a pipe.     Out: on the console, what comes of each.
Rule: nothing is kept.
"""

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from client_caller.errors import ToolFailed
from client_caller.tools.protocol import Done, Tool
from client_caller.typed import Happened, TypedCall

HELP: Final = "An empty line is silence, /key 5 presses a key, /quit hangs up."
_AWAY: Final = "/back brings the call back, as if nobody had taken it; anything else leaves it there."
_PROMPT: Final = "You: "
_ASKED_WITHIN_S: Final = 86_400.0

NextLine = Callable[[str], Awaitable[str | None]]
"""Asks for a line behind a prompt; None at the end of all input."""


class Screen:
    """Shows what happens in a call. name: the agent's."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._speaks = False  # what is said next stands in the same line

    def tell(self, happened: Happened) -> None:
        """Show this."""
        match happened.kind:
            case "said":
                before = (" ", "") if self._speaks else (f"{self._name}: ", "bold cyan")
                self._console.print(Text.assemble(before, happened.text), soft_wrap=True, end="")
                self._speaks = True
            case "tool":
                self.aside(f"  {happened.name}({_arguments(happened.arguments)})")
            case "told":
                self.aside(f"  {happened.name} tells: {happened.text}")
            case "left":
                briefing = f", where they are told: {happened.text}" if happened.text else ""
                done = "pressed" if happened.name == "keys" else "put through to"
                self.aside(f"  [{done} {happened.arguments}{briefing}]")
            case "noted":
                self.aside(f"  [noted: {happened.text}]")
            case "over":
                self.aside(f"  [the call is over: {happened.text}]")
            case "failed":
                self.aside(f"  [failed: {happened.text}]")

    def pause(self) -> None:
        """The agent has said all of it."""
        if self._speaks:
            self._console.print()
        self._speaks = False

    def aside(self, text: str) -> None:
        """Show what nobody says."""
        self.pause()
        self._console.print(text, style="dim", markup=False, soft_wrap=True)


async def converse(call: TypedCall, next_line: NextLine, screen: Screen) -> None:
    """Hold the call to its end, or to that of the lines."""
    await call.begin()
    while not call.is_over or call.is_left:
        if call.is_left and not await _back(call, next_line, screen):
            break
        if call.is_over:
            continue
        screen.pause()
        line = await next_line(_PROMPT)
        if line is None or line.strip() == "/quit":
            break
        await _do(line.strip(), call, screen)
    if not call.is_left:
        call.hang_up()
    screen.pause()


async def _back(call: TypedCall, next_line: NextLine, screen: Screen) -> bool:
    """Whether the call comes back from where it was put through to."""
    screen.aside(f"  {_AWAY}")
    if ((await next_line(_PROMPT)) or "").strip() != "/back":
        return False
    await call.come_back()
    return True


async def _do(line: str, call: TypedCall, screen: Screen) -> None:
    command, _, keys = line.partition(" ")
    if not line:
        await call.be_silent()
    elif not line.startswith("/"):
        await call.say(line)
    elif command == "/key" and keys.strip() and set(keys.strip()) <= set("0123456789*#"):
        await call.press(keys.strip())
    else:
        screen.aside(f"  {HELP}")


def _arguments(given: str) -> str:
    """Arguments as one reads them; as they are when they are no JSON."""
    try:
        found = json.loads(given)
    except ValueError:
        return given
    if not isinstance(found, dict):
        return given
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in found.items())


def pretended(next_line: NextLine) -> Callable[[Tool], Tool]:
    """Has whoever types tell what a tool would tell."""

    def instead(own: Tool) -> Tool:
        async def run(arguments: Mapping[str, Any], key: str) -> Done:
            told = await next_line(f"  what does {own.name} tell? ")
            if not told or not told.strip():
                raise ToolFailed("This cannot be done now.")
            return Done(told.strip())

        return replace(own, run=run, within_s=_ASKED_WITHIN_S)

    return instead


async def typed_line(prompt: str) -> str | None:
    """A line from the keyboard or the pipe; None at its end. Meanwhile the engines are looked after."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str | None] = loop.create_future()

    def found(text: str | None) -> None:
        if not line.done():
            line.set_result(text)

    def read() -> None:
        try:
            text: str | None = input(prompt)
        except (EOFError, OSError):
            text = None
        if text is not None and not sys.stdin.isatty():
            print(text, flush=True)  # so that the whole call can be read
        if not loop.is_closed():
            loop.call_soon_threadsafe(found, text)

    threading.Thread(target=read, name="keyboard", daemon=True).start()
    return await line
