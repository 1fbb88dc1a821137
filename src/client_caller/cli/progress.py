"""Progress of a pull for people: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as RichProgress

from client_caller.models.progress import Progress


@contextmanager
def watching(console: Console) -> Iterator[Progress]:
    """Someone who shows a pull on this console while the context lasts."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with RichProgress(TextColumn("{task.description}"), *columns, console=console) as bars:
        yield Bars(bars)


class Bars:
    """A bar for the file on its way; the next file takes its place."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._current: TaskID | None = None

    def begin(self, name: str, total_bytes: int) -> None:
        if self._current is not None:
            self._bars.remove_task(self._current)
        self._current = self._bars.add_task(name, total=total_bytes)

    def reached(self, so_far_bytes: int) -> None:
        if self._current is not None:
            self._bars.update(self._current, completed=so_far_bytes)

    def note(self, sentence: str) -> None:
        self._bars.console.print(sentence, markup=False, highlight=False)


class Lines:
    """A line for each file and for each further quarter of it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name = ""
        self._total_bytes = 1
        self._quarters = 0

    def begin(self, name: str, total_bytes: int) -> None:
        self._name, self._total_bytes, self._quarters = name, total_bytes, 0
        self.note(f"{name}: {total_bytes / 1e6:.1f} MB")

    def reached(self, so_far_bytes: int) -> None:
        quarters = min(4, 4 * so_far_bytes // self._total_bytes)
        if quarters > self._quarters:
            self._quarters = quarters
            self.note(f"{self._name}: {25 * quarters} %")

    def note(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)
