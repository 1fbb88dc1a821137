"""`client-caller settings`: every setting with its value, its default and its sentence; secrets are never shown."""

import typer


def settings() -> None:
    """Print every setting: its variable, its value, what it means and its default."""
    from client_caller.settings import load_settings
    from client_caller.variables import each

    for variable in each(load_settings()):
        default = variable.field.get_default(call_default_factory=True)
        typer.echo(f"{typer.style(variable.name, bold=True)} = {_shown(variable.value)}")
        typer.echo(f"    {variable.field.description} [default: {_shown(default)}]")


def _shown(value: object) -> str:
    """The value for people; of a secret, only whether there is one."""
    from pydantic import SecretStr

    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "(none)"
    if isinstance(value, SecretStr):
        return "(hidden)" if value else "(none)"
    return str(value) or "(none)"
