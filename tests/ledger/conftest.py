"""Every test that names `play` runs twice: on SQLite, and on PostgreSQL."""

import asyncio
from pathlib import Path

import pytest
from ledger_scenes import Play, Scene

from client_caller.ledger.ledger import open_ledger


@pytest.fixture
def spill(tmp_path: Path) -> Path:
    return tmp_path / "ledger.spill.jsonl"


@pytest.fixture
def play(url: str, spill: Path) -> Play:
    """Plays a scene with an open ledger, which is closed afterwards. May be called again, to open it once more."""

    def run(scene: Scene) -> None:
        async def main() -> None:
            ledger = open_ledger(url, spill)
            try:
                await scene(ledger)
            finally:
                await ledger.close()

        asyncio.run(main())

    return run
