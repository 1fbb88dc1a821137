"""The API's key: what the command line and other programs of the operator present to the server."""

import os
import secrets
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from client_caller.errors import ConfigError
from client_caller.settings import Settings

_KEPT_IN: Final = Path("runs/api.key")


def api_key(settings: Settings, kept_in: Path = _KEPT_IN) -> SecretStr:
    """The key that the settings name; else the one that is kept, made when there is none, for this user's eyes only.

    Raises ConfigError when it can be neither read nor written.
    """
    if settings.api_key.get_secret_value():
        return settings.api_key
    try:
        kept_in.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(kept_in, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return SecretStr(kept_in.read_text(encoding="ascii").strip())
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            key = secrets.token_urlsafe(32)
            file.write(key + "\n")
        return SecretStr(key)
    except (OSError, UnicodeDecodeError) as refusal:
        raise ConfigError(
            f"the API key in {kept_in} cannot be read or made: set CLIENT_CALLER_API_KEY, or make the folder writable"
        ) from refusal
