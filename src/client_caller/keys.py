"""The API's key: what the command line and other programs of the operator present to the server.

In:   the settings; else a file in the folder in which the server was started, like all that it keeps.
Out:  the key; the server makes one where there is none, and nobody else does.
Rule: the file is whole from its first moment, and for its owner's eyes only.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from client_caller.errors import ConfigError
from client_caller.settings import Settings

KEPT_IN: Final = Path("runs/api.key")


def api_key(settings: Settings, kept_in: Path = KEPT_IN) -> SecretStr:
    """The server's key: that of the settings, else the one that is kept, which is made when there is none.

    Raises ConfigError when it can be neither read nor made, or cannot be sent in a header.
    """
    return known_key(settings, kept_in) or _make(kept_in)


def known_key(settings: Settings, kept_in: Path = KEPT_IN) -> SecretStr | None:
    """The key that is known here, None when there is none. Raises ConfigError for one that is no key."""
    key = settings.api_key.get_secret_value()
    if key:
        return _checked(key, "setting CLIENT_CALLER_API_KEY")
    try:
        return _checked(kept_in.read_text(encoding="utf-8").strip(), f"the API key in {kept_in}")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as refusal:
        raise ConfigError(
            f"the API key in {kept_in} cannot be read: set CLIENT_CALLER_API_KEY, or give this user access"
        ) from refusal


def metrics_key(settings: Settings, kept_in: Path = KEPT_IN) -> SecretStr | None:
    """The key that opens `/metrics`; made only if nothing else opens it. Raises ConfigError like the others."""
    return api_key(settings, kept_in) if settings.server.metrics == "key" else known_key(settings, kept_in)


def _checked(key: str, whose: str) -> SecretStr:
    if not key or not all("!" <= letter <= "~" for letter in key):
        raise ConfigError(f"{whose} must be printable ASCII without spaces: set another, or delete that file")
    return SecretStr(key)


def _make(kept_in: Path) -> SecretStr:
    """A new key, or that of whoever was quicker."""
    draft = kept_in.with_name(f".{kept_in.name}.{secrets.token_hex(8)}")
    key = secrets.token_urlsafe(32)
    try:
        kept_in.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(key + "\n")
            os.link(draft, kept_in)  # refuses where a key is, and nobody ever reads half of one
        except FileExistsError:
            return _checked(kept_in.read_text(encoding="utf-8").strip(), f"the API key in {kept_in}")
        finally:
            draft.unlink(missing_ok=True)
    except (OSError, UnicodeDecodeError) as refusal:
        raise ConfigError(
            f"the API key in {kept_in} cannot be made: set CLIENT_CALLER_API_KEY, or make the folder writable"
        ) from refusal
    return SecretStr(key)
