"""Every setting, with its unit, its default and a sentence. Nothing else in the package reads the environment.

In:   environment variables and an optional `.env` file; groups are joined by two underscores:
      CLIENT_CALLER_TURN__QUICK_S=0.25. Secrets of the carrier keep the carrier's own names (TWILIO_AUTH_TOKEN).
      What both leave open may stand in a profile: a file in the form of `.env` for one kind of machine.
Out:  one frozen `Settings`, read once at start-up and passed down. `client-caller settings` prints it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from client_caller.errors import ConfigError

_FROZEN = ConfigDict(frozen=True, extra="forbid")

PROFILE: Final = "CLIENT_CALLER_PROFILE"
"""The variable that names the profile, to a process and to those that it starts."""

_OURS: Final = ("CLIENT_CALLER_", "TWILIO_", "TELNYX_", "HF_TOKEN", "RUNPOD_API_KEY")

_PROFILES: Final = Path("deploy/profiles")


class ServerSettings(BaseModel):
    """Where the server listens and how it is reached."""

    model_config = _FROZEN
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="addresses and networks, parted by commas, of proxies whose X-Forwarded-For is believed",
    )
    media_silence_s: float = Field(3.0, gt=0, description="seconds without any media after which a stream is dead")
    start_within_s: float = Field(5.0, gt=0, description="seconds a new media socket has to send its `start`")
    send_within_s: float = Field(2.0, gt=0, description="seconds one message to the carrier may take")
    token_life_s: float = Field(60.0, gt=0, description="seconds for which a stream token may be used, once")
    pending_sockets: int = Field(32, ge=1, description="media sockets that may wait for their `start` at once")
    pending_per_address: int = Field(8, ge=1, description="of them, those that may come from one address")
    messages_per_s: int = Field(200, ge=100, description="media messages a second a stream may send; 50 are usual")
    calls_at_once: int = Field(8, ge=1, description="calls held at once; a caller beyond that hears a sentence")
    answer_p95_s: float = Field(
        2.0, ge=0, description="seconds; no call is let in with which one answer in twenty would take longer; 0: any is"
    )
    calls_at_least: int = Field(1, ge=1, description="calls that are let in however long answers take")
    resume_attempts: int = Field(3, ge=0, description="fresh streams for one call within `resume_window_s`")
    resume_window_s: float = Field(60.0, gt=0, description="seconds in which fresh streams of one call are counted")
    drain_s: float = Field(300.0, ge=0, description="seconds running calls have to end when the server is told to stop")
    metrics: Literal["loopback", "key", "open", "off"] = Field(
        "loopback",
        description="who may read /metrics: loopback (this machine, or whoever has the API key), key (who has it), "
        "open (who reaches the port) or off",
    )


class HearingSettings(BaseModel):
    """From sound to pauses and words."""

    model_config = _FROZEN
    speech_on: float = Field(0.5, gt=0, lt=1, description="speech probability at which a window counts as voice")
    speech_sure: float = Field(
        0.85, gt=0, lt=1, description="speech probability at which one window is an onset, and quiet must last twice"
    )
    speech_off: float = Field(0.5, gt=0, lt=1, description="speech probability below which a window counts as silence")
    hangover_s: float = Field(0.032, gt=0, description="seconds of silence before a pause is noticed")
    preroll_s: float = Field(0.3, ge=0, description="seconds before the onset that are decoded with it")
    interim_s: float = Field(0.4, ge=0, description="seconds of new voice between two interim transcripts; 0: none")
    workers: int = Field(2, ge=1, description="speech-to-text threads; with moonshine about 95 MB each")
    engine: Literal["moonshine", "whisper", "server"] = Field(
        "moonshine", description="speech to text: moonshine (CPU, embedded), whisper (GPU, in-process) or server"
    )
    whisper_model: str = Field(
        "large-v3-turbo", min_length=1, description="a folder with a CTranslate2 model, or a name faster-whisper knows"
    )
    whisper_device: Literal["auto", "cuda", "cpu"] = Field("auto", description="where whisper runs")
    whisper_compute: Literal["default", "float32", "float16", "bfloat16", "int8", "int8_float16"] = Field(
        "default", description="arithmetic of whisper; default: that in which the model was saved"
    )
    server_url: str = Field("", description="a server with /audio/transcriptions, e.g. http://127.0.0.1:8001/v1")
    server_model: str = Field("whisper-1", description="the speech-to-text model's name on that server")
    server_api_key: SecretStr = Field(SecretStr("none"), description="its API key")
    server_within_s: float = Field(2.0, gt=0, description="seconds one transcription by that server may take")
    words_within_s: float = Field(
        2.0, gt=0, description="seconds one transcription may take, and half a second more per second of sound"
    )
    fallback: bool = Field(True, description="have the embedded moonshine stand in when whisper or the server fails")


class TurnSettings(BaseModel):
    """How long to wait at a pause before the answer may be heard."""

    model_config = _FROZEN
    quick_s: float = Field(0.22, gt=0, description="seconds of silence to wait when the turn is surely over")
    patient_s: float = Field(3.5, gt=0, description="seconds of silence to wait when it surely is not")


class ThinkingSettings(BaseModel):
    """The language model."""

    model_config = _FROZEN
    base_url: str = Field("", description="an OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1; empty: embedded")
    model: str = Field("SmolLM2-135M-Instruct", description="the model's name on that server")
    api_key: SecretStr = Field(SecretStr("none"), description="its API key")
    first_token_s: float = Field(2.0, gt=0, description="seconds to wait for the first token")
    next_token_s: float = Field(1.5, gt=0, description="seconds to wait for each further token")
    write_within_s: float = Field(
        60.0, gt=0, description="seconds to wait for what is written beside the talk, e.g. a summary of the call"
    )
    tool_calls: Literal["server", "text"] = Field(
        "server",
        description="how the model calls tools: server (the server's own tool calling, e.g. vLLM with the pythonic "
        "parser) or text (we write and read the calls; any server); the embedded model: always text",
    )
    fallback: Literal["none", "embedded", "server"] = Field(
        "none", description="what answers when that server fails: the embedded model, another server, or nothing"
    )
    fallback_base_url: str = Field("", description="that other server, e.g. http://127.0.0.1:8001/v1")
    fallback_model: str = Field("", description="the model's name on that other server; empty: the same name")
    fallback_api_key: SecretStr = Field(SecretStr("none"), description="its API key")
    slots: int = Field(4, ge=1, description="replies the embedded server makes at once")
    context_tokens: int = Field(2048, ge=512, description="tokens of conversation per slot of the embedded server")
    decode_threads: int = Field(
        2, ge=1, description="threads of the embedded server for new tokens; 1 when all cores are busy with calls"
    )
    prefill_threads: int = Field(2, ge=1, description="threads of the embedded server for reading the prompt")

    @model_validator(mode="after")
    def _fallback_is_whole(self) -> Self:
        if (self.fallback == "server") != bool(self.fallback_base_url):
            raise ValueError("__FALLBACK=server and __FALLBACK_BASE_URL belong together")
        if self.fallback == "embedded" and not self.base_url:
            raise ValueError(
                "__FALLBACK=embedded needs a __BASE_URL: without one, the embedded model comes first anyway"
            )
        return self


class SpeakingSettings(BaseModel):
    """From text to the caller's ear."""

    model_config = _FROZEN
    lead_s: float = Field(0.3, gt=0, le=0.3, description="seconds of audio the carrier may be ahead of real time")
    mark_every_s: float = Field(0.16, gt=0, le=0.2, description="seconds of audio between two marks")
    first_sound_s: float = Field(1.5, gt=0, description="seconds to wait for the first sound of a piece")
    next_sound_s: float = Field(1.5, gt=0, description="seconds to wait for each further stretch of it")
    engine: Literal["espeak", "csm", "server"] = Field(
        "espeak", description="the voice: espeak (embedded), csm (`client-caller engine csm`, GPU) or server"
    )
    csm_url: str = Field("http://127.0.0.1:8091", description="where `client-caller engine csm` is reached")
    csm_key: SecretStr = Field(SecretStr(""), description="its key; empty: it asks for none")
    csm_voice: str = Field("", description="the voice prompt of agents whose file names none")
    caller_sound: bool = Field(True, description="have csm hear the caller, too, and not only itself")
    voices: Path = Field(Path("voices"), description="folder of voice prompts")
    server_url: str = Field("", description="a server with /audio/speech, e.g. http://127.0.0.1:8002/v1")
    server_model: str = Field("tts-1", description="the speech model's name on that server")
    server_voice: str = Field("alloy", description="its voice for agents whose file names none")
    server_api_key: SecretStr = Field(SecretStr("none"), description="its API key")
    server_hz: int = Field(24_000, ge=8_000, le=48_000, description="samples a second of its sound")
    fallback: bool = Field(True, description="have the embedded eSpeak stand in when csm or the server fails")


class OutboundSettings(BaseModel):
    """Calls that we place."""

    model_config = _FROZEN
    from_number: str = Field(
        "",
        pattern=r"^(\+[1-9][0-9]{6,14})?$",
        description="the number that we call from, in E.164 form, e.g. +15550100002",
    )
    calls_per_s: float = Field(1.0, gt=0, le=100, description="calls placed a second; Twilio queues more than 1")
    calls_at_once: int = Field(4, ge=1, description="calls placed that may be ringing or running at once")
    ring_s: int = Field(30, ge=5, le=600, description="seconds a telephone may ring")
    detect_machine: bool = Field(True, description="have the carrier say, too, whether a machine answered")
    law: Path | None = Field(None, description="a TOML file with calling hours, caps and retries; none: those built in")


class LedgerSettings(BaseModel):
    """What must be kept for ever: calls, consents, who must not be called, campaigns."""

    model_config = _FROZEN
    url: SecretStr = Field(
        SecretStr("sqlite:///runs/ledger.db"),
        description="database, e.g. postgresql+psycopg://user:password@host/name (install the extra `postgres`)",
    )


class RecordSettings(BaseModel):
    """What is kept of a call."""

    model_config = _FROZEN
    folder: Path = Field(Path("runs/calls"), description="folder for flight records and recordings")
    audio: bool = Field(True, description="keep a stereo recording: caller left, agent right")
    carrier: bool = Field(False, description="have the carrier record, too, from when the call may be recorded")


class LogSettings(BaseModel):
    """What is written to standard error."""

    model_config = _FROZEN
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is written down")
    form: Literal["text", "json"] = Field("text", description="how a line is written: for people, or a JSON object")


class TraceSettings(BaseModel):
    """OpenTelemetry: how each turn of a call went, told to a collector."""

    model_config = _FROZEN
    endpoint: str = Field(
        "", pattern="^(https?://.+)?$", description="a collector that takes OTLP over HTTP, e.g. http://127.0.0.1:4318"
    )
    headers: SecretStr = Field(
        SecretStr(""), description="headers for it, e.g. a key: name=value, several parted by commas"
    )
    share: float = Field(1.0, gt=0, le=1, description="share of the calls that are traced, whole or not at all")
    service: str = Field("client-caller", min_length=1, description="how this service is called there")


class FleetSettings(BaseModel):
    """Several gateways that share calls, through one ledger in PostgreSQL."""

    model_config = _FROZEN
    address: str = Field(
        "", description="http address at which the other gateways reach this one; empty: this is the only one"
    )
    name: str = Field(
        "", pattern=r"^[A-Za-z0-9_.-]{0,64}$", description="this gateway's own; empty: host and port of its address"
    )
    stream_url: str = Field(
        "",
        description="https address at which the carrier opens this gateway's media streams; empty: the public address",
    )
    key: SecretStr = Field(SecretStr(""), description="what the gateways show each other; the same for all")
    gone_after_s: float = Field(3.0, ge=1, description="seconds without a word after which a gateway counts as gone")
    journal_kept_s: float = Field(
        7_200.0, gt=0, description="seconds for which the database keeps what a call wrote down"
    )


class BoxSettings(BaseModel):
    """One machine that carries all models: what `up` starts on it, and what the machine must have."""

    model_config = _FROZEN
    vllm: Path | None = Field(None, description="launch file for vLLM; none: this is no such machine")
    csm_slots: int = Field(16, ge=1, le=256, description="voices that csm can have speaking at once")
    csm_random: Literal["", "tiny", "published"] = Field(
        "", description="have csm speak with random weights of this size, which is noise: to try the machine out"
    )
    csm_weights: str = Field("sesame/csm-1b", description="what csm speaks with: its repository on the hub")
    whisper_weights: str = Field(
        "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        description="what whisper hears with, for CTranslate2: its repository on the hub",
    )
    weights: Path = Field(Path("weights"), description="folder of the weights of large models, one per repository")
    logs: Path = Field(Path("runs/logs"), description="folder for what vLLM and csm have to say")
    mps: Literal["auto", "always", "never"] = Field(
        "auto", description="whether vLLM and csm share the card by NVIDIA's MPS: where it works, or else do not start"
    )
    mps_vllm_percent: int = Field(
        80, ge=10, le=100, description="under MPS, the share of the card's processors that vLLM may use at once, in %"
    )
    card_gib: float = Field(79.1, gt=0, description="GiB of the card's memory that the plan is made for")
    compute: float = Field(8.0, gt=0, description="compute capability that the card must have")
    driver: int = Field(525, ge=1, description="major version that the card's driver must have")
    driver_sure: int = Field(580, ge=1, description="major version from which on no build of CUDA 13 asks for a newer")
    copy_gb_per_s: float = Field(1_200.0, gt=0, description="GB a second that the card must copy within its memory")
    disk_gb: float = Field(60.0, gt=0, description="GB that the weights take, with room for one that is on its way")
    ram_gib: float = Field(48.0, gt=0, description="GiB of the machine's own memory that must be free")


class Settings(BaseSettings):
    """All settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix="CLIENT_CALLER_", env_nested_delimiter="__", env_file=".env", extra="ignore", frozen=True
    )
    public_url: str = Field(
        "", description="how the carrier reaches us: https://…; on loopback also http://127.0.0.1:PORT"
    )
    agent: Path = Field(Path("agents/receptionist.toml"), description="the agent file that answers")
    models: Path = Field(Path("~/.cache/client-caller"), description="folder for model files")
    server: ServerSettings = ServerSettings()
    hearing: HearingSettings = HearingSettings()
    turn: TurnSettings = TurnSettings()
    thinking: ThinkingSettings = ThinkingSettings()
    speaking: SpeakingSettings = SpeakingSettings()
    records: RecordSettings = RecordSettings()
    outbound: OutboundSettings = OutboundSettings()
    ledger: LedgerSettings = LedgerSettings()
    box: BoxSettings = BoxSettings()
    fleet: FleetSettings = FleetSettings()
    log: LogSettings = LogSettings()
    traces: TraceSettings = TraceSettings()
    api_key: SecretStr = Field(
        SecretStr(""),
        description="what users of the API must present; empty: one is made and kept in runs/api.key",
    )
    tool_secrets: dict[str, SecretStr] = Field(
        {}, description="secrets that tools of agent files use, by name: CLIENT_CALLER_TOOL_SECRETS__CRM_TOKEN=…"
    )
    twilio_account_sid: str = Field(
        "", validation_alias="TWILIO_ACCOUNT_SID", description="the only account that may call us; empty accepts any"
    )
    twilio_auth_tokens: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        validation_alias="TWILIO_AUTH_TOKEN",
        description="token that signs the carrier's requests; several, parted by commas, while one is rotated",
    )

    twilio_api_url: str = Field(
        "https://api.twilio.com", validation_alias="TWILIO_API_URL", description="where the carrier takes requests"
    )
    telnyx_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="TELNYX_API_KEY",
        description="key for requests to Telnyx; empty: we have no such carrier",
    )
    telnyx_public_key: str = Field(
        "", validation_alias="TELNYX_PUBLIC_KEY", description="key, in base64, with which Telnyx signs its webhooks"
    )
    telnyx_connection_id: str = Field(
        "", validation_alias="TELNYX_CONNECTION_ID", description="the Telnyx application that places our calls"
    )
    telnyx_api_url: str = Field(
        "https://api.telnyx.com", validation_alias="TELNYX_API_URL", description="where Telnyx takes requests"
    )
    hub_url: str = Field("https://huggingface.co", validation_alias="HF_ENDPOINT", description="where weights are had")
    hub_token: SecretStr = Field(
        SecretStr(""), validation_alias="HF_TOKEN", description="token for weights whose licence must be accepted"
    )
    runpod_api_key: SecretStr = Field(
        SecretStr(""), validation_alias="RUNPOD_API_KEY", description="key to rent and give back machines at RunPod"
    )
    runpod_api_url: str = Field(
        "https://api.runpod.io/v2", validation_alias="RUNPOD_API_URL", description="where RunPod takes requests"
    )
    runpod_pod_id: str = Field(
        "", validation_alias="RUNPOD_POD_ID", description="set by RunPod on its machines: which of them this is"
    )

    @field_validator("twilio_auth_tokens", mode="before")
    @classmethod
    def _part_at_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def load_settings(profile: str = "") -> Settings:
    """The settings of this process: those of the environment, then of `.env`, then of the profile.

    profile: as of `profile_file`; empty: the one that CLIENT_CALLER_PROFILE names, if any.
    Raises ConfigError that names the variable, what it holds and what is allowed.
    """
    try:
        return Settings(_env_file=settings_files(profile))
    except ValidationError as wrong:
        raise ConfigError("\n".join(_explain(error) for error in wrong.errors())) from wrong


def settings_files(profile: str = "") -> tuple[Path, ...]:
    """The files in which settings may stand, the one that is believed most last; they need not be there."""
    profile = profile or os.environ.get(PROFILE, "")
    return (*((profile_file(profile),) if profile else ()), Path(".env"))


def profile_file(profile: str) -> Path:
    """Its file: a path that ends in .env, or a name such as a100, of a file in deploy/profiles. Raises ConfigError."""
    path = Path(profile) if profile.endswith(".env") else _PROFILES / f"{profile}.env"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in _PROFILES.glob("*.env"))) or "none in this folder"
        raise ConfigError(
            f"there is no profile {path}: start in the folder of Client Caller and give a name ({names}), or give the "
            "path of a file that ends in .env"
        )
    return path


def _explain(error: ErrorDetails) -> str:
    path = [str(part) for part in error["loc"]]
    name = path[0] if path[0].isupper() else "CLIENT_CALLER_" + "__".join(path).upper()
    return f"setting {name}: {error['msg'][0].lower()}{error['msg'][1:]} (it is {error['input']!r})"


def environment_with(changes: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with some variables set, for a server process that is to be started with them."""
    return {**os.environ, **changes}


def environment_for_others(changes: Mapping[str, str]) -> dict[str, str]:
    """The same for a process that is not ours and needs none of our settings: without them, and without secrets."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith(_OURS)}, **changes}
