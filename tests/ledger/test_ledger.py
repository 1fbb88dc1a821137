"""The ledger keeps aside: nobody waits for it who has not asked it something, and it says when it cannot answer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from ledger_scenes import OURS, THEIRS, Play, at
from sqlalchemy import create_engine, text

from client_caller.ledger.database import LedgerFailed
from client_caller.ledger.entries import CallBegan, Consent, Forbidden
from client_caller.ledger.ledger import Ledger, open_ledger
from virtual import run


def test_a_ledger_that_cannot_answer_says_so_and_tells_nobody_whom_it_was_asked_about(
    url: str, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(ledger: Ledger) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE consents RENAME TO away"))
        engine.dispose()
        with pytest.raises(LedgerFailed) as refused:
            await ledger.standing(THEIRS)
        assert THEIRS not in str(refused.value)
        with pytest.raises(LedgerFailed) as refused:
            await ledger.add_consents([Consent(THEIRS, "marketing", at(0), "web form", "I, Ada, agree.")])
        assert "Ada" not in str(refused.value)
        assert refused.value.__cause__ is None
        assert THEIRS not in caplog.text

    play(scene)


def test_questions_do_not_hold_up_the_loop(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        turns = 0
        asking = asyncio.ensure_future(ledger.standing(THEIRS))
        while not asking.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns > 1

    play(scene)


def test_after_the_end_what_is_noted_is_kept_for_the_next_start(url: str, spill: Path, play: Play) -> None:
    async def close_then_note(ledger: Ledger) -> None:
        await ledger.close()
        await ledger.close()
        ledger.note(Forbidden(THEIRS, at(1), "caller said so"))

    async def ask(ledger: Ledger) -> None:
        assert await ledger.is_forbidden(THEIRS)

    play(close_then_note)
    assert spill.exists()
    play(ask)
    assert not spill.exists()


class AtOnce(Executor):
    """Works where it is asked to, for tests on virtual time, under which no thread can wake the loop."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **more))
        return done


def test_a_ledger_can_be_had_on_virtual_time(url: str, spill: Path) -> None:
    async def scene() -> None:
        ledger = open_ledger(url, spill, AtOnce())
        ledger.note(CallBegan("CA1", at(0), "inbound", THEIRS, OURS, "receptionist"))
        await asyncio.sleep(3_600)
        await ledger.flush()
        assert await ledger.call("CA1") is not None
        await ledger.close()

    run(scene())
