"""Admission: what becomes of callers when the house is full."""

import asyncio
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from exchange import CALL, PUBLIC, ListeningDesk, Wire, stop
from hypothesis import given
from hypothesis import strategies as st

from client_caller.line.protocol import CallBackWanted, Parties, WhenFull
from client_caller.line.twilio_queue import WaitingLine
from virtual import run

CALLER, OURS, COLLEAGUE = "+15550100001", "+15550100002", "+15550100009"


def verbs(document: str) -> list[str]:
    return [verb.tag for verb in ElementTree.fromstring(document)]


def full(when_full: WhenFull, transfer_to: str | None = None) -> ListeningDesk:
    """A desk that can hold one call and does."""
    desk = ListeningDesk(places=1)
    desk.phrases = replace(desk.phrases, when_full=when_full, transfer_to=transfer_to, queued="Please hold.")
    return desk


def test_ten_callers_at_once_are_promised_the_three_places_there_are_and_no_more() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(places=3))
        replies = await asyncio.gather(*(wire.post("/twilio/voice", CallSid=f"CA{n}") for n in range(10)))
        promised = [reply.text for reply in replies if "<Stream" in reply.text]
        assert [len(promised), sum("All lines are taken." in reply.text for reply in replies)] == [3, 7]
        sockets = []
        for n in range(3):
            sockets.append(await wire.stream(f"CA{n}"))
        assert len(wire.desk.answered) == 3
        assert "<Stream" not in (await wire.post("/twilio/voice", CallSid="CA9")).text
        sockets[0].say(stop())
        await sockets[0].closing_code()
        assert "<Stream" in (await wire.post("/twilio/voice", CallSid="CA9")).text

    run(main())


def test_room_that_was_promised_is_given_to_others_when_nobody_has_come_for_it() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(places=1), token_life_s=60.0)
        assert "<Stream" in (await wire.post("/twilio/voice")).text
        await asyncio.sleep(59.0)
        assert "<Stream" not in (await wire.post("/twilio/voice", CallSid="CA2")).text
        await asyncio.sleep(2.0)
        assert "<Stream" in (await wire.post("/twilio/voice", CallSid="CA2")).text

    run(main())


def test_a_call_whose_stream_broke_finds_its_room_kept() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(places=1))
        (await wire.stream()).cut()
        await asyncio.sleep(1.0)
        assert wire.desk.lines == []
        assert "<Stream" not in (await wire.post("/twilio/voice", CallSid="CA2")).text
        await wire.stream(path="/twilio/resume")
        assert wire.desk.answered == [CALL, CALL]

    run(main())


def test_a_call_that_is_over_before_it_streamed_leaves_its_room_to_others() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(places=1))
        token = await wire.token()
        await wire.post("/twilio/status", CallStatus="completed")
        assert "<Stream" in (await wire.post("/twilio/voice", CallSid="CA2")).text
        assert not await wire.socket(token).accepted()

    run(main())


def test_a_stream_that_is_refused_at_its_start_leaves_its_room_to_others() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(places=1))
        socket = wire.socket(await wire.token())
        await socket.begin("CA-another")
        assert await socket.closing_code() == 1008
        assert "<Stream" in (await wire.post("/twilio/voice", CallSid="CA2")).text

    run(main())


def test_a_call_that_streams_and_asks_again_takes_no_second_room() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(places=2))
        await wire.stream()
        assert "<Stream" in (await wire.post("/twilio/voice")).text
        assert "<Stream" in (await wire.post("/twilio/voice", CallSid="CA2")).text

    run(main())


def test_a_caller_may_be_put_through_elsewhere() -> None:
    async def main() -> None:
        wire = Wire(full("forward", COLLEAGUE))
        await wire.stream("CA1")
        said, dialled, ended = ElementTree.fromstring((await wire.post("/twilio/voice")).text)
        assert [said.text, dialled.tag, dialled.text] == ["All lines are taken.", "Dial", COLLEAGUE]
        assert ended.tag == "Hangup"

    run(main())


def test_where_there_is_nowhere_to_put_them_through_the_call_ends_with_the_sentence() -> None:
    async def main() -> None:
        wire = Wire(full("forward"))
        await wire.stream("CA1")
        assert verbs((await wire.post("/twilio/voice")).text) == ["Say", "Hangup"]

    run(main())


def test_a_caller_is_promised_to_be_called_back_once_however_often_twilio_asks() -> None:
    async def main() -> None:
        wire = Wire(full("call back"))
        await wire.stream("CA1")
        for _ in range(3):
            reply = await wire.post("/twilio/voice", From=CALLER, To=OURS)
            assert verbs(reply.text) == ["Say", "Hangup"]
        assert wire.desk.news == [CallBackWanted(CALL, Parties(CALLER, OURS))]

    run(main())


@pytest.mark.parametrize("when_full", ["queue", "call back", "forward"])
def test_whom_we_have_rung_up_is_told_that_we_are_busy_and_nothing_more(when_full: WhenFull) -> None:
    async def main() -> None:
        wire = Wire(full(when_full, COLLEAGUE))
        await wire.stream("CA1")
        assert verbs((await wire.post("/twilio/voice/order-7")).text) == ["Say", "Hangup"]
        assert wire.desk.news == []

    run(main())


def test_a_caller_waits_in_the_queue_and_leaves_it_for_a_stream_when_there_is_room() -> None:
    async def main() -> None:
        wire = Wire(full("queue"))
        first = await wire.stream("CA1")
        said, queue = ElementTree.fromstring((await wire.post("/twilio/voice")).text)
        assert [said.text, queue.tag] == ["All lines are taken.", "Enqueue"]
        assert queue.attrib["waitUrl"].startswith(PUBLIC + "/twilio/wait#")
        assert queue.attrib["action"].startswith(PUBLIC + "/twilio/queue#")
        said, pause = ElementTree.fromstring((await wire.post("/twilio/wait")).text)
        assert [said.text, pause.tag] == ["Please hold.", "Pause"]
        first.say(stop())
        await first.closing_code()
        assert verbs((await wire.post("/twilio/wait")).text) == ["Leave"]
        assert verbs((await wire.post("/twilio/wait")).text) == ["Leave"]  # the same, tried again
        socket = wire.socket(await wire.token("/twilio/queue", QueueResult="leave"))
        await socket.begin()
        assert await wire.token("/twilio/queue", QueueResult="leave")
        assert wire.desk.answered == ["CA1", CALL]

    run(main())


def test_nobody_overtakes_those_who_wait() -> None:
    async def main() -> None:
        wire = Wire(full("queue"))
        busy = await wire.stream("CA0")
        for n in (1, 2, 3):
            await wire.post("/twilio/voice", CallSid=f"CA{n}")
            await asyncio.sleep(1.0)
        busy.say(stop())
        await busy.closing_code()
        newcomer = await wire.post("/twilio/voice", CallSid="CA9")
        asked = [verbs((await wire.post("/twilio/wait", CallSid=f"CA{n}")).text)[-1] for n in (3, 2, 1, 2, 3)]
        assert [verbs(newcomer.text)[-1], *asked] == ["Enqueue", "Pause", "Pause", "Leave", "Pause", "Pause"]

    run(main())


def test_of_two_free_places_the_second_in_the_queue_need_not_wait_for_the_first_to_ask() -> None:
    async def main() -> None:
        desk = full("queue")
        desk.places = 2
        wire = Wire(desk)
        sockets = [await wire.stream(call) for call in ("CA8", "CA9")]
        for call in ("CA1", "CA2", "CA3"):
            await wire.post("/twilio/voice", CallSid=call)
            await asyncio.sleep(1.0)
        for socket in sockets:
            socket.say(stop())
            await socket.closing_code()
        asked = [verbs((await wire.post("/twilio/wait", CallSid=call)).text)[-1] for call in ("CA3", "CA2", "CA1")]
        assert asked == ["Pause", "Leave", "Leave"]

    run(main())


@pytest.mark.parametrize("gone", ["silent", "hung up in the queue", "hung up", "over"])
def test_who_waits_no_longer_keeps_nobody_waiting(gone: str) -> None:
    async def main() -> None:
        wire = Wire(full("queue"))
        busy = await wire.stream("CA0")
        for call in ("CA1", "CA2"):
            await wire.post("/twilio/voice", CallSid=call)
            await asyncio.sleep(1.0)
        if gone == "silent":
            for _ in range(5):
                await asyncio.sleep(7.0)
                await wire.post("/twilio/wait", CallSid="CA2")
        elif gone == "over":
            await wire.post("/twilio/status", CallSid="CA1", CallStatus="completed")
        else:
            status = "completed" if gone == "hung up" else "in-progress"
            result = "leave" if gone == "hung up" else "hangup"
            reply = await wire.post("/twilio/queue", CallSid="CA1", QueueResult=result, CallStatus=status)
            assert verbs(reply.text) == ["Hangup"]
        busy.say(stop())
        await busy.closing_code()
        assert verbs((await wire.post("/twilio/wait", CallSid="CA2")).text) == ["Leave"]

    run(main())


def test_nobody_waits_longer_than_ten_minutes() -> None:
    async def main() -> None:
        wire = Wire(full("queue"))
        await wire.stream("CA1")
        await wire.post("/twilio/voice")
        spoken = []
        for _ in range(63):
            await asyncio.sleep(9.9)
            spoken.append((await wire.post("/twilio/wait")).text)
        ended = next(n for n, document in enumerate(spoken) if "<Hangup" in document)
        assert ended == 60
        assert "All lines are taken." in spoken[ended]

    run(main())


@pytest.mark.parametrize("result", ["queue-full", "error", "system-error"])
def test_a_queue_that_takes_nobody_is_not_tried_again(result: str) -> None:
    async def main() -> None:
        wire = Wire(full("queue"))
        await wire.stream("CA1")
        await wire.post("/twilio/voice")
        assert verbs((await wire.post("/twilio/queue", QueueResult=result)).text) == ["Say", "Hangup"]

    run(main())


def test_those_whom_another_process_put_into_the_queue_keep_their_places() -> None:
    async def main() -> None:
        wire = Wire(full("queue"))
        busy = await wire.stream("CA0")
        await wire.post("/twilio/wait", CallSid="CA2", QueueTime="20")
        await wire.post("/twilio/wait", CallSid="CA1", QueueTime="90")
        busy.say(stop())
        await busy.closing_code()
        asked = [verbs((await wire.post("/twilio/wait", CallSid=call)).text)[-1] for call in ("CA2", "CA1")]
        assert asked == ["Pause", "Leave"]

    run(main())


@given(st.lists(st.tuples(st.sampled_from(["ask", "leave"]), st.integers(0, 4), st.floats(0.0, 40.0))))
def test_in_a_queue_everybody_has_a_place_of_their_own_in_the_order_of_arrival(
    steps: list[tuple[str, int, float]],
) -> None:
    queue, now = WaitingLine(), 0.0
    came: dict[str, float] = {}
    asked: dict[str, float] = {}
    for what, who, wait_s in steps:
        now += wait_s + 1e-3
        call = f"CA{who}"
        came = {known: at for known, at in came.items() if now - asked[known] <= 30.0}
        queue.ahead("nobody", now)
        if what == "leave":
            queue.leave(call)
            came.pop(call, None)
        else:
            queue.ask(call, now)
            came.setdefault(call, now)
            asked[call] = now
        waiting = sorted(came, key=lambda known: came[known])
        assert [queue.ahead(call, now) for call in waiting] == list(range(len(waiting)))
        assert queue.ahead("nobody", now) == len(waiting)
