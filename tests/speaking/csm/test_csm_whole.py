"""The engine on a model that computes: tiny, with random weights, but the published architecture throughout."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import torch

from client_caller.audio.frame import Samples
from client_caller.speaking.csm.engine import Engine
from client_caller.speaking.csm.model import CsmModel
from client_caller.speaking.csm.protocol import FRAME_S, FRAME_SAMPLES, HZ
from client_caller.speaking.csm.random_weights import TINY, random_take
from client_caller.speaking.csm.scheduler import Scheduler
from client_caller.speaking.csm.tokenizer import ByteTokenizer
from client_caller.speaking.csm.turns import CallerTurn, Made, Manner, OwnTurn, Utterance

CPU = torch.device("cpu")
HUM = (0.1 * np.sin(np.arange(HZ) / 20)).astype(np.float32)


class Shelf:
    def load(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, text="a voice", sound=HUM[: 4 * FRAME_SAMPLES])


@cache
def model_of(slots: int) -> CsmModel:
    return CsmModel(
        TINY, random_take(TINY, CPU, torch.float32, 1), random_take(TINY, CPU, torch.float32, 1), slots, CPU, 4
    )


class Timeless:
    """An engine in whose clock a step takes 10 ms."""

    def __init__(self, slots: int = 3) -> None:
        self.now = 0.0
        self.made: list[Made] = []
        self.engine = Engine(
            model_of(slots), ByteTokenizer(TINY.bos, TINY.eos), Shelf(), lambda: self.now, Scheduler(4)
        )

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.made += self.engine.step(self.now)
            self.now += max(0.01, self.engine.rest_s(self.now) or 0.0)

    def run(self) -> None:
        self.step()
        while self.engine.rest_s(self.now) is not None:
            self.step()

    def sound(self, call: str, utterance: str) -> Samples:
        mine = [made.sound for made in self.made if (made.call, made.utterance) == (call, utterance)]
        return np.concatenate(mine)


def test_what_a_call_says_is_the_same_alone_and_among_others() -> None:
    """With noise of its own, other calls that come and go beside it change nothing but rounding."""
    together, alone = Timeless(), Timeless()
    for timeless, others in ((together, ["b", "c"]), (alone, [])):
        timeless.engine.open("a", "anna", Manner(seed=7))
        for other in others:
            timeless.engine.open(other, "anna", Manner(seed=len(other)))
        timeless.engine.speak("a", Utterance("u", "so it is"))
        timeless.step(9)
        for other in others:
            timeless.engine.speak(other, Utterance("u", f"and {other}"))
            timeless.step(4)
        timeless.run()
        timeless.engine.hear("a", CallerTurn("c", "is it", HUM[:3000]))
        timeless.engine.speak("a", Utterance("v", "yes", (OwnTurn("u"), "c")))
        timeless.run()
    for utterance in "uv":
        assert len(alone.sound("a", utterance)) > FRAME_SAMPLES
        assert np.abs(together.sound("a", utterance) - alone.sound("a", utterance)).max() < 1e-4


def test_after_a_barge_in_the_voice_goes_on_as_if_it_had_never_said_more() -> None:
    """Cancelled at its third frame, or said to its end and cut back to the third: what follows is the same."""
    sounds, heard = [], OwnTurn("u", 3 * FRAME_S, "we are")
    for cancels, turn in ((True, heard), (False, heard), (False, OwnTurn("u"))):
        timeless = Timeless()
        timeless.engine.open("a", "anna", Manner(seed=3))
        timeless.engine.speak("a", Utterance("u", "we are open today"))
        while sum(made.utterance == "u" for made in timeless.made) < 4:
            timeless.step()
        if cancels:
            timeless.engine.cancel("a", "u")
        timeless.run()
        timeless.engine.speak("a", Utterance("v", "I see", (turn,)))
        timeless.run()
        sounds.append(timeless.sound("a", "v"))
    assert len(sounds[0]) > FRAME_SAMPLES
    assert np.abs(sounds[0] - sounds[1]).max() < 1e-4
    assert np.abs(sounds[0][:FRAME_SAMPLES] - sounds[2][:FRAME_SAMPLES]).max() > 1e-3


def test_a_call_that_lost_its_slot_goes_on_as_if_it_had_kept_it() -> None:
    kept, lost = Timeless(slots=3), Timeless(slots=1)
    for timeless in (kept, lost):
        for call in "ab":
            timeless.engine.open(call, "anna", Manner(seed=5))
        for turn, turns in (("u", ()), ("v", (OwnTurn("u"),))):
            for call in "ab":
                timeless.engine.speak(call, Utterance(turn, call, turns))
                timeless.run()
    for call in "ab":
        assert np.abs(kept.sound(call, "v") - lost.sound(call, "v")).max() < 1e-4


def test_the_sound_comes_and_goes_without_a_step() -> None:
    """Random weights make noise that begins at full strength; what leaves the engine does not."""
    timeless = Timeless()
    timeless.engine.open("a", "anna", Manner(seed=2))
    timeless.engine.speak("a", Utterance("u", "so it is"))
    timeless.run()
    sound = timeless.sound("a", "u")
    loud = np.abs(sound).max()
    assert abs(sound[0]) < 0.05 * loud
    assert abs(sound[-1]) < 0.05 * loud
