"""Reloading: the configuration read anew while calls are held.

In:   a wish, and the files: `.env`, the profile, the agent file with all that it names.
Out:  a house that holds calls by them, from the next call on; the log says what has changed, and what needs a restart.
Rule: all or nothing. What is wrong anywhere changes nothing, and the log says where it stands. Running calls keep the
      agent and the manner that they began with. The log names settings and never what they hold.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from client_caller.agent import Agent, answering, load_agent
from client_caller.errors import ConfigError, EngineError
from client_caller.house import House
from client_caller.logs import change_logging
from client_caller.settings import Settings
from client_caller.toolkit import Toolkit
from client_caller.variables import Variable, changed, check_files, differing, placed

log = logging.getLogger("client_caller.reloading")

IN_PLACE: Final = frozenset(
    {
        *("CLIENT_CALLER_SERVER__CALLS_AT_ONCE", "CLIENT_CALLER_SERVER__DRAIN_S"),
        *("CLIENT_CALLER_SERVER__ANSWER_P95_S", "CLIENT_CALLER_SERVER__CALLS_AT_LEAST"),
        *("CLIENT_CALLER_TURN__QUICK_S", "CLIENT_CALLER_TURN__PATIENT_S"),
        *("CLIENT_CALLER_HEARING__SPEECH_ON", "CLIENT_CALLER_HEARING__SPEECH_SURE"),
        *("CLIENT_CALLER_HEARING__SPEECH_OFF", "CLIENT_CALLER_HEARING__HANGOVER_S"),
        *("CLIENT_CALLER_HEARING__PREROLL_S", "CLIENT_CALLER_HEARING__INTERIM_S"),
        *("CLIENT_CALLER_SPEAKING__LEAD_S", "CLIENT_CALLER_SPEAKING__MARK_EVERY_S"),
        *("CLIENT_CALLER_LOG__LEVEL", "CLIENT_CALLER_LOG__FORM"),
        "CLIENT_CALLER_TOOL_SECRETS",
    }
)
"""Settings that every call is begun with, or that are looked at whenever they matter. Whatever else there is was given
to an engine, a socket or a carrier when the process started."""

_OF_THE_AGENT: Final = ("hints", "language")
"""What a transcriber other than the embedded one was given of the agent when it was loaded."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where settings come from.

    read: gives them as a process would have them that is started now; raises ConfigError;  files: in which they stand.
    """

    read: Callable[[], Settings]
    files: Callable[[], Sequence[Path]]

    def reached_at(self, public_url: str) -> "Source":
        """The same where this is our address unless the settings name one."""

        def read() -> Settings:
            settings = self.read()
            return settings if settings.public_url else settings.model_copy(update={"public_url": public_url})

        return replace(self, read=read)


_Read = tuple[Settings, Agent]


class Reloader:
    """Reads the configuration anew when it is asked to. The log says what came of it.

    aside: has files read without keeping the calls waiting; by default in a thread.
    """

    def __init__(
        self,
        house: House,
        toolkit: Toolkit,
        source: Source,
        aside: Callable[[Callable[[], _Read]], Awaitable[_Read]] = asyncio.to_thread,
    ) -> None:
        self._house = house
        self._toolkit = toolkit
        self._source = source
        self._aside = aside
        self._heard_by = house.agent  # what the transcribers know of
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have it read anew, soon. Asked again meanwhile, it is read once more."""
        self._asked.set()

    async def run(self) -> None:
        """Do as asked, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.reload()

    async def reload(self) -> bool:
        """Read it, and hold calls by it from now on. False, and nothing has changed, when something is wrong in it."""
        house = self._house
        try:
            wished, agent = await self._aside(self._read_all)
            differ = differing(house.settings, wished)
            settings = changed(house.settings, [each for each in differ if each.name in IN_PLACE])
            toolkit = self._toolkit.with_secrets(settings.tool_secrets)
            await self._try_out(agent, settings, toolkit)
        except (ConfigError, EngineError) as wrong:
            log.error("the configuration is wrong, and nothing was changed", extra={"why": str(wrong)})  # noqa: TRY400
            return False
        is_another = agent != house.agent
        house.adopt(settings, agent, toolkit)
        change_logging(settings.log)
        self._tell(differ, agent, is_another=is_another)
        return True

    def _read_all(self) -> _Read:
        """Raises ConfigError with file, line and field of what is wrong."""
        files = self._source.files()
        check_files(files)
        try:
            wished = self._source.read()
        except ConfigError as wrong:
            raise ConfigError(placed(str(wrong), files)) from wrong
        return wished, load_agent(self._house.settings.agent)

    async def _try_out(self, agent: Agent, settings: Settings, toolkit: Toolkit) -> None:
        """Raises ConfigError, or EngineError, when a call of this agent would lack something."""
        if agent.when_full == "call back" and not (self._house.orders and settings.outbound.from_number):
            raise ConfigError(
                f"{settings.agent}: the agent promises to call back (when_full), and no calls can be placed: set "
                "CLIENT_CALLER_OUTBOUND__FROM_NUMBER and the carrier's credentials and restart, or change when_full"
            )
        toolkit.offers(answering(agent), self._house.now())
        await self._house.rehearse(agent)

    def _tell(self, differ: Sequence[Variable], agent: Agent, *, is_another: bool) -> None:
        names = [each.name for each in differ if each.name in IN_PLACE]
        log.info(
            "the configuration was read anew",
            extra={"changed": ", ".join([*(["the agent file"] if is_another else []), *names]) or "nothing"},
        )
        waits = [each.name for each in differ if each.name not in IN_PLACE]
        if self._house.settings.hearing.engine != "moonshine":
            other = [name for name in _OF_THE_AGENT if getattr(agent, name) != getattr(self._heard_by, name)]
            waits += [f"{name} of the agent file" for name in other]
        if waits:
            log.warning("these settings need a restart", extra={"settings": ", ".join(waits)})
