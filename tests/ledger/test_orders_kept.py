"""Orders and campaigns: no contact is called twice, whoever tries, and what a crash leaves is found again."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from ledger_scenes import Play, at, campaign, contact, order
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from client_caller.errors import ConfigError
from client_caller.ledger.database import LedgerFailed
from client_caller.ledger.entries import Progress
from client_caller.ledger.ledger import Ledger, open_ledger
from client_caller.ledger.orders import DoubleOrderError


def test_an_order_goes_from_made_to_placed_to_over(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        made = order(purpose="marketing")
        await ledger.make_order(made)
        assert await ledger.order("o1") == made
        await ledger.order_placed("o1", "CA1", at(1))
        placed = order(purpose="marketing", call_id="CA1", placed_at=at(1), state="placed")
        assert await ledger.open_orders() == [placed]
        assert await ledger.close_order("o1", "talked", at(9))
        assert not await ledger.close_order("o1", "failed", at(10))  # somebody else's news of the same end
        kept = await ledger.order("o1")
        assert kept is not None
        assert (kept.state, kept.outcome, kept.call_id) == ("over", "talked", "CA1")
        assert await ledger.open_orders() == []
        assert await ledger.order("o2") is None

    play(scene)


def test_what_a_crash_leaves_open_is_found_when_the_ledger_is_opened_again(play: Play) -> None:
    async def before(ledger: Ledger) -> None:
        for number, ident in enumerate(["made", "placed", "unsure", "over", "dropped"]):
            await ledger.make_order(order(ident, made_at=at(number)))
        await ledger.order_placed("placed", "CA1", at(9))
        await ledger.order_unsure("unsure")
        await ledger.close_order("over", "talked", at(9))
        await ledger.close_order("dropped", "refused", at(9), dropped=True)

    async def after(ledger: Ledger) -> None:
        found = [(left.id, left.state) for left in await ledger.open_orders()]
        assert found == [("made", "made"), ("placed", "placed"), ("unsure", "unsure")]

    play(before)
    play(after)


def test_an_order_outlives_a_process_that_is_killed_the_moment_it_is_made(url: str, spill: Path, play: Play) -> None:
    program = (
        "import asyncio, os, sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from client_caller.ledger.entries import Order; from client_caller.ledger.ledger import open_ledger\n"
        "order = Order('o1', '+15550100001', '+15550100002', 'caller', {}, datetime.now(UTC))\n"
        "asyncio.run(open_ledger(sys.argv[1], Path(sys.argv[2])).make_order(order))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, url, str(spill)])
    assert killed.returncode == -9

    async def scene(ledger: Ledger) -> None:
        assert [left.id for left in await ledger.open_orders()] == ["o1"]

    play(scene)


def test_news_that_cross_do_not_reopen_an_order(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        await ledger.make_order(order())
        await ledger.close_order("o1", "busy", at(2))
        await ledger.order_placed("o1", "CA1", at(1))
        await ledger.order_unsure("o1")
        kept = await ledger.order("o1")
        assert kept is not None
        assert (kept.state, kept.call_id, kept.placed_at, kept.outcome) == ("over", "CA1", at(1), "busy")

    play(scene)


def test_the_same_order_is_not_made_twice(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        await ledger.make_order(order())
        with pytest.raises(DoubleOrderError):
            await ledger.make_order(order())

    play(scene)


def test_an_order_for_a_campaign_that_is_not_there_is_refused_as_such(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        with pytest.raises(LedgerFailed, match="IntegrityError"):
            await ledger.make_order(order(campaign_id="k9"))

    play(scene)


def test_a_contact_is_calling_while_it_is_called_and_waits_or_is_done_afterwards(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        await ledger.add_campaign(campaign(), [contact(1)])
        await ledger.make_order(order("o1", campaign_id="k1", contact_id="c1"))
        assert await ledger.contacts("k1") == [contact(1, state="calling")]
        await ledger.close_order("o1", "busy", at(9), retry_at=at(600))
        waiting = contact(1, attempts=1, next_at=at(600), outcome="busy")
        assert await ledger.contacts("k1") == [waiting]
        await ledger.make_order(order("o2", campaign_id="k1", contact_id="c1"))
        await ledger.close_order("o2", "talked", at(700))
        await ledger.close_order("o2", "failed", at(701), retry_at=at(900))
        assert await ledger.contacts("k1") == [contact(1, state="done", attempts=2, outcome="talked")]

    play(scene)


def test_an_attempt_that_surely_was_no_call_does_not_count(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        await ledger.add_campaign(campaign(), [contact(1)])
        await ledger.make_order(order(campaign_id="k1", contact_id="c1"))
        await ledger.close_order("o1", "refused", at(1), retry_at=at(60), dropped=True)
        assert await ledger.contacts("k1") == [contact(1, attempts=0, next_at=at(60), outcome="refused")]

    play(scene)


@pytest.mark.parametrize("state", ["calling", "done"])
def test_a_contact_that_does_not_wait_cannot_be_ordered(play: Play, state: str) -> None:
    async def scene(ledger: Ledger) -> None:
        await ledger.add_campaign(campaign(), [contact(1, state=state)])
        with pytest.raises(DoubleOrderError):
            await ledger.make_order(order(campaign_id="k1", contact_id="c1"))
        assert await ledger.order("o1") is None

    play(scene)


def test_the_database_itself_refuses_a_second_open_order_of_a_contact(play: Play, url: str) -> None:
    async def scene(ledger: Ledger) -> None:
        await ledger.add_campaign(campaign(), [contact(1)])
        await ledger.make_order(order(campaign_id="k1", contact_id="c1"))

    play(scene)
    copied = "to_number, from_number, agent, vars, made_at, campaign_id, contact_id, purpose, call_id, outcome"
    engine = create_engine(url)
    insert = f"INSERT INTO orders (id, state, {copied}) SELECT 'o2', '{{}}', {copied} FROM orders"
    with engine.connect() as connection:
        for state in ("made", "placed", "unsure"):
            with pytest.raises(IntegrityError), connection.begin():
                connection.execute(text(insert.format(state)))
        with connection.begin():
            connection.execute(text(insert.format("over")))
    engine.dispose()


def test_of_many_who_race_for_one_contact_exactly_one_gets_it(url: str, tmp_path: Path) -> None:
    async def scene() -> None:
        ledgers = [open_ledger(url, tmp_path / f"{number}.jsonl") for number in range(2)]
        try:
            await ledgers[0].add_campaign(campaign(), [contact(row) for row in range(1, 21)])
            for row in range(1, 21):
                outcomes = await asyncio.gather(
                    *(
                        ledgers[number % 2].make_order(order(f"{row}-{number}", campaign_id="k1", contact_id=f"c{row}"))
                        for number in range(4)
                    ),
                    return_exceptions=True,
                )
                assert sorted(type(outcome).__name__ for outcome in outcomes) == [*3 * ["DoubleOrderError"], "NoneType"]
            assert len(await ledgers[1].open_orders()) == 20
        finally:
            for ledger in ledgers:
                await ledger.close()

    asyncio.run(scene())


def test_the_same_file_again_changes_nothing_and_another_one_is_refused(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        first = campaign()
        assert await ledger.add_campaign(first, [contact(1), contact(2)]) == first
        await ledger.set_campaign_state("k1", "stopped")
        again = await ledger.add_campaign(campaign(id="k2"), [contact(1, id="x", campaign_id="k2")])
        assert again == campaign(state="stopped")
        with pytest.raises(ConfigError, match="another file"):
            await ledger.add_campaign(campaign(id="k3", digest="d2"), [])
        assert await ledger.campaigns() == [again]
        assert await ledger.campaign("k2") is None
        assert [known.id for known in await ledger.contacts("k1")] == ["c1", "c2"]

    play(scene)


def test_campaigns_are_listed_newest_first(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        for number in (2, 1, 3):
            await ledger.add_campaign(
                campaign(id=f"k{number}", name=f"n{number}", made_at=at(number), max_at_once=2), []
            )
        assert [known.id for known in await ledger.campaigns()] == ["k3", "k2", "k1"]
        assert await ledger.campaign("k2") == campaign(id="k2", name="n2", made_at=at(2), max_at_once=2)

    play(scene)


def test_who_waits_for_a_time_is_called_at_that_time_and_the_others_by_row(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        whom = [
            contact(1),
            contact(2, next_at=at(50)),
            contact(3, next_at=at(40)),
            contact(4, next_at=at(101)),
            contact(5, state="done"),
            contact(6, state="calling"),
            contact(7),
        ]
        await ledger.add_campaign(campaign(), whom)
        assert [one.id for one in await ledger.due("k1", at(100), 10)] == ["c3", "c2", "c1", "c7"]
        assert [one.id for one in await ledger.due("k1", at(101), 5)] == ["c3", "c2", "c4", "c1", "c7"]
        assert [one.id for one in await ledger.due("k1", at(100), 2)] == ["c3", "c2"]
        await ledger.set_campaign_state("k1", "stopped")
        assert await ledger.due("k1", at(100), 10) == []

    play(scene)


def test_a_contact_can_be_put_off_or_given_up_while_it_waits_and_not_while_it_is_called(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        await ledger.add_campaign(campaign(), [contact(1), contact(2), contact(3, state="calling")])
        assert await ledger.contact_after("c1", "not at this hour", 0, at(60))
        assert await ledger.contact_after("c2", "must not be called", 0, None)
        assert not await ledger.contact_after("c2", "not at this hour", 0, at(60))
        assert not await ledger.contact_after("c3", "not at this hour", 0, at(60))
        assert await ledger.contacts("k1") == [
            contact(1, next_at=at(60), outcome="not at this hour"),
            contact(2, state="done", outcome="must not be called"),
            contact(3, state="calling"),
        ]

    play(scene)


def test_progress_counts_contacts_by_state_and_those_done_by_outcome(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        ends = ["talked", "talked", "busy"]
        whom = [contact(row, state="done", outcome=outcome) for row, outcome in enumerate(ends, start=1)]
        await ledger.add_campaign(campaign(), [*whom, contact(4, outcome="busy"), contact(5, state="calling")])
        assert await ledger.progress("k1") == Progress(1, 1, 3, {"talked": 2, "busy": 1})
        assert await ledger.progress("k9") == Progress(0, 0, 0, {})

    play(scene)
