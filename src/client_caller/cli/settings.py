"""`client-caller settings`: every setting with its value, its default and its sentence; secrets are never shown."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo


def settings() -> None:
    """Print every setting: its variable, its value, what it means and its default."""
    from client_caller.settings import load_settings

    for variable, value, field in _each(load_settings(), "CLIENT_CALLER_"):
        typer.echo(f"{typer.style(variable, bold=True)} = {_shown(value)}")
        typer.echo(f"    {field.description} [default: {_shown(field.get_default(call_default_factory=True))}]")


def _each(group: "BaseModel", prefix: str) -> "Iterator[tuple[str, Any, FieldInfo]]":
    """Every setting of a group and of the groups in it: its environment variable, its value, its field."""
    from pydantic import BaseModel

    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        variable = str(field.validation_alias or prefix + name.upper())
        if isinstance(value, BaseModel):
            yield from _each(value, f"{variable}__")
        else:
            yield variable, value, field


def _shown(value: object) -> str:
    """The value for people; of a secret, only whether there is one."""
    from pydantic import SecretStr

    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "(none)"
    if isinstance(value, SecretStr):
        return "(hidden)" if value else "(none)"
    return str(value) or "(none)"
