"""The opening: who is calling, and that it is a machine, before anything else and outside of any model.

In:   the words the operator wants said, the company's name, the contact's variables.
Out:  complaints about the words; the words with the variables in them.
Rule: the callee learns in the first sentence who calls and that no human being does. What a list of contacts holds is
      spoken, and read by a language model: one short line of plain text, and nothing that could be taken for our own.

Source: 47 CFR 64.1200(b)(1), the caller's identity at the beginning; Regulation (EU) 2024/1689, article 50(1) and (5),
that it is an AI, at the first interaction.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from client_caller.errors import ClientCallerError, ConfigError

_LONGEST_VALUE: Final = 200
"""Characters of a variable that are spoken: names and appointments are shorter."""

_WHO: Final = "assistant|agent|attendant|receptionist|secretary|voice"
_MACHINE: Final = {
    "en": re.compile(
        rf"\b(?:AI|(?i:artificial intelligence|robot|(?:artificial|virtual) (?:\w+ )?(?:{_WHO})"
        rf"|automated (?:\w+ )?(?:{_WHO}|call|caller|message|service|system)))\b"
    ),
}
"""By language, what says that a machine speaks."""

_DENIAL: Final = {"en": re.compile(r"(?i)\b(?:not|no|never|isn't|aren't|ain't|n't)\s+(?:(?:an?|the|any|just)\s+)*$")}
"""By language, what right before it says that none does."""

_GREETING: Final = {
    "en": re.compile(r"(?i)\s*(?:(?:hello|hi|hey)(?: there)?|good (?:morning|afternoon|evening|day))[.!]\s+"),
}
"""By language, a greeting that stands alone: the sentence behind it is the first one."""

_ABBREVIATION: Final = re.compile(r"\b(Mr|Mrs|Ms|Mx|Dr|Prof|St|Sr|Jr|Inc|Ltd|Co|Corp|No)\.", re.IGNORECASE)
_END: Final = re.compile(r"[.!?…](?=\s|$)")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


class MissingVariableError(ClientCallerError):
    """A text asks for a variable that a contact does not have; `name` says which."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the text says {{{name}}}, and the contact has no such variable: add the column {name}")
        self.name = name


def opening_is_lawful(text: str, company: str, language: str = "en") -> list[str]:
    """What is wrong with an opening, a sentence each; empty when nothing is.

    Judge the operator's text with its placeholders, and judge it again when they are filled.
    """
    if language not in _MACHINE:
        return [f"It is not known how to say in {language!r} that a machine calls; there is: {', '.join(_MACHINE)}."]
    name = " ".join(company.split())
    if not name:
        return ["The company has no name to be told."]
    spoken = " ".join(text.split()).replace("A.I.", "AI")
    masked = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "\0", spoken, flags=re.IGNORECASE)
    first = _first_sentence(masked, language)
    complaints = []
    if "\0" not in first:
        complaints.append(f"The first sentence must name {name}, which is calling.")
    said = list(_MACHINE[language].finditer(first))
    if any(_DENIAL[language].search(first[: word.start()]) for word in said):
        complaints.append("The first sentence denies that a machine is calling.")
    elif not said:
        complaints.append(
            "The first sentence must say that a machine is calling, as in AI, automated call or virtual assistant."
        )
    return complaints


def _first_sentence(text: str, language: str) -> str:
    text = _ABBREVIATION.sub(r"\1", text)
    greeting = _GREETING[language].match(text)
    text = text[greeting.end() :] if greeting else text
    end = _END.search(text)
    return text[: end.start()] if end else text


def variables_of(template: str) -> tuple[str, ...]:
    """The variables that a text asks for, in order of appearance, each once. Raises ConfigError for a stray brace."""
    if set("{}") & set(_PLACEHOLDER.sub("", template)):
        raise ConfigError(
            "a brace stands alone in a text of the agent: write {name} for a variable, and no other brace"
        )
    return tuple(dict.fromkeys(name.strip() for name in _PLACEHOLDER.findall(template)))


def fill(template: str, variables: Mapping[str, str]) -> str:
    """The text with its variables, each made one line of at most 200 characters without braces.

    Raises MissingVariableError for one that is not there or blank, ConfigError for a stray brace.
    """
    values = {name: _plain(variables.get(name, "")) for name in variables_of(template)}
    for name, value in values.items():
        if not value:
            raise MissingVariableError(name)
    return _PLACEHOLDER.sub(lambda found: values[found[1].strip()], template)


def _plain(value: str) -> str:
    kept = (char for char in value if char.isspace() or (char not in "{}" and unicodedata.category(char)[0] != "C"))
    return " ".join("".join(kept).split())[:_LONGEST_VALUE].rstrip()
