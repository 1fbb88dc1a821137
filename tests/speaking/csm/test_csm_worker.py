"""The engine's thread: what is asked of it, what comes of it, and what becomes of everybody when it dies."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.errors import ConfigError, EngineCrashed, EngineOverloaded, LocalProtocolError
from client_caller.speaking.csm.protocol import FRAME_S, HZ
from client_caller.speaking.csm.turns import CallerTurn, Made, Manner, Utterance
from client_caller.speaking.csm.worker import TOO_SLOW, OpenCall, Worker
from speaking.csm.csm_fakes import NOTHING, Deaths, FakeEngine, Hold, frame, until_free, working

HELLO = Utterance("1", "Hello.")
SECRET = "alabaster"


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


async def until_ended(call: OpenCall, utterance: str) -> list[Made]:
    """What is made for a call, up to the end of this utterance."""
    made = []
    async for some in call.made():
        made.append(some)
        if some.utterance == utterance and some.ended is not None:
            return made
    raise AssertionError("the call was closed before")


def test_each_call_gets_its_own_sound_in_order() -> None:
    async def main() -> None:
        async with working(FakeEngine(frames=4)) as worker:
            one, other = await worker.open("anna", Manner()), await worker.open("ben", Manner())
            await one.speak(HELLO)
            await other.speak(Utterance("a", "Hi."))
            for call, name in ((one, "1"), (other, "a")):
                made = await until_ended(call, name)
                assert {some.utterance for some in made} == {name}
                assert np.array_equal([some.sound[0] for some in made], [frame(n)[0] for n in (1, 2, 3, 4)])
                assert [some.ended for some in made] == [None, None, None, "finished"]

    run(main())


def test_what_is_asked_is_done_in_order() -> None:
    async def main() -> None:
        engine = FakeEngine(allowed=0)
        async with working(engine) as worker:
            call = await worker.open("anna", Manner(seed=5))
            turn = CallerTurn("c", "Yes", NOTHING)
            await call.hear(turn)
            await call.speak(HELLO)
            await call.cancel("1")
            call.close()
            await until_free(worker)
            asked = [entry for entry in engine.log if entry[0] != "step"]
            assert asked == [
                ("open", call.id),
                ("hear", call.id, turn),
                ("speak", call.id, HELLO),
                ("cancel", call.id, "1"),
                ("close", call.id),
            ]
            assert engine.manners[call.id] == ("anna", Manner(seed=5))

    run(main())


def test_a_cancel_ends_its_utterance_and_nothing_else() -> None:
    async def main() -> None:
        async with working(FakeEngine(frames=2, allowed=1)) as worker:
            call = await worker.open("anna", Manner())
            await call.speak(HELLO)
            await call.speak(Utterance("2", "And?"))
            await call.speak(Utterance("3", "Well."))
            await call.cancel("2")
            await worker.ask(lambda engine: setattr(engine, "allowed", 100))
            made = await until_ended(call, "3")
            assert {some.utterance: some.ended for some in made if some.ended} == {
                "1": "finished",
                "2": "cancelled",
                "3": "finished",
            }
            assert [some.utterance for some in made if len(some.sound)] == ["1", "1", "3", "3"]

    run(main())


def test_an_unknown_voice_is_refused_and_leaves_nothing() -> None:
    async def main() -> None:
        async with working(FakeEngine(), calls=1) as worker:
            for _ in range(3):
                with pytest.raises(ConfigError, match="no voice 'carl'"):
                    await worker.open("carl", Manner())
            assert (await worker.open("anna", Manner())).is_open

    run(main())


def test_no_more_calls_than_allowed_and_a_closed_one_makes_room() -> None:
    async def main() -> None:
        async with working(FakeEngine(), calls=2) as worker:
            first, _ = await worker.open("anna", Manner()), await worker.open("anna", Manner())
            with pytest.raises(EngineOverloaded, match="2 calls"):
                await worker.open("anna", Manner())
            first.close()
            first.close()
            await worker.open("anna", Manner())

    run(main())


def test_a_closed_call_ends_for_its_reader_and_takes_nothing_more() -> None:
    async def main() -> None:
        async with working(FakeEngine(allowed=0)) as worker:
            call = await worker.open("anna", Manner())
            await call.speak(HELLO)
            reading = asyncio.create_task(until_ended(call, "1"))
            await asyncio.sleep(0)
            call.close()
            with pytest.raises(AssertionError, match="closed"):
                await reading
            with pytest.raises(LocalProtocolError):
                await call.speak(HELLO)
            await until_free(worker)

    run(main())


@pytest.mark.parametrize("when", ["while it waits", "while it is done"])
def test_a_call_whose_opening_is_given_up_is_not_left_in_the_engine(when: str) -> None:
    async def main() -> None:
        engine, hold = FakeEngine(), Hold()
        engine.before_open = hold if when == "while it is done" else lambda: None
        async with working(engine, calls=1) as worker:
            if when == "while it waits":
                worker.tell(hold)
            opening = asyncio.create_task(worker.open("anna", Manner()))
            await hold.has_begun()
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            hold.let_go()
            await until_free(worker)
            asked = [entry[0] for entry in engine.log]
            assert asked == ([] if when == "while it waits" else ["open", "close"])

    run(main())


def test_what_the_engine_refuses_breaks_nothing() -> None:
    async def main() -> None:
        engine = FakeEngine()
        async with working(engine) as worker:
            call = await worker.open("anna", Manner())
            engine.refusal = EngineOverloaded("voice", "no room")
            with pytest.raises(EngineOverloaded):
                await call.speak(HELLO)
            await call.speak(HELLO)
            assert len(await until_ended(call, "1")) == 3

    run(main())


@pytest.mark.parametrize("where", ["in a step", "in a request"])
def test_an_engine_that_breaks_fails_everybody_and_tells_whoever_watches(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        engine, deaths = FakeEngine(allowed=0), Deaths()
        async with working(engine, deaths) as worker:
            calls = [await worker.open("anna", Manner()) for _ in range(3)]
            reading = [asyncio.create_task(until_ended(call, "1")) for call in calls]
            await asyncio.sleep(0)
            broken = RuntimeError("CUDA error: an illegal memory access\nand more")
            if where == "in a step":
                await worker.ask(lambda engine: setattr(engine, "failure", broken))
            else:
                engine.refusal = broken
                with pytest.raises(EngineCrashed, match="illegal memory access"):
                    await calls[0].speak(HELLO)
            for task in reading:
                with pytest.raises(EngineCrashed, match="illegal memory access"):
                    await task
            await deaths.first.wait()
            assert not worker.is_alive
            with pytest.raises(EngineCrashed):
                await calls[0].speak(HELLO)
            with pytest.raises(EngineCrashed):
                await worker.open("anna", Manner())
            with pytest.raises(EngineCrashed):
                await worker.figures()
            calls[0].close()
            assert deaths.count == 1

    with caplog.at_level(logging.CRITICAL):
        run(main())
    assert [record.message for record in caplog.records] == ["the engine died"]
    assert "csm_fakes.py" in vars(caplog.records[0])["where"]


def test_what_waits_when_the_engine_breaks_fails_too() -> None:
    async def main() -> None:
        engine, hold = FakeEngine(), Hold()

        def hold_and_break(_: object) -> None:
            hold()
            raise KeyError(SECRET)

        async with working(engine) as worker:
            call = await worker.open("anna", Manner())
            worker.tell(hold_and_break)
            await hold.has_begun()
            waiting = [asyncio.create_task(call.speak(Utterance(str(n), "Hi"))) for n in range(5)]
            await asyncio.sleep(0)
            waiting[3].cancel()
            hold.let_go()
            results = await asyncio.gather(*waiting, return_exceptions=True)
            kinds = [type(result) for result in results]
            assert kinds == [EngineCrashed] * 3 + [asyncio.CancelledError] + [EngineCrashed]
            assert "KeyError" in str(results[0])
            assert SECRET not in str(results[0])

    run(main())


def test_the_log_of_a_death_holds_no_words(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        engine, deaths = FakeEngine(), Deaths()
        async with working(engine, deaths) as worker:
            await worker.ask(lambda engine: setattr(engine, "failure", ValueError(SECRET)))
            await deaths.first.wait()

    run(main())
    assert SECRET not in " ".join(str(vars(record)) for record in caplog.records)


def test_an_engine_that_cannot_be_built_is_an_error_of_its_start() -> None:
    async def main() -> None:
        def build() -> FakeEngine:
            raise ConfigError("there is no model")

        deaths = Deaths()
        worker = Worker(build, asyncio.get_running_loop().time, deaths)
        with pytest.raises(ConfigError, match="no model"):
            await worker.start()
        await worker.stop()
        assert deaths.count == 0

    run(main())


def test_stopping_fails_what_waits_and_is_no_death(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        engine, deaths = FakeEngine(allowed=0), Deaths()
        async with working(engine, deaths) as worker:
            call = await worker.open("anna", Manner())
            reading = asyncio.create_task(until_ended(call, "1"))
            await worker.stop()
            with pytest.raises(EngineCrashed, match="stopped"):
                await reading
            with pytest.raises(EngineCrashed):
                await call.speak(HELLO)
            assert deaths.count == 0

    run(main())
    assert not caplog.records


def test_a_reader_who_takes_nothing_loses_its_utterance_and_holds_up_nobody() -> None:
    async def main() -> None:
        frames = round(100 / FRAME_S)
        engine = FakeEngine(frames=frames)
        async with working(engine) as worker:
            slow, quick = await worker.open("anna", Manner()), await worker.open("anna", Manner())
            await slow.speak(HELLO)
            await quick.speak(HELLO)
            made = await until_ended(quick, "1")
            assert sum(len(some.sound) for some in made) == frames * round(FRAME_S * HZ)
            taken = await until_ended(slow, "1")
            assert taken[-1].ended == TOO_SLOW
            await worker.figures()  # what was asked before that is done
            assert [entry for entry in engine.log if entry[0] == "cancel"] == [("cancel", slow.id, "1")]
            kept = [some for some in taken if len(some.sound)]
            assert 29 <= len(kept) * FRAME_S <= 30
            assert [some.sound[0] for some in kept] == [frame(n)[0] for n in range(1, len(kept) + 1)]
            await slow.speak(Utterance("2", "Again."))  # it has lost an utterance, and not the call
            assert (await anext(slow.made())).utterance == "2"

    run(main())


def test_a_reader_of_the_whole_may_take_it_as_it_is_played() -> None:
    async def main() -> None:
        frames = round(300 / FRAME_S)
        async with working(FakeEngine(frames=frames)) as worker:
            whole, other = (
                await worker.open("anna", Manner(paced=False)),
                await worker.open("anna", Manner(paced=False)),
            )
            await whole.speak(HELLO)
            await other.speak(HELLO)
            await until_ended(other, "1")
            made = await until_ended(whole, "1")
            assert (len(made), made[-1].ended) == (frames, "finished")

    run(main())


def test_too_much_that_waits_is_refused_but_never_a_close() -> None:
    async def main() -> None:
        engine, hold = FakeEngine(), Hold()

        async with working(engine) as worker:
            call = await worker.open("anna", Manner())
            worker.tell(hold)
            await hold.has_begun()
            waiting = [asyncio.create_task(call.hear(CallerTurn("c", "", NOTHING))) for _ in range(256)]
            await asyncio.sleep(0)
            with pytest.raises(EngineOverloaded, match="waiting"):
                await call.speak(HELLO)
            call.close()
            hold.let_go()
            await asyncio.gather(*waiting)
            await until_free(worker)

    run(main())


def test_requests_hold_up_a_voice_by_no_more_than_their_share() -> None:
    async def main() -> None:
        engine, hold = FakeEngine(frames=1_000), Hold()
        engine.cost_s = {"hear": 0.004}

        async with working(engine, now=lambda: engine.now) as worker:
            talker, listener = await worker.open("anna", Manner()), await worker.open("anna", Manner())
            await talker.speak(HELLO)
            worker.tell(hold)
            await hold.has_begun()
            waiting = [asyncio.create_task(listener.hear(CallerTurn("c", "", NOTHING))) for _ in range(100)]
            await asyncio.sleep(0)
            engine.log.clear()
            hold.let_go()
            await asyncio.gather(*waiting)
            between, most = 0, 0
            for entry in engine.log:
                between = between + 1 if entry[0] == "hear" else 0
                most = max(most, between)
            assert most == 3  # of 4 ms each, of which the third begins before 10 ms are over

    run(main())


def test_a_step_is_done_when_its_time_has_come() -> None:
    class Resting(FakeEngine):
        rests = 3

        def rest_s(self, now: float) -> float | None:
            rest_s = super().rest_s(now)
            if rest_s == 0 and self.rests:
                self.rests -= 1
                return 0.001
            return rest_s

    async def main() -> None:
        engine = Resting()
        async with working(engine) as worker:
            call = await worker.open("anna", Manner())
            await call.speak(HELLO)
            assert len(await until_ended(call, "1")) == 3
            assert engine.rests == 0

    run(main())


SCRIPTS = st.lists(
    st.tuples(st.sampled_from(["speak", "cancel", "reopen"]), st.integers(0, 2), st.integers(0, 5)), max_size=30
)


@settings(max_examples=40)
@given(SCRIPTS, st.integers(1, 4))
def test_every_utterance_that_was_taken_ends_exactly_once(script: list[tuple[str, int, int]], frames: int) -> None:
    async def main() -> None:
        async with working(FakeEngine(frames)) as worker:
            calls = [await worker.open("anna", Manner()) for _ in range(3)]
            asked: list[list[str]] = [[], [], []]
            for count, (what, number, which) in enumerate(script):
                if what == "speak":
                    asked[number].append(f"u{count}")
                    await calls[number].speak(Utterance(f"u{count}", "Hi."))
                elif what == "cancel":
                    await calls[number].cancel(f"u{which}")
                else:
                    calls[number].close()
                    calls[number], asked[number] = await worker.open("ben", Manner()), []
            for call, names in zip(calls, asked, strict=True):
                await call.speak(Utterance("last", "Bye."))
                made = await until_ended(call, "last")
                ended = [some.utterance for some in made if some.ended is not None]
                assert sorted(ended) == sorted([*names, "last"])
                for name in names:
                    sounds = [some.sound[0] for some in made if some.utterance == name and len(some.sound)]
                    assert sounds == [frame(n)[0] for n in range(1, len(sounds) + 1)]

    run(main())
