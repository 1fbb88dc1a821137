"""Mimi a frame at a time, for many streams at once, against transformers' decoding of the whole of each."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_mimi import FULL_SIZE, apart, codec, decoded, sizes
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from client_caller.speaking.csm.mimi_decoder import MimiDecoder

FRAME = 1_920
FRAMES = 40
"""80 positions of the transformer: the tiny codec's ring of 16 goes round five times."""


@pytest.fixture(autouse=True)
def _same_codes_every_time() -> None:
    torch.manual_seed(2)


def some_codes(frames: int) -> Tensor:
    return torch.randint(0, sizes().codes, (frames, sizes().codebooks))


def decoder(slots: int, changes: str = "{}") -> MimiDecoder:
    return MimiDecoder(sizes(changes), codec(changes)[1], slots)


def streamed(codes: Tensor, changes: str = "{}") -> Tensor:
    """All the sound of one stream, in slot 1 of two."""
    ours, slot = decoder(2, changes), torch.tensor([1])
    return torch.cat([ours.step(slot, row[None], torch.tensor([at == 0]))[0] for at, row in enumerate(codes)])


CODECS = {
    "as the published one": {},
    "heads that share keys and values": {"num_key_value_heads": 1},
    "residual blocks that reach far": {"num_residual_layers": 3},
    "two semantic codebooks": {"num_semantic_quantizers": 2},
    "a window of an odd size": {"sliding_window": 15},
}


@pytest.mark.parametrize("changes", CODECS.values(), ids=CODECS)
def test_a_frame_at_a_time_it_sounds_as_when_decoded_whole(changes: dict[str, int]) -> None:
    codes, different = some_codes(FRAMES), json.dumps(changes)
    theirs = decoded(codec(different)[0], codes)
    ours = streamed(codes, different)
    assert ours.shape == theirs.shape == (FRAMES * FRAME,)
    assert apart(ours, theirs) < 3e-6
    assert (ours - theirs).abs().max() < 3e-4  # of a signal that reaches 18 to 60


def test_chunks_decoded_without_their_past_are_something_else() -> None:
    """What is measured above would be seen if it were wrong: servers that decode in chunks are this far off."""
    model, codes = codec()[0], some_codes(FRAMES)
    theirs = decoded(model, codes)
    chunked = torch.cat([decoded(model, chunk) for chunk in codes.split(10)])
    single = torch.cat([decoded(model, row) for row in codes.split(1)])
    assert apart(chunked, theirs) > 0.1
    assert apart(single, theirs) > 0.4


def test_streams_join_leave_and_begin_anew_without_minding_each_other() -> None:
    """Slots 0 to 2, at most three at once, in batches of four; slot 3 fills them up. (slot, first step, last step)."""
    lives = [(0, 0, 11), (2, 3, 20), (1, 5, 8), (1, 9, 20), (0, 12, 20)]
    codes = [some_codes(last - first + 1) for _, first, last in lives]
    ours, sounds = decoder(3), [Tensor() for _ in lives]
    for step in range(21):
        on = [life for life, (_, first, last) in enumerate(lives) if first <= step <= last]
        on = on[::-1] if step % 2 else on  # where in the batch a stream stands is nothing to it
        rows = [codes[life][step - lives[life][1]] for life in on] + [some_codes(1)[0]] * (4 - len(on))
        slots = [lives[life][0] for life in on] + [3] * (4 - len(on))
        fresh = [step == lives[life][1] for life in on] + [False] * (4 - len(on))
        sound = ours.step(torch.tensor(slots), torch.stack(rows), torch.tensor(fresh))
        for life, frame in zip(on, sound[: len(on)], strict=True):
            sounds[life] = torch.cat((sounds[life], frame))
    for sound, stream in zip(sounds, codes, strict=True):
        assert apart(sound, decoded(codec()[0], stream)) < 3e-6


@settings(max_examples=10)
@given(st.lists(st.tuples(*[st.sampled_from(["rests", "goes on", "begins"])] * 3), min_size=1, max_size=12))
def test_whatever_the_schedule_each_stream_is_whole(schedule: list[tuple[str, str, str]]) -> None:
    torch.manual_seed(3)
    ours = decoder(3)
    codes: list[list[Tensor]] = []
    sounds: list[list[Tensor]] = []
    current = [-1, -1, -1]
    for step in schedule:
        on = [slot for slot, does in enumerate(step) if does != "rests"]
        fresh = [current[slot] < 0 or step[slot] == "begins" for slot in on]
        for slot, begins in zip(on, fresh, strict=True):
            if begins:
                current[slot] = len(codes)
                codes.append([])
                sounds.append([])
        if not on:
            continue
        rows = some_codes(len(on))
        for slot, row, frame in zip(on, rows, ours.step(torch.tensor(on), rows, torch.tensor(fresh)), strict=True):
            codes[current[slot]].append(row)
            sounds[current[slot]].append(frame)
    for rows_of, frames in zip(codes, sounds, strict=True):
        assert apart(torch.cat(frames), decoded(codec()[0], torch.stack(rows_of))) < 3e-6


def test_a_stream_sounds_the_same_alone_and_among_others() -> None:
    codes = some_codes(12)
    alone = streamed(codes)
    ours, heard = decoder(4), []
    for step, row in enumerate(codes):
        batch = torch.cat((some_codes(2), row[None], some_codes(1)))
        heard.append(ours.step(torch.tensor([3, 0, 2, 1]), batch, torch.full((4,), step == 0))[2])
    assert apart(torch.cat(heard), alone) < 3e-6


def test_a_recorded_step_replays_on_other_slots_codes_and_starts() -> None:
    """As a CUDA graph would: the operations are fixed, and none asked what is in a tensor, or tracing had failed."""
    recorded, eager = decoder(3), decoder(3)
    first = (torch.tensor([0, 1, 3, 3]), some_codes(4), torch.ones(4, dtype=torch.bool))

    def step(slots: Tensor, codes: Tensor, fresh: Tensor) -> Tensor:
        return recorded.step(slots, codes, fresh)

    graph = make_fx(step, tracing_mode="fake", _allow_non_fake_inputs=True)(*first)
    for turn in range(12):
        slots = torch.tensor([[2, 0, 3, 3], [1, 2, 0, 3]][turn % 2])
        inputs = (slots, some_codes(4), torch.rand(4) < (1.0 if turn < 2 else 0.2))
        streams = slots < 3
        assert torch.equal(graph(*inputs)[streams], eager.step(*inputs)[streams])


def test_at_full_size_all_is_on_the_device_and_nothing_asks_it() -> None:
    """On a device of shapes without contents: an operation on two devices, or one that waits for a value, fails."""

    def take(name: str, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, device="meta")

    ours = MimiDecoder(sizes(FULL_SIZE), take, slots=32)
    slots, codes = (torch.empty(shape, dtype=torch.int64, device="meta") for shape in ((8,), (8, 32)))
    sound = ours.step(slots, codes, torch.empty(8, dtype=torch.bool, device="meta"))
    assert (sound.shape, sound.dtype, sound.device.type) == ((8, FRAME), torch.float32, "meta")


@pytest.mark.long
def test_at_full_size_it_sounds_as_when_decoded_whole() -> None:
    codes = torch.randint(0, 2048, (150, 32))  # 300 positions: more than the window of 250
    theirs = decoded(codec(FULL_SIZE)[0], codes)
    assert apart(streamed(codes, FULL_SIZE), theirs) < 5e-6
