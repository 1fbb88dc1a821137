"""`client-caller deploy runpod`: rent one machine, look at it, give it back."""

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from client_caller.box.runpod import Pod, RunPod

app = typer.Typer(help="Rent a machine that carries everything.", no_args_is_help=True)
runpod = typer.Typer(help="A machine at RunPod: rent it, look at it, give it back.", no_args_is_help=True)
app.add_typer(runpod, name="runpod")

Template = Annotated[Path, typer.Option(help="What the machine is to be.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_TEMPLATE = Path("deploy/runpod/pod.toml")
_PORT = 8080


@runpod.command()
def create(
    image: Annotated[str, typer.Option(help="The image made from deploy/Dockerfile, in a registry.")],
    volume: Annotated[str, typer.Option(help="The id of the network volume with weights and voices.")],
    template: Template = _TEMPLATE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the request and send nothing.")] = False,
    yes: Yes = False,
) -> None:
    """Rent a machine, after its price was shown and agreed to."""
    from client_caller.box.runpod import HOURS_A_MONTH, read_template
    from client_caller.settings import load_settings

    wanted = read_template(template)
    if dry_run:
        typer.echo(f"POST {load_settings().runpod_api_url}/pods\nAuthorization: Bearer (hidden)\n")
        typer.echo(json.dumps(_without_values(wanted.request(image, volume, wanted.gpus[0])), indent=2))
        return
    with closing(_account()) as account:
        offer = account.offer(wanted)
        typer.echo(
            f"{offer.gpu}: {offer.usd_per_hour:.2f} USD an hour, {offer.usd_per_hour * HOURS_A_MONTH:.0f} USD a month, "
            "from now on and until it is removed; the volume costs extra."
        )
        if not yes:
            typer.confirm("Rent it?", abort=True)
        pod = account.create(wanted.request(image, volume, offer.gpu))
    _show(pod)
    typer.echo(f"It starts now. Give it back with: client-caller deploy runpod remove {pod.id}")


@runpod.command()
def status(template: Template = _TEMPLATE) -> None:
    """Show the machines of the template's name, and what they cost."""
    from client_caller.box.runpod import read_template

    name = read_template(template).name
    with closing(_account()) as account:
        pods = account.pods(name)
    for pod in pods:
        _show(pod)
    if not pods:
        typer.echo(f"There is no machine named {name}.")


@runpod.command()
def remove(pod: Annotated[str, typer.Argument(help="Its id, from `status`.")], yes: Yes = False) -> None:
    """Give a machine back. Calls on it end; what is on the network volume stays."""
    with closing(_account()) as account:
        found = account.pod(pod)
        _show(found)
        if not yes:
            typer.confirm("Give it back, with all that is on its own disk?", abort=True)
        account.remove(pod)
    typer.echo(f"{pod} is given back. The network volume stays, and costs, until you remove it at RunPod.")


def _account() -> "RunPod":
    from client_caller.box.runpod import RunPod
    from client_caller.settings import load_settings

    settings = load_settings()
    return RunPod(settings.runpod_api_url, settings.runpod_api_key)


def _show(pod: "Pod") -> None:
    typer.echo(
        f"{pod.id}  {pod.name}  {pod.status}  {pod.usd_per_hour:.2f} USD/h  https://{pod.id}-{_PORT}.proxy.runpod.net"
    )


def _without_values(body: dict[str, object]) -> dict[str, object]:
    """The request with the names of variables only where a value is not one of RunPod's secrets or ours to show."""
    env = body["env"]
    assert isinstance(env, dict)
    shown = {name: value if _is_harmless(name, str(value)) else "(hidden)" for name, value in env.items()}
    return {**body, "env": shown}


def _is_harmless(name: str, value: str) -> bool:
    return value.startswith("{{") or not any(word in name for word in ("TOKEN", "KEY", "SECRET", "URL", "SID"))
