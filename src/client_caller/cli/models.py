"""`client-caller models`: what model files there are, and bringing those that are missing."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from client_caller.cli.preflight import Profile

if TYPE_CHECKING:
    from client_caller.models.store import ModelStore

app = typer.Typer(help="The model files: list them, bring them.", no_args_is_help=True)


@app.command("list")
def list_models(
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every file anew instead of trusting its stamp.")
    ] = False,
) -> None:
    """Show every model file, its licence, and whether it is the pinned one."""
    store = _store()
    console = Console(soft_wrap=True, highlight=False)
    statuses = store.status(verify)
    console.print(f"Model files in {store.folder}:")
    for status in statuses:
        artefact = status.artefact
        state = f"[red]{status.fault}[/]" if status.fault else "[green]verified[/]"
        console.print(f"[bold]{artefact.name}[/]: {artefact.size_bytes / 1e6:.1f} MB, {artefact.licence}, {state}")
        console.print(f"    {artefact.about}")
    if any(status.fault for status in statuses):
        raise typer.Exit(1)


@app.command()
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names from `models list`; `embedded`, the default, is all of them.")
    ] = None,
    profile: Profile = "",
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Folder for the weights of a profile; default: CLIENT_CALLER_BOX__WEIGHTS."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the weights that are there, and compare them.")
    ] = False,
) -> None:
    """Bring the model files that are missing or wrong, and verify them; with a profile, its large models, too."""
    from client_caller.cli.progress import watching
    from client_caller.models.catalogue import EMBEDDED

    console = Console()
    if profile:
        _pull_weights(profile, to, verify, console)
    everything = [artefact.name for artefact in EMBEDDED]
    wanted = [name for given in names or ["embedded"] for name in (everything if given == "embedded" else [given])]
    store = _store(profile)
    with watching(console) as progress:
        store.pull(wanted, progress)
    console.print(f"{len(wanted)} model files are in {store.folder} and verified.", soft_wrap=True, highlight=False)


def _pull_weights(profile: str, to: Path | None, verify: bool, console: Console) -> None:
    from client_caller.box.plan import plan_of
    from client_caller.box.weights import patterns_of
    from client_caller.cli.progress import watching
    from client_caller.errors import ModelUnavailable
    from client_caller.models.hub import Hub, damaged_in
    from client_caller.settings import load_settings

    settings = load_settings(profile)
    plan = plan_of(settings)
    hub = Hub(settings.hub_url, settings.hub_token)
    with closing(hub), watching(console) as progress:
        for repository in plan.repositories:
            folder = (to or settings.box.weights).expanduser() / repository
            if verify and (damaged := damaged_in(folder)):
                raise ModelUnavailable(
                    f"{folder}: not as it was fetched: {', '.join(damaged)}. Remove that and SHA256SUMS, and pull again"
                )
            hub.pull(repository, patterns_of(repository, plan), folder, progress)
    console.print(f"The weights of {len(plan.repositories)} models are there.", soft_wrap=True, highlight=False)


def _store(profile: str = "") -> "ModelStore":
    from client_caller.models.store import ModelStore
    from client_caller.settings import load_settings

    return ModelStore(load_settings(profile).models)
