"""Whoever orders calls in a rehearsal: over the API, like any program of an operator's."""

from typing import Any, Final

import httpx2

from client_caller.errors import ConfigError

_WITHIN_S: Final = 30.0


class Operator:
    """Asks one server. url: its address;  key: of its API."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}

    async def ask(self, path: str, send: dict[str, Any] | None = None) -> Any:
        """What the server answers to `send`, or to a mere look. Raises ConfigError with its sentence."""
        async with httpx2.AsyncClient(
            base_url=self._url, headers=self._headers, timeout=_WITHIN_S, trust_env=False
        ) as http:
            answer = await (http.get(path) if send is None else http.post(path, json=send))
        if not answer.is_success:
            raise ConfigError(f"the server answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()
