import numpy as np
import pytest
from trial_server import tone

from client_caller.audio.levels import level_dbfs
from client_caller.audio.mulaw import decode, encode
from client_caller.rehearsal.clips import Clip
from client_caller.rehearsal.ear import audible
from client_caller.rehearsal.script import HangUp, Interrupt, Say, SayWithPause, ScriptedCaller, Step

QUIET = b"\xff" * 160
LOUD = encode(tone(0.02))
CLIP = Clip(
    "one", "hello", np.concatenate((np.zeros(400, np.float32), tone(0.3), np.zeros(400, np.float32))), 0.05, 0.35
)


def follow(steps: list[Step], agent: list[bytes], patience_s: float = 12.0) -> tuple[ScriptedCaller, list[bytes]]:
    """The caller's frames until it hangs up; the agent is quiet once its frames are used up."""
    caller = ScriptedCaller(steps, patience_s)
    frames: list[bytes] = []
    while frame := caller.next_frame(agent[len(frames)] if len(frames) < len(agent) else QUIET):
        frames.append(frame)
    return caller, frames


def test_the_caller_waits_for_the_agent_to_speak_and_fall_quiet() -> None:
    caller, frames = follow([Say(CLIP, after_agent_quiet_s=0.2)], [QUIET] * 20 + [LOUD] * 10, patience_s=2.0)
    (said,) = caller.spoken
    assert said.started_at == pytest.approx(0.6 + 0.2 + 0.05, abs=0.021)
    assert said.ended_at - said.started_at == pytest.approx(0.3)
    heard = np.flatnonzero(audible(decode(b"".join(frames)))) * 0.01
    assert heard[0] == pytest.approx(said.started_at, abs=0.011)
    assert heard[-1] + 0.01 == pytest.approx(said.ended_at, abs=0.011)


def test_a_caller_who_gets_no_answer_goes_on_when_patience_ends() -> None:
    caller, frames = follow([Say(CLIP), Say(CLIP)], [], patience_s=1.0)
    first, second = caller.spoken
    assert first.started_at == pytest.approx(1.05, abs=0.021)
    assert second.started_at == pytest.approx(1.0 + 0.35 + 1.0 + 0.05, abs=0.041)
    assert len(frames) * 0.02 == pytest.approx(3 * 1.0 + 2 * 0.35, abs=0.061)


def test_an_interruption_begins_while_the_agent_speaks() -> None:
    caller, _ = follow([Interrupt(CLIP, after_agent_audible_s=0.5)], [LOUD] * 100)
    assert caller.spoken[0].kind == "interrupt"
    assert caller.spoken[0].started_at == pytest.approx(0.5 + 0.05, abs=0.021)


def test_a_thinking_pause_holds_room_noise_and_is_as_long_as_asked() -> None:
    caller, frames = follow([SayWithPause(CLIP, 0.8, CLIP, 0.1)], [LOUD] * 5)
    (said,) = caller.spoken
    assert said.pause_at is not None
    assert said.ended_at == pytest.approx(said.pause_at + 0.8 + 0.3)
    sound = decode(b"".join(frames))
    pause = sound[round((said.pause_at + 0.01) * 8_000) : round((said.pause_at + 0.79) * 8_000)]
    assert level_dbfs(pause) == pytest.approx(-55.0, abs=1.0)
    heard = np.flatnonzero(audible(sound)) * 0.01
    assert np.diff(heard).max() == pytest.approx(0.81, abs=0.011)


def test_the_room_is_never_digitally_silent() -> None:
    _, frames = follow([HangUp()], [], patience_s=1.0)
    assert {round(level_dbfs(decode(frame))) for frame in frames} <= {-57, -56, -55, -54, -53}


def test_a_hang_up_waits_for_the_agent_to_finish() -> None:
    _, frames = follow([HangUp(after_agent_quiet_s=0.3)], [LOUD] * 10)
    assert len(frames) * 0.02 == pytest.approx(0.5, abs=0.021)
