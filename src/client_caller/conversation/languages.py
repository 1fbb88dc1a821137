"""The languages that turn-taking knows, by their ISO 639-1 codes."""

from typing import Final

from client_caller.conversation.english import ENGLISH
from client_caller.conversation.language import Language

LANGUAGES: Final[dict[str, Language]] = {"en": ENGLISH}
