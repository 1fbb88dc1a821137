import asyncio
from collections.abc import Awaitable, Callable

import pytest

from client_caller.errors import LineLost
from client_caller.line.protocol import CallerAudio, Clear, Inbound, KeyTone, Mark, MarkReturned, Play
from client_caller.line.simulated import SimulatedLine
from virtual import run

QUIET = b"\xff" * 160


async def listen(line: SimulatedLine, until_s: float) -> list[tuple[float, Inbound]]:
    """Everything that comes within `until_s`, each with the time it came."""
    loop = asyncio.get_running_loop()
    loop.call_at(until_s, line.hang_up_by_caller)
    return [(round(loop.time(), 6), message) async for message in line.receive()]


def played(script: Callable[[SimulatedLine], Awaitable[None]], **options: object) -> tuple[SimulatedLine, list]:
    """A second of call during which the agent does what the script says."""

    async def main() -> tuple[SimulatedLine, list]:
        line = SimulatedLine(**options)
        agent = asyncio.ensure_future(script(line))
        came = await listen(line, until_s=1.0)
        await agent
        return line, came

    return run(main())


def marks(came: list[tuple[float, Inbound]]) -> list[tuple[float, str]]:
    return [(at, message.name) for at, message in came if isinstance(message, MarkReturned)]


def test_the_caller_is_silent_until_made_to_speak_and_keeps_to_the_frame_clock() -> None:
    async def script(line: SimulatedLine) -> None:
        await asyncio.sleep(0.05)
        line.say(b"\x01" * 200)

    _, came = played(script)
    frames = [(at, m.media_s, m.mulaw) for at, m in came if isinstance(m, CallerAudio)]
    assert [at for at, _, _ in frames] == pytest.approx([n * 0.02 for n in range(len(frames))])
    assert [at for at, _, _ in frames] == pytest.approx([media_s for _, media_s, _ in frames])
    assert [mulaw for _, _, mulaw in frames[:6]] == [QUIET] * 3 + [b"\x01" * 160, b"\x01" * 40 + QUIET[40:], QUIET]


def test_what_was_sent_is_heard_in_time_and_its_mark_comes_back_when_it_has_sounded() -> None:
    async def script(line: SimulatedLine) -> None:
        await asyncio.sleep(0.105)
        await line.send(Play(b"\x05" * 400))  # 50 ms
        await line.send(Mark("end"))

    line, came = played(script)
    assert [(round(at, 6), len(mulaw)) for at, mulaw in line.heard] == [(0.12, 160), (0.14, 160), (0.16, 80)]
    assert marks(came) == [(0.18, "end")]


def test_a_clear_silences_the_carrier_and_returns_every_mark_at_once() -> None:
    async def script(line: SimulatedLine) -> None:
        for name in ("a", "b"):
            await line.send(Play(b"\x05" * 1_600))
            await line.send(Mark(name))
        await asyncio.sleep(0.11)
        await line.send(Clear())

    line, came = played(script)
    assert sum(len(mulaw) for _, mulaw in line.heard) <= 6 * 160
    assert marks(came) == [(0.11, "a"), (0.11, "b")]


def test_marks_may_be_late_or_lost() -> None:
    async def script(line: SimulatedLine) -> None:
        await line.send(Mark("now"))

    _, late = played(script, mark_delay_s=0.3)
    _, lost = played(script, lose_marks=True)
    assert marks(late) == [(0.3, "now")]
    assert marks(lost) == []


def test_late_frames_come_late_but_in_order() -> None:
    async def script(line: SimulatedLine) -> None:
        return

    _, came = played(script, lateness_s=lambda number: 0.1 if number == 3 else 0.0)
    frames = [(at, round(m.media_s, 6)) for at, m in came if isinstance(m, CallerAudio)]
    assert frames[2:9] == [
        (0.04, 0.04),
        (0.16, 0.06),
        (0.16, 0.08),
        (0.16, 0.1),
        (0.16, 0.12),
        (0.16, 0.14),
        (0.16, 0.16),
    ]


def test_a_key_is_heard_when_it_is_pressed() -> None:
    async def script(line: SimulatedLine) -> None:
        await asyncio.sleep(0.25)
        line.press("5")

    _, came = played(script)
    assert [(at, m) for at, m in came if isinstance(m, KeyTone)] == [(0.25, KeyTone("5"))]


def test_after_the_agent_hangs_up_nothing_comes_and_nothing_can_be_sent() -> None:
    async def script(line: SimulatedLine) -> None:
        await asyncio.sleep(0.11)
        await line.hang_up()
        with pytest.raises(LineLost):
            await line.send(Play(QUIET))

    _, came = played(script)
    assert max(at for at, _ in came) == pytest.approx(0.1)


def test_a_stream_that_breaks_off_is_lost_to_whoever_reads() -> None:
    async def main() -> None:
        line = SimulatedLine()
        asyncio.get_running_loop().call_at(0.5, line.break_off)
        with pytest.raises(LineLost):
            async for _ in line.receive():
                pass
        assert asyncio.get_running_loop().time() == pytest.approx(0.5)

    run(main())


def test_what_is_said_to_a_caller_who_has_hung_up_is_lost_until_that_was_read() -> None:
    async def main() -> None:
        line = SimulatedLine()
        line.hang_up_by_caller()
        await line.send(Play(QUIET))
        assert [message async for message in line.receive()] == []
        with pytest.raises(LineLost):
            await line.send(Play(QUIET))

    run(main())
