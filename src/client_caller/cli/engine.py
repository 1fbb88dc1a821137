"""`client-caller engine`: engines that are servers of their own, beside the one that answers the telephone."""

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

app = typer.Typer(help="Engines as servers of their own, which `serve` and others can use.", no_args_is_help=True)

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Device(Enum):
    """Where the model runs."""

    AUTO = "auto"
    CUDA = "cuda"
    CPU = "cpu"


class Random(Enum):
    """Of which size a model with random weights is."""

    TINY = "tiny"
    PUBLISHED = "published"


@app.callback()
def engines() -> None:
    """Engines as servers of their own, which `serve` and others can use."""


@app.command()
def csm(
    weights: Annotated[Path | None, typer.Option(help="The folder that sesame/csm-1b was fetched into.")] = None,
    voices: Annotated[
        Path | None, typer.Option(help="The folder of voice prompts; default: CLIENT_CALLER_SPEAKING__VOICES.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on, 0 for a free one.", min=0, max=65535)] = 8091,
    slots: Annotated[int, typer.Option(help="Voices that can speak at once.", min=1, max=256)] = 16,
    calls: Annotated[int, typer.Option(help="Calls that can be open at once.", min=1, max=4096)] = 64,
    device: Annotated[Device, typer.Option(help="Where the model runs.")] = Device.AUTO,
    random: Annotated[
        Random | None, typer.Option(help="Random weights instead, which say noise: to measure, and to try it out.")
    ] = None,
    supervise: Annotated[bool, typer.Option(help="Start the engine's process again whenever it dies.")] = True,
    lifeline: Annotated[
        bool, typer.Option(hidden=True, help="End with standard input: a supervisor holds it.")
    ] = False,
) -> None:
    """Speak with Sesame's CSM-1B: /v1/audio/speech as OpenAI has it, and a WebSocket for calls, /v1/calls.

    Whoever uses it presents CLIENT_CALLER_SPEAKING__CSM_KEY, if that is set.
    """
    from client_caller.errors import ConfigError
    from client_caller.heap import settle
    from client_caller.listening import bound
    from client_caller.logs import set_up_logging
    from client_caller.settings import load_settings

    if (weights is None) == (random is None):
        raise ConfigError("give --weights FOLDER, or --random tiny to try it without; and not both")
    settings = load_settings()
    speaking = settings.speaking
    set_up_logging(settings.log)
    if not lifeline:
        _warn(host, is_noise=random is not None, has_key=bool(speaking.csm_key.get_secret_value()))
    with bound(host, port) as listener:
        port = listener.getsockname()[1]
        if not supervise or lifeline:
            from client_caller.speaking.csm.app import EngineOptions, run_csm

            options = EngineOptions(
                weights, random.value if random else "tiny", voices or speaking.voices, device.value, slots, calls
            )
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

            def announce() -> None:
                settle()  # to look at all that torch brings would take longer than a frame of every voice
                print(f"CSM speaks at {url}", flush=True)

            end = sys.stdin.fileno() if lifeline else None
            raise typer.Exit(run_csm(options, speaking.csm_key, listener, announce, end))
    from client_caller.supervisor import supervise as keep_serving

    # It holds no socket: a call that is refused has another voice at once, and one that waits for this has silence.
    command = [sys.executable, "-m", "client_caller", *sys.argv[1:], "--port", str(port), "--lifeline"]
    raise typer.Exit(keep_serving(command))


def _warn(host: str, *, is_noise: bool, has_key: bool) -> None:
    """Tell the operator what may not have been meant."""
    if is_noise:
        typer.echo("The weights are random: whatever this engine says is noise.", err=True)
    if host not in _LOOPBACK and not has_key:
        typer.echo(f"Whoever reaches {host} can use this engine: set CLIENT_CALLER_SPEAKING__CSM_KEY.", err=True)
