"""Who holds a call, and who has a duty, is the same for everybody who asks."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from client_caller.fleet import registry
from client_caller.fleet.gateways import Gateway
from client_caller.ledger.database import Database
from client_caller.ledger.schema import duties, gateways, holders

NORTH = Gateway("north", "boot1", "http://north", "open", running=2, room=6, answer_p95_s=0.4)
SOUTH = Gateway("south", "boot1", "http://south", "open", running=0, room=8)


def test_what_a_gateway_says_of_itself_is_what_the_others_know(database: Database) -> None:
    with database.writing() as connection:
        registry.say(connection, SOUTH)
        registry.say(connection, NORTH)
        registry.say(connection, replace(SOUTH, running=1, room=7, state="retiring"))
        known = registry.known(connection)
    assert [replace(each, age_s=0.0) for each in known] == [
        NORTH,
        replace(SOUTH, running=1, room=7, state="retiring"),
    ]
    assert all(0 <= each.age_s < 60 for each in known)


def test_who_has_been_silent_for_an_hour_is_not_known_any_more(database: Database) -> None:
    with database.writing() as connection:
        registry.say(connection, NORTH)
        long_ago = registry.now_of(connection) - timedelta(hours=2)
        connection.execute(update(gateways).values(seen_at=long_ago))
        assert registry.known(connection) == []


def test_who_leaves_is_gone_and_gives_up_its_duties_unless_it_has_started_again(database: Database) -> None:
    with database.writing() as connection:
        registry.say(connection, NORTH)
        assert registry.take_duty(connection, "office", NORTH, 60) == "north"
        registry.leave(connection, replace(NORTH, boot="an earlier one"))
        assert [each.name for each in registry.known(connection)] == ["north"]
        assert registry.on_duty(connection, "office") == "north"
        registry.leave(connection, NORTH)
        assert registry.known(connection) == []
        assert registry.on_duty(connection, "office") == ""


def test_of_many_who_claim_a_call_at_once_one_holds_it_and_all_are_told_so(database: Database) -> None:
    def claim(name: str) -> str:
        with database.writing() as connection:
            return registry.claim(connection, "CA1", name)

    names = [f"gateway{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        told = set(threads.map(claim, names))
    assert len(told) == 1
    with database.reading() as connection:
        assert registry.holder(connection, "CA1") in names
        assert registry.holder(connection, "CA2") == ""


def test_a_call_is_moved_once_by_whoever_was_first_to_miss_its_holder(database: Database) -> None:
    with database.writing() as connection:
        registry.claim(connection, "CA1", "gone")
        assert registry.move(connection, "CA1", "gone", "north") == "north"
        assert registry.move(connection, "CA1", "gone", "south") == "north"


def test_a_duty_is_had_by_one_until_it_says_nothing_any_more(database: Database) -> None:
    with database.writing() as connection:
        assert registry.take_duty(connection, "office", NORTH, 60) == "north"
        assert registry.take_duty(connection, "office", SOUTH, 60) == "north"
        assert registry.take_duty(connection, "office", NORTH, 60) == "north"
        connection.execute(update(duties).values(until=registry.now_of(connection) - timedelta(seconds=1)))
        assert registry.on_duty(connection, "office") == ""
        assert registry.take_duty(connection, "office", SOUTH, 60) == "south"
        assert registry.take_duty(connection, "office", NORTH, 60) == "south"


def test_a_gateway_that_has_started_again_is_not_on_the_duty_of_the_one_before(database: Database) -> None:
    """Its orders are not known to it yet: it takes the duty when that of the process before has run out."""
    anew = replace(NORTH, boot="boot2")
    with database.writing() as connection:
        registry.take_duty(connection, "office", NORTH, 60)
        registry.give_up_duty(connection, "office", anew)
        assert registry.on_duty(connection, "office") == "north"
        registry.give_up_duty(connection, "office", NORTH)
        assert registry.take_duty(connection, "office", anew, 60) == "north"


def test_holders_are_forgotten_when_no_call_can_last_any_more(database: Database) -> None:
    with database.writing() as connection:
        registry.claim(connection, "CA1", "north")
        registry.claim(connection, "CA2", "north")
        old = registry.now_of(connection) - timedelta(days=2)
        connection.execute(update(holders).where(holders.c.call_id == "CA1").values(since=old))
        registry.forget_holders(connection, 86_400)
        assert registry.holder(connection, "CA1") == ""
        assert registry.holder(connection, "CA2") == "north"
