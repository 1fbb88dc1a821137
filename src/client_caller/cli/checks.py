"""The checks of `client-caller doctor`.

In:   the settings.
Out:  one `Check` for each thing a call needs, good or bad.
Rule: looks only; nothing is made, downloaded or changed. Whatever is asked of another machine may take seconds only.
"""

import asyncio
import errno
import importlib
import importlib.util
import os
import platform
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, urlsplit

import httpx2
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

import client_caller.ledger
from client_caller.agent import load_agent
from client_caller.errors import CarrierFailed, ConfigError
from client_caller.ledger.database import VERSION_TABLE, reason, spill_beside
from client_caller.models.store import ModelStore
from client_caller.settings import HearingSettings, Settings, SpeakingSettings

_ENGINE_PACKAGES: Final = ("onnxruntime", "moonshine_voice", "espeakng_loader", "xllamacpp")
_ACCOUNT_WITHIN_S: Final = 15.0
"""Seconds in which the carrier must have told our numbers; a few tries have room in them."""
_DATABASE_WITHIN_S: Final = 5
_UNAPPROVED_CALLS: Final = 2
"""Calls at once that Twilio allows without an approved profile. Source: support.twilio.com, article 223180028."""
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_SCANT_BYTES: Final = 1_000_000_000
"""About eight hours of stereo recordings at 8 kHz and 16 bits."""
_TOO_LITTLE_BYTES: Final = 100_000_000


if TYPE_CHECKING:
    from client_caller.line.control import OwnNumber


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `remedy` says what to do and is empty if nothing is."""

    verdict: Literal["ok", "warn", "FAIL"]
    what: str
    found: str
    remedy: str = ""


def every_check(settings: Settings) -> Iterator[Check]:
    """All checks, in the order in which one would mend things."""
    yield Check("ok", "Python", platform.python_version())
    yield from check_packages()
    yield check_processor()
    yield from check_models(ModelStore(settings.models))
    yield check_agent(settings.agent)
    yield check_transcriber(settings.hearing)
    yield check_language_model(settings)
    yield check_voice(settings.speaking)
    if settings.speaking.engine == "csm":
        yield from check_voice_prompt(settings)
    yield check_port(settings.server.host, settings.server.port)
    yield check_public_url(settings.public_url)
    yield check_carrier(settings)
    yield from check_account(settings)
    yield from check_telnyx(settings)
    yield from check_calls_at_once(settings)
    yield check_ledger(settings.ledger.url.get_secret_value())
    yield check_room("models", settings.models, "CLIENT_CALLER_MODELS")
    yield check_room("records", settings.records.folder, "CLIENT_CALLER_RECORDS__FOLDER")


def check_packages() -> Iterator[Check]:
    """The engines' packages can be loaded with their native libraries."""
    broken = False
    for name in _ENGINE_PACKAGES:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as why:
            broken = True
            yield Check("FAIL", f"package {name}", str(why), "run `make setup`; it needs glibc 2.34 or macOS 15")
    if not broken:
        yield Check("ok", "engines' packages", ", ".join(_ENGINE_PACKAGES))


def check_processor() -> Check:
    """Two cores: one hears and thinks while the other speaks."""
    cores = os.cpu_count() or 1
    if cores < 2:
        return Check("warn", "processor", "1 core", "expect slow answers; two cores hold one call well")
    return Check("ok", "processor", f"{cores} cores")


def check_models(store: ModelStore) -> Iterator[Check]:
    """Every model file is there and is the pinned one."""
    statuses = store.status()
    for status in statuses:
        if status.fault:
            yield Check("FAIL", status.artefact.name, status.fault, "run `client-caller models pull`")
    if not any(status.fault for status in statuses):
        yield Check("ok", "model files", f"{len(statuses)} verified in {store.folder}")


def check_agent(path: Path) -> Check:
    """The agent file is in order."""
    try:
        agent = load_agent(path)
    except ConfigError as wrong:
        return Check("FAIL", "agent file", str(wrong), f"mend it; `client-caller agents check {path}` checks it again")
    return Check("ok", "agent file", f"{path}: {agent.name} of {agent.company}")


def check_transcriber(hearing: HearingSettings) -> Check:
    """What turns speech into text is installed or, if it is a server, answers."""
    if hearing.engine == "server":
        return _check_server(
            "speech to text",
            hearing.server_url,
            hearing.server_api_key,
            "CLIENT_CALLER_HEARING__SERVER_URL",
            "CLIENT_CALLER_HEARING__SERVER_API_KEY",
        )
    if hearing.engine == "whisper":
        if importlib.util.find_spec("faster_whisper") is None:
            remedy = "run `pip install client-caller[whisper]`, or set CLIENT_CALLER_HEARING__ENGINE to moonshine"
            return Check("FAIL", "speech to text", "faster-whisper is not installed", remedy)
        return Check("ok", "speech to text", f"whisper {hearing.whisper_model} on {hearing.whisper_device}")
    return Check("ok", "speech to text", "moonshine, embedded")


def check_language_model(settings: Settings) -> Check:
    """The language model's server answers, if one is set."""
    thinking = settings.thinking
    if not thinking.base_url:
        return Check("ok", "language model", "embedded")
    return _check_server(
        "language model",
        thinking.base_url,
        thinking.api_key,
        "CLIENT_CALLER_THINKING__BASE_URL",
        "CLIENT_CALLER_THINKING__API_KEY",
    )


def check_voice(speaking: SpeakingSettings) -> Check:
    """What speaks answers, if it is a server."""
    if speaking.engine == "server":
        return _check_server(
            "voice",
            speaking.server_url,
            speaking.server_api_key,
            "CLIENT_CALLER_SPEAKING__SERVER_URL",
            "CLIENT_CALLER_SPEAKING__SERVER_API_KEY",
        )
    if speaking.engine == "csm":
        return _check_server(
            "voice",
            f"{speaking.csm_url.rstrip('/')}/v1",
            speaking.csm_key,
            "CLIENT_CALLER_SPEAKING__CSM_URL",
            "CLIENT_CALLER_SPEAKING__CSM_KEY",
            "which has no path",
            "start it with `client-caller engine csm`",
        )
    return Check("ok", "voice", "eSpeak NG, embedded")


def check_voice_prompt(settings: Settings) -> Iterator[Check]:
    """The agent has a voice prompt, and the engine knows it. Nothing where either cannot be asked."""
    speaking, key = settings.speaking, settings.speaking.csm_key.get_secret_value()
    try:
        prompt = load_agent(settings.agent).voice.prompt or speaking.csm_voice
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        url = f"{speaking.csm_url.rstrip('/')}/v1/audio/voices"
        known = httpx2.get(url, headers=headers, timeout=5.0).raise_for_status().json()["voices"]
    except (ConfigError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError):
        return  # told by the checks of the agent file and of the voice
    name_one = "name one in the agent file, [voice] prompt, or in CLIENT_CALLER_SPEAKING__CSM_VOICE"
    if not prompt:
        yield Check("FAIL", "voice prompt", "none is named", name_one)
    elif prompt not in known:
        found = f"the engine has no {prompt!r}, but: {', '.join(map(str, known)) or 'none'}"
        yield Check("FAIL", "voice prompt", found, f"add it with `client-caller voices add`, or {name_one}")
    else:
        yield Check("ok", "voice prompt", prompt)


def _check_server(
    what: str,
    url: str,
    key: SecretStr,
    url_setting: str,
    key_setting: str,
    form: str = "it ends in /v1",
    start: str = "start it",
) -> Check:
    """A server with OpenAI's protocol answers. form: how the setting with its address must look."""
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key.get_secret_value() else {}
    try:
        answer = httpx2.get(f"{url.rstrip('/')}/models", headers=headers, timeout=5.0)
    except (httpx2.TransportError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as why:
        return Check("FAIL", what, f"{url}: {why}", f"{start}, or correct {url_setting}")
    if answer.is_error:
        remedy = f"check {url_setting} ({form}) and {key_setting}"
        return Check("FAIL", what, f"{url}/models answers {answer.status_code}", remedy)
    return Check("ok", what, url)


def check_port(host: str, port: int) -> Check:
    """The port can be listened on."""
    try:
        with socket.create_server((host, port)):
            return Check("ok", "port", f"{host}:{port} is free")
    except OSError as refusal:
        found = f"{host}:{port} is taken" if refusal.errno == errno.EADDRINUSE else f"{host}:{port}: {refusal.strerror}"
        return Check(
            "FAIL",
            "port",
            found,
            "stop what listens there, or set CLIENT_CALLER_SERVER__PORT or CLIENT_CALLER_SERVER__HOST",
        )


def check_public_url(url: str) -> Check:
    """The carrier can reach us: over https, or on loopback for trials."""
    if not url:
        return Check("warn", "public URL", "not set", "for real calls set CLIENT_CALLER_PUBLIC_URL to https://…")
    parts = urlsplit(url)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        return Check("ok", "public URL", url)
    return Check(
        "FAIL", "public URL", url, "CLIENT_CALLER_PUBLIC_URL must be https://…; the carrier refuses anything else"
    )


def check_carrier(settings: Settings) -> Check:
    """Twilio's account and token are both there, or neither is."""
    sid, tokens = settings.twilio_account_sid, settings.twilio_auth_tokens
    if not sid and not tokens and settings.telnyx_api_key:
        return Check("ok", "Twilio", "not used")
    if not sid and not tokens:
        remedy = "for real calls set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN from the Twilio console"
        return Check("warn", "Twilio", "no credentials", remedy)
    if not tokens:
        return Check("FAIL", "Twilio", "TWILIO_AUTH_TOKEN is not set", "set it: without it no request can be trusted")
    if sid and not re.fullmatch(r"AC[0-9a-f]{32}", sid):
        return Check(
            "FAIL", "Twilio", f"TWILIO_ACCOUNT_SID is {sid!r}", "set it to AC and 32 hexadecimal digits, or unset it"
        )
    return Check("ok", "Twilio", f"account {sid or 'any'}, {len(tokens)} token(s)")


def check_account(settings: Settings) -> Iterator[Check]:
    """Twilio takes our credentials, and the number that we call from is one of the account's and points here."""
    if not settings.twilio_account_sid or not settings.twilio_auth_tokens:
        return
    try:
        numbers = asyncio.run(_numbers(settings))
    except ImportError as missing:  # a package that the first checks have told of
        yield Check("warn", "Twilio account", f"not asked: {missing}", "run `make setup`")
    except ConfigError as wrong:
        yield Check("FAIL", "Twilio account", str(wrong), "correct that setting")
    except TimeoutError:
        found = f"no answer within {_ACCOUNT_WITHIN_S:g} s"
        yield Check("FAIL", "Twilio account", found, f"see that this machine reaches {settings.twilio_api_url}")
    except CarrierFailed as failed:
        remedy = f"see that this machine reaches {settings.twilio_api_url}, and that the credentials are right"
        yield Check("FAIL", "Twilio account", str(failed), remedy)
    else:
        yield Check("ok", "Twilio account", f"answers, and has {len(numbers)} number(s)")
        if settings.outbound.from_number:
            yield check_from_number(settings.outbound.from_number, settings.public_url, numbers)


async def _numbers(settings: Settings) -> "Sequence[OwnNumber]":
    from client_caller.app import twilio_control

    control = twilio_control(settings)
    try:
        async with asyncio.timeout(_ACCOUNT_WITHIN_S):
            return await control.numbers()
    finally:
        await control.close()


def check_from_number(number: str, public_url: str, numbers: "Sequence[OwnNumber]") -> Check:
    """The number that we call from is one of the account's, and whoever calls it back reaches us."""
    ours = next((own for own in numbers if own.number == number), None)
    if ours is None:
        those = ", ".join(own.number for own in numbers) or "none"
        return Check(
            "FAIL",
            "number to call from",
            f"{number} is not one of the account's, which are: {those}",
            "set CLIENT_CALLER_OUTBOUND__FROM_NUMBER to one of them",
        )
    if not public_url or ours.voice_url == f"{public_url.rstrip('/')}/twilio/voice":
        return Check("ok", "number to call from", number)
    found = f"calls to {number} go to {ours.voice_url or 'nowhere'}"
    return Check("warn", "number to call from", found, f"run `client-caller numbers point {number}`")


def check_telnyx(settings: Settings) -> Iterator[Check]:
    """What Telnyx needs is there, if it is a carrier of ours."""
    if not settings.telnyx_api_key:
        return
    needed = {
        "TELNYX_CONNECTION_ID": settings.telnyx_connection_id,
        "TELNYX_PUBLIC_KEY": settings.telnyx_public_key,
    }
    if missing := [name for name, value in needed.items() if not value]:
        yield Check("FAIL", "Telnyx", f"{' and '.join(missing)} not set", "copy them from the Telnyx portal")
    else:
        yield Check("ok", "Telnyx", f"application {settings.telnyx_connection_id}")


def check_calls_at_once(settings: Settings) -> Iterator[Check]:
    """How many calls at once we want, beside what Twilio allows; which of its limits holds, it does not tell."""
    wanted = max(settings.server.calls_at_once, settings.outbound.calls_at_once if settings.outbound.from_number else 0)
    if settings.twilio_account_sid and settings.twilio_auth_tokens and wanted > _UNAPPROVED_CALLS:
        yield Check(
            "warn",
            "calls at once",
            f"up to {wanted}; Twilio allows 5 on a trial account, {_UNAPPROVED_CALLS} without an approved customer "
            "profile, 3 with one of an individual",
            "for more, have a business profile approved in the Twilio console",
        )


def check_ledger(url: str) -> Check:
    """The ledger can be had, and no newer version of this package has made its tables."""
    try:
        spill_beside(url)
    except ConfigError as wrong:
        return Check("FAIL", "ledger", str(wrong), "correct CLIENT_CALLER_LEDGER__URL")
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
        return check_room("ledger", Path(parsed.database or "").parent, "CLIENT_CALLER_LEDGER__URL")
    steps = ScriptDirectory(str(Path(next(iter(client_caller.ledger.__path__))) / "migrations"))
    try:
        found = set(_tables_of(parsed))
    except ImportError:
        return Check("FAIL", "ledger", "the driver for PostgreSQL is missing", "install the extra `postgres`")
    except SQLAlchemyError as refused:
        remedy = "have it let us in, or correct CLIENT_CALLER_LEDGER__URL"
        return Check("FAIL", "ledger", f"cannot be opened: {reason(refused)}", remedy)
    where = parsed.database if parsed.get_backend_name() == "sqlite" else f"PostgreSQL at {parsed.host}"
    if found == set(steps.get_heads()):
        return Check("ok", "ledger", str(where))
    if found <= {step.revision for step in steps.walk_revisions()}:
        return Check("ok", "ledger", f"{where}; its tables are upgraded when the server starts")
    remedy = "install the newer version again, or name another database in CLIENT_CALLER_LEDGER__URL"
    return Check("FAIL", "ledger", f"{where}: its tables are of a newer version", remedy)


def _tables_of(url: URL) -> tuple[str, ...]:
    """The version of a ledger's tables, without touching them. Raises ImportError, SQLAlchemyError."""
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "").absolute()
        # Who reads a file that nobody has open would leave a log beside it, which the server may not be able to write.
        how = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "immutable=1"
        engine = create_engine(f"sqlite:///file:{quote(str(file))}?{how}&uri=true", hide_parameters=True)
    else:
        url = url.set(drivername="postgresql+psycopg")
        limit = {"connect_timeout": _DATABASE_WITHIN_S, "options": f"-c statement_timeout={_DATABASE_WITHIN_S}s"}
        engine = create_engine(url, hide_parameters=True, connect_args=limit)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    finally:
        engine.dispose()


def check_room(what: str, folder: Path, setting: str) -> Check:
    """The folder, or the nearest one above it that exists, may be written and has room."""
    folder = folder.expanduser().absolute()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Check(
            "FAIL", f"{what} folder", f"{existing} cannot be written", f"give this user access, or set {setting}"
        )
    free_bytes = shutil.disk_usage(existing).free
    found = f"{folder}: {free_bytes / 1e9:.1f} GB free"
    if free_bytes >= _SCANT_BYTES:
        return Check("ok", f"{what} folder", found)
    verdict: Literal["warn", "FAIL"] = "warn" if free_bytes >= _TOO_LITTLE_BYTES else "FAIL"
    return Check(verdict, f"{what} folder", found, f"free some space, or set {setting} to another disk")
