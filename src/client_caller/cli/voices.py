"""`client-caller voices`: make voice prompts of recordings, list them, hear one speak."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from client_caller.errors import ConfigError

if TYPE_CHECKING:
    import httpx2

    from client_caller.settings import Settings
    from client_caller.speaking.csm.prompts import VoiceShelf

app = typer.Typer(help="The voices of the engine csm: add one, list them, hear one.", no_args_is_help=True)

_ADDRESS: Final = "CLIENT_CALLER_SPEAKING__CSM_URL"
_SPOKEN_WITHIN_S: Final = 60.0
"""Seconds that may pass without a byte: a voice prompt that is read on a CPU takes some."""
_SHOWN: Final = 300
"""Characters of a refusal."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits, - and _; a letter first.")]


@app.command()
def add(
    name: Name,
    recording: Annotated[Path, typer.Argument(metavar="RECORDING.wav", help="3 to 15 s of one person speaking.")],
    consent: Annotated[str, typer.Option(help="A true sentence: who agreed, and to what.")] = "",
    text: Annotated[str, typer.Option(help="What is said in the recording, word for word.")] = "",
    text_file: Annotated[Path | None, typer.Option(help="The file that this text is in.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of a voice of this name.")] = False,
) -> None:
    """Make a voice of a recording that somebody has agreed to. Nobody may be made to speak who has not."""
    from datetime import date

    from client_caller.speaking.csm.protocol import HZ

    if bool(text) == (text_file is not None):
        raise ConfigError("give what is said in the recording, word for word, with either --text or --text-file")
    shelf = _shelf()
    prompt = shelf.add(name, recording, text or _read(text_file), consent, date.today(), replace=replace)
    _say(f"The voice {name} is in {shelf.folder}, {len(prompt.sound) / HZ:.1f} s long.")
    if replace:
        _say("An engine that has used the former one must be started again.")


@app.command("list")
def list_voices() -> None:
    """Show the voices there are, and who agreed to each."""
    shelf = _shelf()
    names = shelf.names()
    if not names:
        _say(f"There are no voices in {shelf.folder}; `client-caller voices add` makes one.")
        return
    table = Table(Column("voice", no_wrap=True), "added", Column("consent", overflow="fold"), "state")
    broken = False
    for name in names:
        try:
            card = shelf.card(name)
            shelf.load(name)
        except ConfigError as wrong:
            broken = True
            table.add_row(name, "", "", f"[red]{escape(str(wrong))}[/]")
        else:
            table.add_row(name, card.added.isoformat(), escape(card.consent), "[green]in order[/]")
    Console().print(table)
    if broken:
        raise typer.Exit(1)


@app.command()
def say(
    name: Name,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be said.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.wav", help="Where the sound is written.")],
    url: Annotated[str, typer.Option(help="The engine's address; default: that of the settings.")] = "",
) -> None:
    """Have a voice say something, by the engine that runs (`client-caller engine csm`)."""
    from client_caller.settings import load_settings

    if not text.strip():
        raise ConfigError("TEXT is empty: give what is to be said")
    sound = _spoken(load_settings(), url, {"input": text, "voice": name})
    try:
        out.write_bytes(_with_length(sound))
    except OSError as refusal:
        raise ConfigError(f"{out} cannot be written ({refusal.strerror}): give -o another path") from refusal
    _say(f"{name} speaks in {out}.")


def _spoken(settings: "Settings", url: str, asked: dict[str, str]) -> bytes:
    """A WAV file. Raises ConfigError for what the operator can mend, EngineError."""
    import httpx2

    from client_caller.errors import EngineCrashed

    url, key = (url or settings.speaking.csm_url).rstrip("/"), settings.speaking.csm_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {"model": "csm-1b", "response_format": "wav", **asked}
    try:
        with httpx2.Client(timeout=_SPOKEN_WITHIN_S, trust_env=False) as http:
            answer = http.post(f"{url}/v1/audio/speech", json=body, headers=headers)
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as wrong:
        raise ConfigError(
            f"nobody answers at {url} ({wrong}): start the engine with `client-caller engine csm`, "
            f"or give --url or {_ADDRESS}"
        ) from wrong
    except httpx2.HTTPError as wrong:
        raise EngineCrashed("csm", f"what answers at {url} broke off ({wrong or type(wrong).__name__})") from wrong
    if answer.is_error:
        raise _refused(url, answer)
    if answer.content[:4] != b"RIFF":
        raise ConfigError(f"what answers at {url} sends no WAV file: give the engine's address with --url")
    return answer.content


def _refused(url: str, answer: "httpx2.Response") -> Exception:
    """The engine's own words, where it has any."""
    from client_caller.errors import refusal

    try:
        said = str(answer.json()["error"]["message"])[:_SHOWN]
    except (ValueError, KeyError, TypeError):
        said = ""
    if answer.status_code == 404 and not said:
        return ConfigError(f"at {url} there is no such engine: give its address with --url, without a path")
    if answer.status_code in (401, 403):
        return ConfigError(f"the engine at {url} wants its key: set CLIENT_CALLER_SPEAKING__CSM_KEY")
    if answer.is_client_error and said:
        return ConfigError(f"the engine at {url} refuses: {said}")
    return refusal("csm", answer.status_code)


def _with_length(wav: bytes) -> bytes:
    """A WAV file whose header says how long it is; who streams one cannot know that, and promises too much."""
    at = wav.find(b"data")
    if at < 0 or int.from_bytes(wav[at + 4 : at + 8], "little") <= len(wav) - at - 8:
        return wav
    sizes = (len(wav) - 8).to_bytes(4, "little"), (len(wav) - at - 8).to_bytes(4, "little")
    return wav[:4] + sizes[0] + wav[8 : at + 4] + sizes[1] + wav[at + 8 :]


def _shelf() -> "VoiceShelf":
    from client_caller.settings import load_settings
    from client_caller.speaking.csm.prompts import VoiceShelf

    return VoiceShelf(load_settings().speaking.voices)


def _read(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise ConfigError(f"--text-file {path} cannot be read as UTF-8 text ({wrong})") from wrong


def _say(sentence: str) -> None:
    Console(soft_wrap=True, highlight=False).print(sentence, markup=False)
