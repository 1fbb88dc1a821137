"""Whoever is asked, the gateway that holds the call answers; when it is gone another goes on with the call."""

from pathlib import Path

import pytest
from many_gateways import Many, One, play

NEXT = {"path": "/twilio/resume", "x_kind": "next"}
NEWS = {"path": "/twilio/status", "x_kind": "news"}


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


def test_a_new_call_goes_to_the_emptier_gateway_and_stays_there(url: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running, north.house.room = 5, 3
        await many.beat()
        assert await north.post("CA1") == "south answers"
        assert await south.post("CA1", **NEXT) == "south answers"
        assert await north.post("CA1", **NEXT) == "south answers"
        assert await north.post("CA1", **NEWS) == "south answers"
        assert north.asked == []

    play(url, tmp_path, scene)


def test_many_calls_at_once_are_spread(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        for number in range(10):
            await north.post(f"CA{number}")
        assert len(north.asked) == len(south.asked) == 5

    play(sqlite, tmp_path, scene)


def test_the_body_comes_whole_wherever_it_is_answered(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        for number in range(2):
            await north.post(f"CA{number}", body=b"CallSid=CA1&From=%2B1555" * 200)
        assert north.bodies == south.bodies == [b"CallSid=CA1&From=%2B1555" * 200]

    play(sqlite, tmp_path, scene)


def test_a_call_of_a_dead_gateway_goes_on_at_another_with_what_was_written_of_it(url: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running = 5
        await many.beat()
        await north.post("CA1")
        many.dead.add("south")
        assert await north.post("CA1", **NEXT) == "north answers"
        assert north.journals.brought == ["CA1"]
        assert await north.post("CA1", **NEXT) == "north answers"
        assert north.journals.brought == ["CA1"], "it is here now"

    play(url, tmp_path, scene)


def test_a_call_that_has_moved_twice_is_not_taken_for_one_that_is_where_it_was(sqlite: str, tmp_path: Path) -> None:
    """West asked last when north held it; since then it was at south. North's own record of it is an old one."""

    async def scene(many: Many, north: One, south: One, west: One) -> None:
        south.house.running, west.house.running = 5, 5
        await many.beat()
        assert await west.post("CA1") == "north answers"
        north.house.state = "leaving"
        west.house.running = 7
        await many.beat()
        assert await north.post("CA1", **NEXT) == "south answers"
        north.house.state, south.house.state = "open", "leaving"
        await many.beat()
        assert await west.post("CA1", **NEXT) == "north answers"
        assert north.journals.brought == ["CA1"], "what was said at south is known"

    play(sqlite, tmp_path, scene, ("north", "south", "west"))


def test_a_third_gateway_is_found_when_two_are_dead(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One, west: One) -> None:
        north.house.running, west.house.running = 6, 5
        await many.beat()
        await north.post("CA1")
        many.dead |= {"south", "west"}
        assert await north.post("CA1", **NEXT) == "north answers"
        assert north.journals.brought == ["CA1"]

    play(sqlite, tmp_path, scene, ("north", "south", "west"))


def test_the_gateway_that_goes_on_is_told_that_it_does(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One, west: One) -> None:
        north.house.running, west.house.running = 6, 5
        await many.beat()
        await north.post("CA1")
        many.dead.add("south")
        assert await north.post("CA1", **NEXT) == "west answers"
        assert west.journals.brought == ["CA1"]
        assert north.journals.brought == []

    play(sqlite, tmp_path, scene, ("north", "south", "west"))


def test_news_of_a_call_never_moves_it(sqlite: str, tmp_path: Path) -> None:
    """A gateway that is slow for a moment still holds the caller's stream."""

    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running = 5
        await many.beat()
        await north.post("CA1")
        many.dead.add("south")
        assert await north.post("CA1", **NEWS) == "north answers"
        many.dead.clear()
        assert await north.post("CA1", **NEXT) == "south answers"

    play(sqlite, tmp_path, scene)


@pytest.mark.parametrize("asked_first", ["north", "south"])
def test_a_gateway_that_leaves_hands_its_calls_over_once_all_is_copied(
    asked_first: str, sqlite: str, tmp_path: Path
) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running = 5
        await many.beat()
        await north.post("CA1")
        south.house.state = "leaving"
        asked = many.gateways[asked_first]
        assert await asked.post("CA1", **NEXT) == "north answers"
        assert south.journals.flushed == ["CA1"]
        assert north.journals.brought == ["CA1"]

    play(sqlite, tmp_path, scene)


def test_a_gateway_that_only_retires_keeps_the_calls_it_has_and_gets_no_others(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running = 5
        await many.beat()
        await north.post("CA1")
        south.house.state = "retiring"
        await many.beat()
        assert await south.post("CA1", **NEXT) == "south answers"
        assert await south.post("CA2") == "north answers"

    play(sqlite, tmp_path, scene)


def test_a_gateway_that_starts_anew_has_others_go_on_with_its_calls(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running = 5
        await many.beat()
        await north.post("CA1")
        south.house.state = "loading"
        await many.beat()
        assert await south.post("CA1", **NEXT) == "north answers"

    play(sqlite, tmp_path, scene)


def test_a_gateway_without_others_answers_all_by_itself(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One) -> None:
        for state in ("loading", "open", "retiring", "leaving"):
            north.house.state = state  # type: ignore[assignment]
            assert await north.post(f"CA{state}") == "north answers"
            assert await north.post(f"CA{state}", **NEXT) == "north answers"

    play(sqlite, tmp_path, scene, ("north",))


def test_what_nobody_signed_is_left_to_the_application_and_claims_nothing(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running = 5
        await many.beat()
        assert await north.post() == "north answers"
        assert await north.fleet.holder("") == ""

    play(sqlite, tmp_path, scene)


def test_who_does_not_know_the_key_cannot_have_a_request_kept_here(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running = 5
        await many.beat()
        headers = {"x_client_caller_fleet": "a guess", "x_client_caller_moved": "1"}
        assert await north.post("CA1", **headers) == "south answers"
        assert south.journals.brought == []

    play(sqlite, tmp_path, scene)


def test_a_body_that_is_too_long_is_read_no_further_and_left_to_the_application(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running = 5
        await many.beat()
        assert await north.post("CA1", body=b"x" * 70_000) == "north answers"
        assert north.bodies == [b"x" * 70_000]

    play(sqlite, tmp_path, scene)


def test_calls_that_we_place_are_held_where_their_orders_are_known(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        assert await north.fleet.office() == "north", "who came first places the calls"
        north.house.running = 7
        await many.beat()
        assert await south.post("CA1", path="/twilio/voice/order1", x_order="order1") == "north answers"

    play(sqlite, tmp_path, scene)


def test_when_the_office_dies_the_next_one_goes_on_with_its_calls_once_it_knows_the_orders(
    sqlite: str, tmp_path: Path
) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        await south.post("CA1", path="/twilio/voice/order1", x_order="order1")
        await north.fleet.leave()
        many.dead.add("north")
        await many.beat()
        assert south.fleet.is_office()
        assert await south.post("CA1", x_order="order1", **NEXT) == "south answers"
        assert south.journals.brought == ["CA1"]
        assert south.orders_awaited == 1

    play(sqlite, tmp_path, scene)


def test_the_operator_may_ask_any_gateway(sqlite: str, tmp_path: Path) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running = 5
        await many.beat()
        await north.post("CA1")
        key = {"authorization": "Bearer key"}
        assert await south.post(path="/api/calls", **key) == "north answers", "the office"
        assert await north.post(path="/api/calls/CA1/hang-up", **key) == "south answers", "who holds the call"
        assert await south.post(path="/api/calls/CA1/hang-up", **key) == "south answers"
        assert await south.post(path="/api/calls") == "south answers", "who has no key is passed on to nobody"

    play(sqlite, tmp_path, scene)


def test_without_the_database_each_is_on_its_own_and_still_answers(
    sqlite: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(many: Many, north: One, south: One) -> None:
        north.house.running = 5
        await many.beat()
        await north.post("CA1")
        (tmp_path / "ledger.db").unlink()
        (tmp_path / "ledger.db").mkdir()
        north.fleet._ledger.database.engine.dispose()
        await north.fleet.beat()
        assert north.fleet.is_alone
        assert await north.post("CA2") == "north answers"
        assert await north.post("CA1", **NEXT) == "south answers", "it is remembered who holds it"

    play(sqlite, tmp_path, scene)
    assert "this gateway is on its own: the database is away" in caplog.text
