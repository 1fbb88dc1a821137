"""`client-caller models`: what model files there are, and bringing those that are missing."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

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
) -> None:
    """Bring the model files that are missing or wrong, and verify them."""
    from client_caller.cli.progress import watching
    from client_caller.models.catalogue import EMBEDDED

    console = Console()
    everything = [artefact.name for artefact in EMBEDDED]
    wanted = [name for given in names or ["embedded"] for name in (everything if given == "embedded" else [given])]
    store = _store()
    with watching(console) as progress:
        store.pull(wanted, progress)
    console.print(f"{len(wanted)} model files are in {store.folder} and verified.", soft_wrap=True, highlight=False)


def _store() -> "ModelStore":
    from client_caller.models.store import ModelStore
    from client_caller.settings import load_settings

    return ModelStore(load_settings().models)
