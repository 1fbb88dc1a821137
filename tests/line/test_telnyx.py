"""Telnyx's webhooks and media sockets: what each leads to. Commands are kept, not sent."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client_caller.conversation.actions import SendKeys, Transfer
from client_caller.errors import ConfigError, LineError
from client_caller.line.protocol import (
    AnswererFound,
    CallerAudio,
    Errand,
    KeyTone,
    Line,
    MarkReturned,
    Parties,
    Past,
    Phrases,
    Play,
    StateReached,
)
from client_caller.line.telnyx import telnyx_router
from client_caller.line.telnyx_events import transfer_state
from line.exchange import ListeningDesk
from line.telnyx_exchange import (
    CALL,
    LEG,
    MEDIA,
    NOW,
    OURS,
    THEIRS,
    Commands,
    Exchange,
    connected,
    dtmf,
    exchange,
    mark,
    media,
    settings,
    start,
    stop,
    webhook,
)
from virtual import run

Script = Callable[[Exchange], Awaitable[None]]
CALLER = Parties(THEIRS, OURS)
CALLED = Parties(THEIRS, OURS, "o-17")


def play(script: Script, desk: ListeningDesk | None = None, **limits: Any) -> Exchange:
    """Play a script against the routes, on virtual time."""

    async def main() -> Exchange:
        async with exchange(desk, **limits) as there:
            await script(there)
        return there

    return run(main())


async def answered(there: Exchange, call: str = CALL) -> None:
    """Somebody whom we called has answered."""
    numbers = {"from": OURS, "to": THEIRS}
    await there.tell("call.initiated", call, direction="outgoing", state="o-17", **numbers)
    await there.tell("call.answered", call, state="o-17", **numbers)


async def settle() -> None:
    await asyncio.sleep(0.1)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [record for record in caplog.records if record.name == "client_caller.line"]
    assert all(record.levelno == logging.WARNING and record.exc_info is None for record in records)
    return [f"{record.message}: {getattr(record, 'why', '')}" for record in records]


def test_a_call_that_comes_in_is_answered_with_a_stream_of_its_own() -> None:
    async def script(there: Exchange) -> None:
        await there.ring()

    ((call, action, fields),) = play(script).commands.given
    url = str(fields.pop("stream_url"))
    assert (call, action) == (CALL, "answer")
    assert fields == {
        "stream_track": "inbound_track",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": "PCMU",
    }
    assert url.startswith(MEDIA)
    assert len(url) > len(MEDIA) + 40


def test_a_call_is_heard_from_its_start_to_its_stop_and_then_hung_up() -> None:
    class Talking(ListeningDesk):
        parties = Parties()

        async def answer(self, line: Line) -> None:
            self.parties = line.parties
            await line.send(Play(b"\x01\x02"))
            await super().answer(line)

    desk = Talking()

    async def script(there: Exchange) -> None:
        await there.ring()
        socket = await there.stream()
        for text in (media(chunk=1), media(chunk=3), media(chunk=2), mark("m"), dtmf("#"), stop()):
            socket.text(text)
        await settle()
        assert [json.loads(text) for text in socket.sent] == [{"event": "media", "media": {"payload": "AQI="}}]
        assert socket.code == 1011

    there = play(script, desk)
    assert desk.answered == [CALL]
    assert desk.parties == CALLER
    frames = [CallerAudio(b"\xff" * 160, 0.0), CallerAudio(b"\xff" * 320, 0.02)]
    assert desk.received == [*frames, MarkReturned("m"), KeyTone("#")]
    assert there.commands.actions == ["answer", "hangup"]


def test_a_call_that_we_end_is_hung_up_at_telnyx() -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        socket = await there.stream()
        socket.text(media())
        await settle()
        assert socket.code == 1000

    assert play(script, ListeningDesk(words=1)).commands.actions == ["answer", "hangup"]


def test_a_call_that_telnyx_says_is_over_is_over_without_a_command() -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        await there.stream()
        await there.tell("call.hangup", hangup_cause="normal_clearing", **{"from": THEIRS, "to": OURS})
        await settle()
        await there.tell("streaming.stopped", stream_url=there.commands.url)

    there = play(script)
    assert there.commands.actions == ["answer"]
    assert there.desk.losses == []


def test_a_caller_for_whom_there_is_no_room_hears_the_busy_tone() -> None:
    desk = ListeningDesk()
    desk.room = False

    async def script(there: Exchange) -> None:
        await there.ring()

    assert play(script, desk).commands.given == [(CALL, "reject", {"cause": "USER_BUSY"})]


def test_calls_whose_streams_are_to_come_take_room_until_their_tickets_expire() -> None:
    class Counting(ListeningDesk):
        def has_room(self, promised: int = 0) -> bool:
            return promised < 2

    async def script(there: Exchange) -> None:
        for name in ("a", "b", "c"):
            await there.ring(name)
        await asyncio.sleep(61)
        await there.ring("d")

    assert play(script, Counting()).commands.actions == ["answer", "answer", "reject", "answer"]


def test_a_call_that_has_its_stream_or_is_over_takes_no_promised_room() -> None:
    class Counting(ListeningDesk):
        def has_room(self, promised: int = 0) -> bool:
            return promised == 0

    async def script(there: Exchange) -> None:
        await there.ring()
        await there.stream()
        await there.ring("b")
        await there.tell("call.hangup", "b", hangup_cause="originator_cancel")
        await there.ring("c")
        await there.ring("d")

    assert play(script, Counting()).commands.actions == ["answer", "answer", "answer", "reject"]


def test_a_call_that_rings_twice_is_answered_once() -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        await there.ring()
        await answered(there, call=LEG)
        await answered(there, call=LEG)

    assert play(script).commands.actions == ["answer", "streaming_start"]


def test_a_detection_told_twice_counts_once() -> None:
    body = webhook("call.machine.detection.ended", result="human")

    async def script(there: Exchange) -> None:
        await there.post(body)
        await there.post(body)

    assert play(script).desk.news == [AnswererFound(CALL, "human")]


def test_the_same_event_told_ten_times_counts_once() -> None:
    body = webhook("call.initiated", direction="incoming", **{"from": THEIRS, "to": OURS})

    async def script(there: Exchange) -> None:
        answers = await asyncio.gather(*(there.post(body) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}

    there = play(script)
    assert there.commands.actions == ["answer"]
    assert there.desk.news == [StateReached(CALL, CALLER, "ringing")]


def test_a_forged_an_old_and_a_changed_webhook_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    body = webhook("call.initiated", direction="incoming")

    async def script(there: Exchange) -> None:
        forged = await there.post(body, key=Ed25519PrivateKey.from_private_bytes(b"\x08" * 32))
        old = await there.post(body, at=NOW - 301)
        changed = await there.post(body + b" ", signed=body)
        assert [forged.status_code, old.status_code, changed.status_code] == [403, 403, 403]

    assert play(script).commands.given == []
    assert warnings(caplog) == ["a webhook was refused: its signature is not Telnyx's, or too old"] * 3


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b'{"data": {}}', 400), (b"\xff", 400), (b" " * 65_537, 413), (webhook("later"), 200)],
)
def test_a_body_that_is_no_event_is_refused_and_a_later_event_let_through(body: bytes, status: int) -> None:
    async def script(there: Exchange) -> None:
        assert (await there.post(body)).status_code == status

    assert play(script).commands.given == []


def test_states_are_told_once_and_in_order_whatever_the_order_of_the_webhooks() -> None:
    numbers = {"from": OURS, "to": THEIRS}

    async def script(there: Exchange) -> None:
        await there.tell("call.answered", at="00:10", state="o-17", **numbers)
        await there.tell("call.initiated", direction="outgoing", state="o-17", **numbers)
        await there.tell("call.answered", at="00:10", state="o-17", **numbers)
        await there.tell("call.hangup", at="01:12", state="o-17", hangup_cause="normal_clearing", **numbers)
        await there.tell("call.hangup", at="01:13", state="o-17", hangup_cause="user_busy", **numbers)

    assert play(script).desk.news == [
        StateReached(CALL, CALLED, "in-progress"),
        StateReached(CALL, CALLED, "completed", 62),
    ]


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        ("user_busy", "busy"),
        ("call_rejected", "busy"),
        ("timeout", "no-answer"),
        ("normal_clearing", "no-answer"),
        ("originator_cancel", "canceled"),
        ("not_found", "failed"),
        ("of a later version", "failed"),
    ],
)
def test_a_call_that_nobody_answers_ends_as_telnyx_says(cause: str, state: str) -> None:
    async def script(there: Exchange) -> None:
        numbers = {"from": OURS, "to": THEIRS}
        await there.tell("call.initiated", direction="outgoing", state="o-17", **numbers)
        await there.tell("call.hangup", state="o-17", hangup_cause=cause, **numbers)

    news = play(script).desk.news[-1]
    assert isinstance(news, StateReached)
    assert (news.state, news.why, news.duration_s) == (state, cause, None)


@pytest.mark.parametrize(
    ("kind", "result", "who"),
    [
        ("call.machine.detection.ended", "human", "human"),
        ("call.machine.premium.detection.ended", "human_residence", "human"),
        ("call.machine.premium.detection.ended", "human_business", "human"),
        ("call.machine.premium.detection.ended", "machine", "machine"),
        ("call.machine.premium.detection.ended", "fax_detected", "fax"),
        ("call.machine.premium.detection.ended", "silence", "unknown"),
        ("call.machine.premium.greeting.ended", "beep_detected", "machine done"),
        ("call.machine.greeting.ended", "ended", "machine done"),
    ],
)
def test_who_answered_is_told(kind: str, result: str, who: str) -> None:
    async def script(there: Exchange) -> None:
        await there.tell(kind, result=result)

    assert play(script).desk.news == [AnswererFound(CALL, who)]  # type: ignore[arg-type]


def test_whom_we_call_gets_a_stream_when_they_answer_and_not_while_it_rings() -> None:
    async def script(there: Exchange) -> None:
        await there.tell("call.initiated", direction="outgoing", state="o-17", **{"from": OURS, "to": THEIRS})
        assert there.commands.given == []
        await answered(there)
        socket = await there.stream()
        socket.text(stop())
        await settle()

    there = play(script)
    assert there.commands.actions == ["streaming_start", "hangup"]
    assert there.desk.answered == [CALL]


def test_whom_we_call_and_cannot_talk_to_is_told_so() -> None:
    desk = ListeningDesk()
    desk.room = False

    async def script(there: Exchange) -> None:
        await answered(there)
        await there.tell("call.speak.ended")

    given = play(script, desk).commands.given
    assert [action for _, action, _ in given] == ["speak", "hangup"]
    assert given[0][2]["payload"] == "All lines are taken."


def test_a_socket_without_a_ticket_and_one_that_comes_twice_are_turned_away(caplog: pytest.LogCaptureFixture) -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        guessed = there.open(MEDIA + "guessed")
        first = there.open()
        second = there.open()
        await settle()
        assert (guessed.code, first.code, second.code) == (1008, None, 1008)

    play(script)
    assert warnings(caplog)[:2] == ["a media socket was turned away: its token is unknown, used or expired"] * 2


def test_only_so_many_sockets_may_wait_for_their_start(caplog: pytest.LogCaptureFixture) -> None:
    async def script(there: Exchange) -> None:
        for name in ("a", "b"):
            await there.ring(name)
        first, second = (there.open(str(fields["stream_url"])) for _, _, fields in there.commands.given)
        await settle()
        assert (first.code, second.code) == (None, 1008)

    play(script, pending_sockets=1)
    play(script, pending_per_address=1)
    turned_away = [text for text in warnings(caplog) if "turned away" in text]
    assert turned_away == [
        "a media socket was turned away: too many wait for their start",
        "a media socket was turned away: too many from its address wait for their start",
    ]


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (start(call=LEG), "start.call_control_id is not the call the token was given for"),
        (media(), "a message came before start"),
        ("{", "the message is not JSON"),
        (connected(), "no start within 5.0 s"),
    ],
)
def test_a_stream_that_starts_wrongly_is_refused(first: str, why: str, caplog: pytest.LogCaptureFixture) -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        socket = there.open()
        socket.text(first)
        await asyncio.sleep(6)
        assert socket.code == 1008

    assert play(script).desk.answered == []
    assert warnings(caplog) == [f"a media socket was refused: {why}"]


def test_a_second_stream_of_a_live_call_is_refused_and_the_first_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        first = there.open()
        await settle()
        await there.tell("streaming.failed", stream_params={"stream_url": there.commands.url})
        first.text(start())
        second = await there.stream()
        first.text(media())
        await settle()
        assert (first.code, second.code) == (None, 1008)

    assert len(play(script).desk.received) == 1
    assert warnings(caplog)[0] == "a media socket was refused: the call has a live stream already"


def test_news_of_an_older_stream_does_not_touch_the_one_that_lives() -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        socket = await there.stream()
        await there.tell("streaming.failed", stream_params={"stream_url": MEDIA + "older"})
        await there.tell("streaming.stopped")
        socket.text(media())
        await settle()
        assert socket.code is None

    there = play(script)
    assert len(there.desk.received) == 1
    assert there.commands.actions == ["answer"]


def test_a_stream_that_breaks_is_followed_by_another_and_the_desk_answers_anew() -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        first_url = there.commands.url
        first = await there.stream()
        first.text(media())
        first.close()
        await settle()
        await there.tell("streaming.failed", stream_params={"stream_url": first_url})  # told of late, and known already
        second = await there.stream()
        second.text(media())
        second.text(stop())
        await settle()

    there = play(script)
    assert there.commands.actions == ["answer", "streaming_start", "hangup"]
    assert there.desk.answered == [CALL, CALL]
    assert len(there.desk.received) == 2
    assert there.desk.losses == ["the carrier closed the stream"]


def test_a_stream_whose_end_only_telnyx_knows_of_makes_way_for_the_next() -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        dead = await there.stream()
        await there.tell("streaming.stopped", stream_url=there.commands.url)
        await settle()
        assert dead.code == 1011
        await there.stream()

    there = play(script)
    assert there.commands.actions == ["answer", "streaming_start"]
    assert there.desk.answered == [CALL, CALL]


def test_streams_that_keep_breaking_are_replaced_three_times_and_then_apologised_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        for _ in range(4):
            (await there.stream()).close()
            await settle()
        await there.tell("call.speak.ended")

    there = play(script)
    assert there.commands.actions == ["answer", *["streaming_start"] * 3, "speak", "hangup"]
    assert there.commands.given[-2][2]["payload"] == "Something is broken here."
    assert warnings(caplog)[-1] == "a call was given up: "


def test_a_call_that_breaks_now_and_then_is_never_given_up() -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        for _ in range(10):
            (await there.stream()).close()
            await asyncio.sleep(21)

    assert play(script).commands.actions == ["answer", *["streaming_start"] * 10]


def test_where_there_is_somebody_to_ring_up_the_caller_is_put_through() -> None:
    desk = ListeningDesk()
    desk.phrases = Phrases("", "", "One moment.", "+15550100009")

    async def script(there: Exchange) -> None:
        await there.ring()
        (await there.stream()).close()
        await settle()
        await there.tell("call.speak.ended")
        leg = {"client_state": transfer_state(CALL)}
        await there.tell("call.hangup", LEG, hangup_cause="user_busy", **leg)

    there = play(script, desk, resume_attempts=0)
    assert there.commands.actions == ["answer", "speak", "transfer", "hangup"]
    assert there.commands.given[2][2]["to"] == "+15550100009"


def test_a_stream_that_cannot_be_started_is_tried_again_a_few_times() -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        there.commands.failing.add("streaming_start")
        (await there.stream()).close()
        await asyncio.sleep(10)

    assert play(script).commands.actions == ["answer", *["streaming_start"] * 3, "speak"]


def test_a_first_stream_that_cannot_be_started_is_tried_again_as_often() -> None:
    async def script(there: Exchange) -> None:
        there.commands.failing.add("streaming_start")
        await answered(there)
        await there.tell("call.speak.ended")

    assert play(script).commands.actions == [*["streaming_start"] * 4, "speak", "hangup"]


def test_a_call_that_is_gone_gets_no_stream_and_no_goodbye() -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        there.commands.gone.add(CALL)
        (await there.stream()).close()
        await settle()
        await there.tell("streaming.failed", stream_params={"stream_url": there.commands.url})

    assert play(script).commands.actions == ["answer", "streaming_start"]


def test_commands_that_come_to_nothing_are_logged_and_end_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def script(there: Exchange) -> None:
        there.commands.failing |= {"answer", "hangup"}
        await there.ring()
        await there.ring(LEG)

    assert play(script).commands.actions == ["answer", "answer"]
    assert warnings(caplog) == ["a command came to nothing: answer came to nothing"] * 2


def test_a_desk_that_takes_no_lines_has_telnyx_tell_it_again() -> None:
    desk = ListeningDesk()
    desk.ask_again_s = 3
    body = webhook("call.initiated", direction="incoming", **{"from": THEIRS, "to": OURS})

    async def script(there: Exchange) -> None:
        refused = await there.post(body)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "3")
        assert (await there.tell("call.hangup", LEG)).status_code == 200
        desk.ask_again_s = 0
        assert (await there.post(body)).status_code == 200

    assert play(script, desk).commands.actions == ["answer"]


def test_a_stream_that_is_handed_over_is_started_by_the_next_process() -> None:
    class Leaving(ListeningDesk):
        async def answer(self, line: Line) -> None:
            asyncio.get_running_loop().call_later(0.02, self.leave, line)
            await super().answer(line)

        def leave(self, line: Line) -> None:
            self.ask_again_s = 3
            line.break_off()

    async def old(there: Exchange) -> None:
        await there.ring()
        socket = await there.stream()
        await settle()
        assert socket.code == 1012

    async def new(there: Exchange) -> None:
        there.desk.pasts[CALL] = Past(over=False, lost_s_ago=(1.0,))
        there.desk.room = False
        await there.tell("streaming.stopped", stream_url=MEDIA + "of the old process")
        await there.stream()

    assert play(old, Leaving()).commands.actions == ["answer"]
    there = play(new)
    assert there.commands.actions == ["streaming_start"]
    assert there.desk.answered == [CALL]


@pytest.mark.parametrize(
    ("past", "actions"),
    [(Past(over=True), []), (Past(over=False, lost_s_ago=(50, 40, 30)), ["speak"]), (None, ["streaming_start"])],
)
def test_what_another_process_knew_of_a_call_counts(past: Past | None, actions: list[str]) -> None:
    async def script(there: Exchange) -> None:
        if past:
            there.desk.pasts[CALL] = past
        await there.tell("streaming.failed", stream_params={"stream_url": MEDIA + "of another"})

    assert play(script).commands.actions == actions


class Errands(ListeningDesk):
    """Runs one errand on the first stream, and notes how each stream came back."""

    def __init__(self, errand: Errand) -> None:
        super().__init__()
        self.errand: Errand | None = errand
        self.back_from: list[str] = []
        self.refused: list[str] = []

    async def answer(self, line: Line) -> None:
        self.back_from.append(line.back_from)
        if self.errand:
            errand, self.errand = self.errand, None
            try:
                await line.leave(errand)
            except LineError as wrong:
                self.refused.append(str(wrong))
        await super().answer(line)


def test_keys_are_pressed_and_the_call_comes_back_when_they_are() -> None:
    desk = Errands(SendKeys("1w2#"))

    async def script(there: Exchange) -> None:
        await there.ring()
        first_url = there.commands.url
        await there.stream()
        await there.tell("streaming.stopped", stream_url=first_url)
        await asyncio.sleep(1.5)
        assert there.commands.actions == ["answer", "send_dtmf"]
        await asyncio.sleep(1.0)
        await there.stream()

    there = play(script, desk, resume_attempts=0)  # an errand is no loss, and not counted as one
    assert there.commands.given[1] == (CALL, "send_dtmf", {"digits": "1w2#"})
    assert there.commands.actions[2:] == ["streaming_start"]
    assert desk.back_from == ["", "keys"]
    assert desk.losses == ["the stream was given up"]


@pytest.mark.parametrize(
    ("cause", "back_from"),
    [("user_busy", "busy"), ("timeout", "no-answer"), ("call_rejected", "declined"), ("not_found", "failed")],
)
def test_a_transfer_that_nobody_takes_brings_the_caller_back(cause: str, back_from: str) -> None:
    desk = Errands(Transfer("+15550100009"))
    leg = {"client_state": transfer_state(CALL)}

    async def script(there: Exchange) -> None:
        await there.ring()
        first_url = there.commands.url
        await there.stream()
        await settle()
        await there.tell("streaming.stopped", stream_url=first_url)
        await there.tell("call.initiated", LEG, direction="outgoing", **leg, **{"from": OURS, "to": "+15550100009"})
        await there.tell("call.hangup", LEG, hangup_cause=cause, **leg)
        await there.stream()

    there = play(script, desk, resume_attempts=0)
    fields = {"to": "+15550100009", "from": OURS, "target_leg_client_state": transfer_state(CALL)}
    assert there.commands.given[1] == (CALL, "transfer", fields)
    assert there.commands.actions[2:] == ["streaming_start"]
    assert desk.back_from == ["", back_from]
    assert there.desk.news == [StateReached(CALL, CALLER, "ringing")]  # the other leg is no call of ours


def test_a_transfer_that_is_taken_leaves_us_nothing_to_do() -> None:
    leg = {"client_state": transfer_state(CALL)}

    async def script(there: Exchange) -> None:
        await there.ring()
        await there.stream()
        await settle()
        await there.tell("call.answered", LEG, **leg)
        await there.tell("call.hangup", LEG, hangup_cause="normal_clearing", **leg)
        await there.tell("call.hangup", hangup_cause="normal_clearing")

    assert play(script, Errands(Transfer("+15550100009"))).commands.actions == ["answer", "transfer"]


def test_a_briefing_that_cannot_be_given_is_logged_and_the_caller_is_put_through(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def script(there: Exchange) -> None:
        await there.ring()
        await there.stream()
        await settle()

    errand = Transfer("+15550100009", briefing="It is about the roof.")
    assert play(script, Errands(errand)).commands.actions == ["answer", "transfer"]
    assert warnings(caplog) == ["a transfer goes unannounced: Telnyx briefs nobody"]


@pytest.mark.parametrize("errand", [SendKeys("1"), Transfer("+15550100009")])
def test_an_errand_that_telnyx_will_not_run_leaves_the_stream_as_it_was(errand: Errand) -> None:
    desk = Errands(errand)

    async def script(there: Exchange) -> None:
        there.commands.failing |= {"send_dtmf", "transfer"}
        await there.ring()
        socket = await there.stream()
        socket.text(media())
        await settle()
        assert socket.code is None
        socket.close()
        await settle()

    there = play(script, desk)
    assert len(desk.received) == 1
    assert len(desk.refused) == 1
    assert there.commands.actions[-1] == "streaming_start"


def test_without_a_key_to_check_by_the_server_does_not_start() -> None:
    with pytest.raises(ConfigError, match="TELNYX_PUBLIC_KEY"):
        telnyx_router(settings(key=""), ListeningDesk(), Commands(), float)
    telnyx_router(settings(key=""), ListeningDesk(), Commands(), float, insecure=True)


@pytest.mark.parametrize("public", ["", "http://voice.example.com", "voice.example.com"])
def test_an_address_that_telnyx_cannot_use_is_refused_by_name(public: str) -> None:
    with pytest.raises(ConfigError, match="CLIENT_CALLER_PUBLIC_URL"):
        telnyx_router(settings(public=public), ListeningDesk(), Commands(), float)
