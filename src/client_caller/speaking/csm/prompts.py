"""Voice prompts: a few seconds of somebody's voice, what is said in them, and that he or she agreed to their use.

In:   a recording, its text and a line that says who agreed to what.
Out:  a folder for each voice, `NAME/voice.toml` and `NAME/prompt.wav`; and prompts as the engine wants them.
Rule: no voice without consent. That the line is there is checked here; that it is true, whoever adds the voice answers
      for. A prompt that is not the one the line was written for is refused. No clock: the date is an argument.
"""

import hashlib
import json
import os
import re
import shutil
import tomllib
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from client_caller.audio.frame import Samples
from client_caller.errors import ConfigError
from client_caller.speaking.csm.protocol import HZ
from client_caller.speaking.csm.recording import LONGEST_S, SHORTEST_S, prepared, read_wav

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_CARD, _PROMPT = "voice.toml", "prompt.wav"
_SETTING: Final = "CLIENT_CALLER_SPEAKING__VOICES"

_CONSENT: Final = (
    "a sentence that names who agreed, to what, and is true, "
    'e.g. "Jane Doe agreed in writing that her voice is used for our calls"'
)
_SHORTEST_CONSENT: Final = 20
_FEWEST_WORDS: Final = 3
_SLOWEST: Final = 4.0
_FASTEST: Final = 30.0
"""Characters a second. People speak some 12 to 18; beyond these the text is not that of the recording."""


@dataclass(frozen=True, slots=True)
class VoicePrompt:
    """What a voice sounds like. text: what is said in it, word for word;  sound: (n,) float32 at 24 kHz."""

    name: str
    text: str
    sound: Samples


@dataclass(frozen=True, slots=True)
class VoiceCard:
    """What is known of a voice. consent: who agreed, to what;  added: when it was put here;  sha256: of prompt.wav."""

    text: str
    consent: str
    added: date
    sha256: str


class VoiceShelf:
    """The folder of voices. It need not exist before the first is added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser()

    def names(self) -> list[str]:
        """Of all voices, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(path.parent.name for path in self.folder.glob(f"*/{_CARD}") if _NAME.fullmatch(path.parent.name))

    def add(
        self, name: str, recording: Path, text: str, consent: str, added: date, *, replace: bool = False
    ) -> VoicePrompt:
        """Make a voice of a recording. It appears whole or not at all.

        Raises ConfigError that names what is wrong with name, consent, text or recording, and what to do.
        """
        _check_name(name)
        place = self.folder / name
        if place.exists() and not replace:
            raise ConfigError(f"there is a voice {name} already: give another name, or --replace")
        if place.exists() and not (place / _CARD).is_file():
            raise ConfigError(f"{place} is there and is no voice: give another name")
        consent = _line("--consent", consent, _CONSENT)
        if len(consent) < _SHORTEST_CONSENT or len(consent.split()) < _FEWEST_WORDS:
            raise ConfigError(f"--consent must be {_CONSENT}")
        text = _line("the text", text, "what is said in the recording, word for word")
        sound = prepared(recording)
        _check_pace(text, len(sound) / HZ, recording)
        with self._explained():
            self._write(place, sound, text, consent, added)
        return self.load(name)

    def card(self, name: str) -> VoiceCard:
        """What is known of a voice. Raises ConfigError when there is none, or its voice.toml is broken."""
        _check_name(name)
        path = self.folder / name / _CARD
        if not path.is_file():
            raise ConfigError(f"there is no voice {name} in {self.folder}: {self._those_there_are()}")
        try:
            fields = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as wrong:
            raise ConfigError(f"{path} cannot be read ({wrong}): {_again(name)}") from wrong
        for key in ("text", "consent", "sha256"):
            if not isinstance(fields.get(key), str) or not fields[key].strip():
                raise ConfigError(f"{path}, {key}: it is missing: {_again(name)}")
        if type(fields.get("added")) is not date:
            raise ConfigError(f"{path}, added: it must be a date such as 2026-11-30")
        return VoiceCard(fields["text"], fields["consent"], fields["added"], fields["sha256"])

    def load(self, name: str) -> VoicePrompt:
        """A voice. Raises ConfigError when there is none, or its prompt is not the one that was agreed to."""
        card, path = self.card(name), self.folder / name / _PROMPT
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as refusal:
            raise ConfigError(f"{path} cannot be read ({refusal.strerror}): {_again(name)}") from refusal
        if found != card.sha256:
            raise ConfigError(f"{path} is not the recording that {_CARD} was written for: {_again(name)}")
        sound, hz = read_wav(path)
        if hz != HZ or not SHORTEST_S <= len(sound) / HZ <= LONGEST_S:
            raise ConfigError(f"{path} is no prompt, {SHORTEST_S:g} to {LONGEST_S:g} s at {HZ} Hz: {_again(name)}")
        return VoicePrompt(name, card.text, sound)

    def _write(self, place: Path, sound: Samples, text: str, consent: str, added: date) -> None:
        new, old = (place.with_name(f".{place.name}.{which}") for which in ("new", "old"))
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
        new.mkdir(parents=True)
        _write_wav(new / _PROMPT, sound)
        fields = {"text": text, "consent": consent, "sha256": hashlib.sha256((new / _PROMPT).read_bytes()).hexdigest()}
        lines = [f"{key} = {_quoted(value)}" for key, value in fields.items()]
        (new / _CARD).write_text("\n".join((*lines, f"added = {added.isoformat()}", "")), encoding="utf-8")
        if place.exists():
            os.rename(place, old)
        os.rename(new, place)
        shutil.rmtree(old, ignore_errors=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as refusal:
            raise ConfigError(
                f"the voices folder {self.folder} cannot be written ({refusal.strerror}): "
                f"give this user access to it, or set {_SETTING} to another"
            ) from refusal

    def _those_there_are(self) -> str:
        names = self.names()
        return f"there are {', '.join(names)}" if names else "add one with `client-caller voices add`"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a voice: take up to 32 small letters, digits, - and _, a letter first"
        )


def _check_pace(text: str, seconds: float, recording: Path) -> None:
    pace = len(text) / seconds
    if not _SLOWEST <= pace <= _FASTEST:
        amount = "more" if pace > _FASTEST else "fewer"
        raise ConfigError(
            f"the text has {amount} words than {recording} can hold ({len(text)} characters in {seconds:.1f} s): "
            "it must be what is said there, word for word"
        )


def _line(what: str, text: str, meant: str) -> str:
    """Text on one line. Raises ConfigError when it is empty or has characters that cannot be shown."""
    line = " ".join(text.split())
    if not line:
        raise ConfigError(f"{what} is empty: it must be {meant}")
    if not line.isprintable():
        raise ConfigError(f"{what} holds a character that cannot be shown: write it anew as plain text")
    return line


def _quoted(line: str) -> str:
    """As a basic string of TOML, which for a line that can be shown is that of JSON."""
    return json.dumps(line, ensure_ascii=False)


def _again(name: str) -> str:
    return f"add it again with `client-caller voices add {name} … --replace`"


def _write_wav(path: Path, sound: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, HZ, len(sound), "NONE", "not compressed"))
        file.writeframes(np.rint(sound * 32_767).astype("<i2").tobytes())
