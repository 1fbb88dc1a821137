"""Streams: floods, seconds and strangers are turned away; those who come as promised are held."""

import asyncio

import pytest
from exchange import CALL, ListeningDesk, Wire, media, stop

from client_caller.line.protocol import Parties
from virtual import run

THEIRS, OURS = "+15550100001", "+15550100002"


def test_of_a_thousand_sockets_that_never_start_few_wait_at_once_and_a_caller_still_gets_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(places=2_000), pending_sockets=32, pending_per_address=4, start_within_s=5.0)
        tokens = [await wire.token(CallSid=f"CA{n}") for n in range(1_000)]
        sockets = [wire.socket(token, address=f"198.51.100.{n % 50}") for n, token in enumerate(tokens)]
        accepted = [socket for socket in sockets if await socket.accepted()]
        assert len(accepted) == 32
        assert not await wire.socket(await wire.token(), address="203.0.113.1").accepted()
        await asyncio.sleep(5.1)
        assert {await socket.closing_code() for socket in accepted} == {1008}
        await wire.stream()
        assert wire.desk.answered == [CALL]

    run(main())
    assert all(record.exc_info is None for record in caplog.records)


def test_one_address_does_not_take_the_places_of_all_others() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(), pending_sockets=32, pending_per_address=4)
        sockets = [wire.socket(await wire.token(CallSid=f"CA{n}"), address="198.51.100.1") for n in range(20)]
        assert [await socket.accepted() for socket in sockets].count(True) == 4
        assert await wire.socket(await wire.token(), address="203.0.113.1").accepted()

    run(main())


def test_a_socket_that_has_started_waits_no_longer_and_leaves_its_place_to_others() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(), pending_sockets=1, pending_per_address=1)
        for n in range(5):
            await wire.stream(f"CA{n}")
        assert len(wire.desk.lines) == 5

    run(main())


def test_a_second_socket_of_a_live_call_is_refused_whichever_way_it_came_by_its_ticket() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        first = await wire.stream()
        for path in ("/twilio/voice", "/twilio/queue"):
            second = wire.socket(await wire.token(path))
            await second.begin()
            assert await second.closing_code() == 1008
        first.say(media())
        await asyncio.sleep(0.01)
        assert len(wire.desk.received) == 1
        assert wire.desk.answered == [CALL]

    run(main())


def test_of_two_sockets_that_start_at_once_one_is_held() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        first = wire.socket(await wire.token())
        assert await first.accepted()
        second = wire.socket(await wire.token())
        await second.begin()
        await asyncio.sleep(0.01)
        first.begin_accepted()
        assert await first.closing_code() == 1008
        assert wire.desk.answered == [CALL]
        assert len(wire.desk.lines) == 1

    run(main())


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/twilio/voice", Parties(theirs=THEIRS, ours=OURS)),
        ("/twilio/voice/order_7-x", Parties(theirs=OURS, ours=THEIRS, order="order_7-x")),
    ],
)
def test_a_line_tells_who_is_on_it_and_goes_on_to_after_it_broke(path: str, who: Parties) -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        socket = await wire.stream(path=path, From=THEIRS, To=OURS)
        assert wire.desk.lines[0].parties == who
        socket.cut()
        await asyncio.sleep(0.01)
        resume = (await wire.post("/twilio/resume", From=THEIRS, To=OURS)).text
        assert ("/twilio/resume?order=order_7-x#" in resume) == bool(who.order)
        await wire.stream(path="/twilio/resume")
        assert wire.desk.lines[0].parties == who

    run(main())


def test_a_new_process_knows_the_order_of_a_call_that_comes_to_it() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        await wire.stream(path="/twilio/resume?order=o1", From=OURS, To=THEIRS, Direction="outbound-api")
        assert wire.desk.lines[0].parties == Parties(THEIRS, OURS, "o1")

    run(main())


def test_a_call_we_placed_is_told_apart_though_its_order_is_not_known() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        await wire.stream(path="/twilio/fallback", From=OURS, To=THEIRS, Direction="outbound-api")
        assert wire.desk.lines[0].parties == Parties(THEIRS, OURS)

    run(main())


def test_when_a_webhook_failed_a_call_that_streamed_is_resumed_and_a_fresh_one_begun() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(), resume_attempts=0)
        assert "<Stream" in (await wire.post("/twilio/fallback")).text
        (await wire.stream()).cut()
        await asyncio.sleep(0.01)
        assert "Something is broken here." in (await wire.post("/twilio/fallback")).text

    run(main())


def test_a_thousand_calls_later_what_was_known_of_one_that_still_streams_is_known() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        socket = await wire.stream()
        for n in range(1_100):
            await wire.post("/twilio/status", CallSid=f"CA{n}", CallStatus="completed")
        socket.say(stop())
        await socket.closing_code()
        assert "<Hangup/>" in (await wire.post("/twilio/voice")).text

    run(main())


def test_a_caller_who_is_gone_before_the_socket_is_accepted_makes_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        token = await wire.token()
        wire.socket(token).cut()
        await wire.settle()

    run(main())
    assert all(record.exc_info is None for record in caplog.records)
