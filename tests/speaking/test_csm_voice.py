"""The client of the CSM engine against a stand-in: what it tells of the call, and what it makes of failures."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import numpy as np
import pytest
from websockets.sync.server import serve

from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ
from client_caller.audio.resample import resample
from client_caller.errors import ConfigError, EngineCrashed, EngineError, EngineOverloaded
from client_caller.speaking.csm.turns import OwnTurn
from client_caller.speaking.csm.wire import Cancel, Heard, Open, Speak
from client_caller.speaking.csm_voice import CsmVoice
from client_caller.speaking.protocol import AgentSaid, CallerSaid, Speech, Talk
from client_caller.speaking.tone import tone
from csm_stand_in import ENDLESS, WORD_S, EngineStandIn, standing_in_for_csm
from speech_stand_in import standing_in_for_speech

HELLO = CallerSaid("c0.1", "hello there", resample(tone(3, 0.5), LINE_HZ, 16_000))
MORE = CallerSaid("c1.1", "go on", resample(tone(5, 0.3), LINE_HZ, 16_000))
PIECE = "Good morning, this is Anna speaking."
LENGTH_S = 6 * WORD_S + 0.25  # and the pause behind a sentence
ENDLESSLY = f"I am {ENDLESS} one two three"


@pytest.fixture
def engine() -> Iterator[EngineStandIn]:
    with standing_in_for_csm() as standing_in:
        yield standing_in


def with_voice(engine: EngineStandIn, script: Callable[[CsmVoice], Awaitable[None]], key: str = "") -> None:
    """Run a script with a voice that is closed at the end, and see that nothing of it is left."""

    async def main() -> None:
        voice = CsmVoice(engine.url, key, "anna")
        try:
            await script(voice)
        finally:
            await voice.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def talk(reply: int, piece: int, *turns: CallerSaid | AgentSaid, call: str = "CA1") -> Talk:
    return Talk(call, reply, piece, turns)


async def said(voice: CsmVoice, text: str, told: Talk | None) -> list[Speech]:
    return [speech async for speech in voice.speak(text, told)]


def length_s(speeches: list[Speech]) -> float:
    return sum(len(speech.samples) for speech in speeches) / LINE_HZ


def test_a_piece_is_spoken_as_it_is_made_with_the_times_of_its_words(engine: EngineStandIn) -> None:
    async def script(voice: CsmVoice) -> None:
        speeches = await said(voice, PIECE, talk(1, 0))
        assert len(speeches) > 6
        assert length_s(speeches) == pytest.approx(LENGTH_S, abs=0.01)
        assert [word.index for speech in speeches for word in speech.words] == list(range(6))

    with_voice(engine, script, key="the-key")
    assert engine.keys == ["Bearer the-key"]
    opened, speak = engine.last
    assert opened == Open("anna")
    assert isinstance(speak, Speak)
    assert (speak.text, speak.turns) == (PIECE, ())


def test_what_the_caller_said_is_sent_once_as_it_came_over_the_line(engine: EngineStandIn) -> None:
    async def script(voice: CsmVoice) -> None:
        await said(voice, PIECE, talk(1, 0, HELLO))
        await said(voice, PIECE, talk(1, 1, HELLO, AgentSaid(1, 0, None)))
        await said(voice, PIECE, talk(2, 0, HELLO, AgentSaid(1, 0, None), AgentSaid(1, 1, None), MORE))

    with_voice(engine, script)
    assert len(engine.asked) == 1
    assert engine.heard() == ["c0.1", "c1.1"]
    heard = next(request for request in engine.last if isinstance(request, Heard))
    assert heard.text == HELLO.text
    assert np.abs(mulaw.decode(heard.audio) - tone(3, 0.5))[50:-50].max() < 0.01
    first, second, third = engine.spoken()
    assert first.turns == ("c0.1",)
    assert second.turns == ("c0.1", OwnTurn(first.id))
    assert third.turns == ("c0.1", OwnTurn(first.id), OwnTurn(second.id), "c1.1")


def test_what_was_cut_off_is_told_in_whole_words_by_their_own_times(engine: EngineStandIn) -> None:
    async def script(voice: CsmVoice) -> None:
        speeches = await said(voice, PIECE, talk(1, 0))
        words = [word for speech in speeches for word in speech.words]
        await said(voice, PIECE, talk(2, 0, AgentSaid(1, 0, words[2].end_s + 0.02)))
        await said(voice, PIECE, talk(3, 0, AgentSaid(1, 0, words[2].end_s - 0.02)))
        await said(voice, PIECE, talk(4, 0, AgentSaid(1, 0, words[0].end_s - 0.01)))
        await said(voice, PIECE, talk(5, 0, AgentSaid(1, 0, 99.0)))

    with_voice(engine, script)
    first, *others = engine.spoken()
    (three,), (two,), none, (everything,) = (speak.turns for speak in others)
    assert isinstance(three, OwnTurn)
    assert isinstance(two, OwnTurn)
    assert isinstance(everything, OwnTurn)
    assert (three.id, three.text) == (first.id, "Good morning, this")
    assert two.text == "Good morning,"
    assert two.seconds is not None
    assert three.seconds == pytest.approx(two.seconds + 0.04)
    assert none == ()
    assert everything.text == PIECE
    assert everything.seconds == pytest.approx(LENGTH_S, abs=0.01)


def test_silence_that_nobody_was_given_counts_for_the_engine_that_made_it(engine: EngineStandIn) -> None:
    engine.silent_frames = 5  # 0.4 s, of which 0.06 s are left

    async def script(voice: CsmVoice) -> None:
        speeches = await said(voice, PIECE, talk(1, 0))
        assert length_s(speeches) == pytest.approx(LENGTH_S + 0.06, abs=0.01)
        words = [word for speech in speeches for word in speech.words]
        await said(voice, PIECE, talk(2, 0, AgentSaid(1, 0, words[2].end_s)))
        async with aclosing(voice.speak(ENDLESSLY, talk(3, 0))) as given_up:
            count = 0
            async for speech in given_up:
                count += len(speech.samples)
                if count > 1.5 * LINE_HZ:
                    break
        await said(voice, PIECE, talk(4, 0, AgentSaid(3, 0, 1.2)))
        nonlocal ends_s
        ends_s = words[2].end_s

    ends_s = 0.0
    with_voice(engine, script)
    _, second, _, fourth = engine.spoken()
    for speak, heard_s in ((second, ends_s), (fourth, 1.2)):
        (told,) = speak.turns
        assert isinstance(told, OwnTurn)
        assert told.seconds == pytest.approx(heard_s + 0.34, abs=0.012)


def test_an_engine_that_is_not_to_hear_the_caller_is_told_of_its_own_pieces_only(engine: EngineStandIn) -> None:
    async def main() -> None:
        voice = CsmVoice(engine.url, "", "anna", hears_caller=False)
        await said(voice, PIECE, talk(1, 0, HELLO))
        await said(voice, PIECE, talk(1, 1, HELLO, AgentSaid(1, 0, None)))
        await voice.close()

    asyncio.run(main())
    assert engine.heard() == []
    first, second = engine.spoken()
    assert (first.turns, second.turns) == ((), (OwnTurn(first.id),))


def test_what_this_client_did_not_say_is_left_out(engine: EngineStandIn) -> None:
    async def script(voice: CsmVoice) -> None:
        await said(voice, PIECE, talk(1, 1, AgentSaid(1, 0, None), HELLO))

    with_voice(engine, script)
    assert engine.spoken()[0].turns == ("c0.1",)


def test_a_turn_that_the_engine_would_not_take_is_left_out(engine: EngineStandIn) -> None:
    endless = CallerSaid("c0.1", "la", np.zeros(61 * 16_000, np.float32))
    wordless = CallerSaid("c1.1", "", HELLO.samples)

    async def script(voice: CsmVoice) -> None:
        await said(voice, PIECE, talk(1, 0, endless, wordless, MORE.__class__("c2.1", "go on", MORE.samples)))

    with_voice(engine, script)
    assert engine.heard() == ["c2.1"]
    assert engine.spoken()[0].turns == ("c2.1",)


def test_on_a_new_connection_everything_the_caller_said_is_sent_again(engine: EngineStandIn) -> None:
    engine.faults = [None, "break"]

    async def script(voice: CsmVoice) -> None:
        await said(voice, PIECE, talk(1, 0, HELLO))
        with pytest.raises(EngineCrashed):
            await said(voice, PIECE, talk(2, 0, HELLO, AgentSaid(1, 0, None), MORE))
        await said(voice, PIECE, talk(3, 0, HELLO, AgentSaid(1, 0, None), MORE))

    with_voice(engine, script)
    assert [engine.heard(connection) for connection in (0, 1)] == [["c0.1", "c1.1"]] * 2
    assert engine.spoken()[0].turns == ("c0.1", "c1.1")  # of the piece that was said, this connection has no codes


def test_a_piece_given_up_is_cancelled_and_nothing_of_it_gets_into_the_next(engine: EngineStandIn) -> None:
    async def script(voice: CsmVoice) -> None:
        async with aclosing(voice.speak(ENDLESSLY, talk(1, 0))) as speeches:
            async for speech in speeches:
                if len(speech.samples):
                    break
        after = await said(voice, PIECE, talk(2, 0, AgentSaid(1, 0, 0.0)))
        assert length_s(after) == pytest.approx(LENGTH_S, abs=0.01)
        assert max(np.abs(speech.samples).max(initial=0.0) for speech in after) < 0.6  # late frames are at 0.9

    with_voice(engine, script)
    assert len(engine.asked) == 1
    given_up, following = engine.spoken()
    assert Cancel(given_up.id) in engine.last
    assert Cancel(following.id) not in engine.last


def test_a_piece_whose_task_is_cancelled_before_any_sound_leaves_a_usable_connection(engine: EngineStandIn) -> None:
    async def script(voice: CsmVoice) -> None:
        await said(voice, PIECE, talk(1, 0))
        job = asyncio.ensure_future(said(voice, ENDLESSLY, talk(2, 0)))
        for _ in range(3):
            await asyncio.sleep(0)
        job.cancel()
        await asyncio.wait([job])
        assert length_s(await said(voice, PIECE, talk(3, 0))) == pytest.approx(LENGTH_S, abs=0.01)

    with_voice(engine, script)
    assert len(engine.asked) == 1


def test_a_piece_of_which_one_try_had_sounded_is_left_out_after_the_second(engine: EngineStandIn) -> None:
    async def script(voice: CsmVoice) -> None:
        async with aclosing(voice.speak(ENDLESSLY, talk(1, 0))) as speeches:
            async for speech in speeches:
                if len(speech.samples):
                    break
        await said(voice, PIECE, talk(1, 0))
        await said(voice, PIECE, talk(1, 1, AgentSaid(1, 0, None)))

    with_voice(engine, script)
    assert len({speak.id for speak in engine.spoken()}) == 3
    assert engine.spoken()[-1].turns == ()


def test_calls_have_connections_of_their_own_which_end_when_the_voice_takes_leave(engine: EngineStandIn) -> None:
    async def script(voice: CsmVoice) -> None:
        await asyncio.gather(
            said(voice, PIECE, talk(1, 0, HELLO, call="CA1")), said(voice, PIECE, talk(1, 0, MORE, call="CA2"))
        )
        voice.leave("CA1")
        voice.leave("CA1")
        voice.leave("nobody")
        await asyncio.to_thread(engine.gone.acquire, timeout=5)
        engine.gone.release()
        await said(voice, PIECE, talk(2, 0, MORE, call="CA2"))
        await said(voice, PIECE, talk(2, 0, HELLO, call="CA1"))

    with_voice(engine, script)
    assert len(engine.asked) == 3
    assert sorted(map(len, engine.asked)) == [3, 3, 4]


def test_a_piece_on_its_own_is_asked_for_over_http() -> None:
    with standing_in_for_speech() as server:

        async def main() -> list[Speech]:
            voice = CsmVoice(server.url.removesuffix("/v1"), "the-key", "anna")
            try:
                return await said(voice, PIECE, None)
            finally:
                await voice.close()

        assert length_s(asyncio.run(main())) == pytest.approx(LENGTH_S, abs=0.01)
        order = {"model": "csm-1b", "input": PIECE, "voice": "anna", "response_format": "pcm"}
        assert server.requests == [("/v1/audio/speech", "Bearer the-key", order)]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("overloaded", EngineOverloaded),
        ("bad_request", EngineCrashed),
        ("engine", EngineCrashed),
        ("nonsense", EngineCrashed),
        ("break", EngineCrashed),
    ],
)
def test_whatever_fails_is_an_engine_error_without_a_word_of_the_call(
    engine: EngineStandIn, fault, error: type[EngineError], caplog: pytest.LogCaptureFixture
) -> None:
    engine.faults = [fault]

    async def script(voice: CsmVoice) -> None:
        with caplog.at_level(logging.DEBUG), pytest.raises(EngineError) as failure:
            await said(voice, PIECE, talk(1, 0, HELLO))
        assert type(failure.value) is error
        told = f"{failure.value}{caplog.text}"
        assert not any(secret in told for secret in ("morning", "hello", "secret", "the-key"))
        assert length_s(await said(voice, PIECE, talk(1, 0, HELLO))) > 1.0

    with_voice(engine, script, key="the-key")
    assert len(engine.asked) == (1 if fault in ("overloaded", "bad_request") else 2)


@pytest.mark.parametrize("refusal", ["overloaded", "bad_request", "engine", "nonsense"])
def test_an_engine_that_will_not_open_is_no_connection(engine: EngineStandIn, refusal) -> None:
    engine.refuses = refusal

    async def script(voice: CsmVoice) -> None:
        with pytest.raises(EngineOverloaded if refusal == "overloaded" else EngineCrashed):
            await said(voice, PIECE, talk(1, 0))
        engine.refuses = None
        assert await said(voice, PIECE, talk(1, 0))

    with_voice(engine, script)


@pytest.mark.parametrize(("status", "error"), [(401, EngineCrashed), (503, EngineOverloaded)])
def test_a_refused_handshake_says_with_which_status(status: int, error: type[EngineError]) -> None:
    with serve(lambda socket: None, "127.0.0.1", 0, process_request=lambda c, _: c.respond(status, "")) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            voice = CsmVoice(f"http://127.0.0.1:{server.socket.getsockname()[1]}", "", "anna")
            with pytest.raises(error, match=str(status)):
                asyncio.run(said(voice, PIECE, talk(1, 0)))
        finally:
            server.shutdown()
            thread.join()


def test_an_engine_that_is_not_there_has_crashed() -> None:
    with pytest.raises(EngineCrashed, match="connection"):
        asyncio.run(said(CsmVoice("http://127.0.0.1:9", "", "anna"), PIECE, talk(1, 0)))


def test_settings_that_cannot_work_are_named() -> None:
    with pytest.raises(ConfigError, match="CLIENT_CALLER_SPEAKING__CSM_URL"):
        CsmVoice("127.0.0.1:8091", "", "anna")
    with pytest.raises(ConfigError, match="CLIENT_CALLER_SPEAKING__CSM_VOICE"):
        CsmVoice("http://127.0.0.1:8091", "", "")
