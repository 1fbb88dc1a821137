"""Asking a running server, for commands that place calls.

In:   a path below the server's address and what to send.     Out: the server's answer.
Rule: whatever goes wrong is one sentence that says what to do. A key is shown, and never made: that is the server's.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any, Final

import typer

from client_caller.errors import ClientCallerError, ConfigError

if TYPE_CHECKING:
    import httpx2

    from client_caller.settings import Settings

_SENT_WITHIN_S: Final = 300.0
"""Seconds that may pass until a long list of contacts has been read."""

_LOOK_WITHIN_S: Final = 10.0

_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}
"""Where a server is reached from this machine that listens on all addresses."""

Pause = Callable[[float], None]


class ServerFailed(ClientCallerError):
    """The server could not do it, or nobody knows whether it has."""


class Server:
    """A server that is running.

    url: its address, empty for the one that the settings name;  transport: what carries requests, None for the
    network;  pause: waits so many seconds.
    Raises ConfigError when that is no address, or there is a key that is none.
    """

    def __init__(
        self,
        settings: "Settings",
        url: str = "",
        transport: "httpx2.BaseTransport | None" = None,
        pause: Pause = sleep,
    ) -> None:
        import httpx2

        from client_caller.keys import known_key

        self._url = url.rstrip("/") or _address(settings.server.host, settings.server.port)
        self._key = known_key(settings)
        self.pause = pause
        headers = {"Authorization": f"Bearer {self._key.get_secret_value()}"} if self._key else {}
        try:
            self._http = httpx2.Client(base_url=self._url, headers=headers, trust_env=False, transport=transport)
        except httpx2.InvalidURL as wrong:
            raise ConfigError(f"--server {self._url} is no address: give one like http://127.0.0.1:8080") from wrong

    def ask(self, path: str, send: dict[str, Any] | None = None) -> Any:
        """What the server answers to `send`, or to a mere look.

        Raises ConfigError for what the operator can mend, ServerFailed.
        """
        answer = self._answer(path, send)
        told = self._told(answer)
        if answer.is_success:
            return told
        raise self._refusal(answer.status_code, told)

    def read(self, path: str) -> str:
        """The text that the server answers with. Raises as `ask` does."""
        answer = self._answer(path, None)
        if answer.is_success:
            return answer.text
        raise self._refusal(answer.status_code, self._told(answer))

    def _answer(self, path: str, send: dict[str, Any] | None) -> "httpx2.Response":
        import httpx2

        try:
            if send is None:
                return self._http.get(path, timeout=_LOOK_WITHIN_S)
            return self._http.post(path, json=send, timeout=_SENT_WITHIN_S)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol) as wrong:
            raise ConfigError(
                f"no server answers at {self._url} ({wrong}): start one with `client-caller serve`, or give --server"
            ) from wrong
        except httpx2.HTTPError as wrong:
            what = "what was asked may have been done: look before you ask again" if send else "ask again"
            raise ServerFailed(f"the server at {self._url} does not answer ({wrong}); {what}") from wrong

    def _told(self, answer: "httpx2.Response") -> Any:
        try:
            return answer.json()
        except ValueError as wrong:
            if answer.is_server_error:
                raise ServerFailed(f"the server has failed (status {answer.status_code}); its log says why") from wrong
            raise ConfigError(
                f"what answers at {self._url} is no server of ours (status {answer.status_code}): give --server"
            ) from wrong

    def watch(self, path: str, every_s: float) -> Iterator[Any]:
        """What the server answers, again and again."""
        while True:
            yield self.ask(path)
            self.pause(every_s)

    def _refusal(self, status: int, told: Any) -> ClientCallerError:
        if status == 401:
            from client_caller.keys import KEPT_IN

            if self._key:
                return ConfigError("the server has another API key: set CLIENT_CALLER_API_KEY to it")
            return ConfigError(
                f"the server wants its API key, and there is none in {KEPT_IN}: do this in the folder in which the "
                "server was started, or set CLIENT_CALLER_API_KEY"
            )
        detail = str(told.get("detail", told)) if isinstance(told, dict) else str(told)
        if status == 404 and detail == "Not Found":
            return ConfigError(f"what answers at {self._url} has no such API: give --server the address of the server")
        if status in (404, 409, 413, 422):
            return ConfigError(detail)
        return ServerFailed(f"the server cannot do it now: {detail}")


Reach = Callable[["Settings", str], Server]
"""How a server of this address is reached; a command's context may bring another way than the network."""


def server_of(context: typer.Context, url: str) -> Server:
    """The server to ask, from the settings and --server. Raises ConfigError."""
    from client_caller.settings import load_settings

    reach: Reach = context.obj or Server
    return reach(load_settings(), url)


def agent_named(agent: str) -> dict[str, str]:
    """Which agent is meant, as the server is told: a file by its name and digest, a mere name as it is.

    Raises ConfigError for a file that is not there.
    """
    from client_caller.agent.shelf import sha256_of

    path = Path(agent)
    if path.stem == agent or not agent:
        return {"agent": agent}
    return {"agent": path.stem, "agent_sha256": sha256_of(path)}


def _address(host: str, port: int) -> str:
    host = _ANY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
