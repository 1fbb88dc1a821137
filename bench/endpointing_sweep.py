"""What changing each number of our policy does, one at a time.

In:   the manner, and the numbers at the top of the heart's files.     Out: variants to run the heart under.
Rule: the numbers are found, not listed, so that one that is added is swept, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Final

from client_caller.conversation import habits, pause, policy
from client_caller.conversation.policy import Manner

FILES: Final = (policy, pause, habits)
"""Where the numbers stand, beside those of the manner."""

_FACTORS: Final = (0.5, 0.8, 1.25, 2.0)
_MANNER: Final = ("quick_s", "patient_s")


@dataclass(frozen=True, slots=True)
class Variant:
    """One number changed: `value` replaces the attribute `name` of `file`, or of the manner where that is None."""

    label: str
    file: ModuleType | None
    name: str
    value: Any


def variants(manner: Manner) -> Iterator[Variant]:
    """Each number by each factor. A table is changed in one row at a time."""
    for name in _MANNER:
        yield from _scaled(None, name, getattr(manner, name))
    for file in FILES:
        for name, value in vars(file).items():
            if isinstance(value, float) and name.startswith("_"):
                yield from _scaled(file, name, value)
            elif isinstance(value, tuple) and name.startswith("_"):
                yield from _rows_scaled(file, name, value)


@contextmanager
def changed(manner: Manner, variant: Variant) -> Iterator[Manner]:
    """The manner to use while the block lasts; the file is put back as it was."""
    if variant.file is None:
        yield replace(manner, **{variant.name: variant.value})
        return
    before = getattr(variant.file, variant.name)
    setattr(variant.file, variant.name, variant.value)
    try:
        yield manner
    finally:
        setattr(variant.file, variant.name, before)


def _scaled(file: ModuleType | None, name: str, value: float) -> Iterator[Variant]:
    for factor in _FACTORS:
        yield Variant(f"{name} = {value * factor:.3g}", file, name, value * factor)


def _rows_scaled(file: ModuleType, name: str, table: tuple[tuple[float, float], ...]) -> Iterator[Variant]:
    for index, (key, value) in enumerate(table):
        for factor in _FACTORS if value else ():
            rows = (*table[:index], (key, value * factor), *table[index + 1 :])
            yield Variant(f"{name}[{key:g}] = {value * factor:.3g}", file, name, rows)
