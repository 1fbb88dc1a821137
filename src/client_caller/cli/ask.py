"""Asking a running server, for commands that place calls.

In:   a path below `/api` and what to send.     Out: the server's answer.
Rule: whatever goes wrong is one sentence that says what to do.
"""

from typing import TYPE_CHECKING, Any, Final

from client_caller.errors import CarrierFailed, ConfigError

if TYPE_CHECKING:
    import httpx

    from client_caller.settings import Settings

_WITHIN_S: Final = 300.0
"""Seconds a request may take: a long list of contacts is read by then."""

_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::", ""})


class Server:
    """A server that is running. url: its address, empty for the one that the settings name."""

    def __init__(self, settings: "Settings", url: str = "", transport: "httpx.BaseTransport | None" = None) -> None:
        import httpx

        from client_caller.keys import api_key

        host = "127.0.0.1" if settings.server.host in _ANY_ADDRESS else settings.server.host
        self._url = url.rstrip("/") or f"http://{host}:{settings.server.port}"
        headers = {"Authorization": f"Bearer {api_key(settings).get_secret_value()}"}
        self._http = httpx.Client(
            base_url=self._url, headers=headers, timeout=_WITHIN_S, trust_env=False, transport=transport
        )

    def ask(self, path: str, send: dict[str, Any] | None = None) -> Any:
        """What the server answers to `send`, or to a mere look. Raises ConfigError, CarrierFailed."""
        import httpx

        try:
            answer = self._http.get(path) if send is None else self._http.post(path, json=send)
        except httpx.HTTPError as wrong:
            raise ConfigError(
                f"no server answers at {self._url} ({wrong}): start one with `client-caller serve`, or give --server"
            ) from wrong
        if answer.is_success:
            return answer.json()
        raise _refusal(answer)


def _refusal(answer: "httpx.Response") -> Exception:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:200]
    if isinstance(detail, list):  # fields that are wrong
        detail = "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in detail)
    if answer.status_code == 401:
        return ConfigError("the server has another API key: set CLIENT_CALLER_API_KEY to it")
    if answer.status_code in (409, 422):
        return ConfigError(str(detail))
    return CarrierFailed(f"the server answered {answer.status_code}: {detail}")
