"""The model says what transformers says, whatever else happens around it."""

import copy
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import csm_driver as driver
import numpy as np
import pytest
import tiny_csm
import torch
from csm_driver import Request, new_model, run, sound_rows, text_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.errors import LocalProtocolError
from client_caller.speaking.csm.model import CsmModel
from client_caller.speaking.csm.protocol import FRAME_SAMPLES, Codes, Rows

RESERVED = [64, 65, 66]
SOUND_TOKEN, END_OF_SOUND = 258, 259
PROMPT = [256, 5, 9, 100, 33, 257]
OTHER_PROMPT = [256, 17, 211, 8, 90, 41, 2, 257]


@cache
def model() -> CsmModel:
    return new_model()


def transformers_says(
    ids: Sequence[int], sounds: Sequence[np.ndarray] = (), codebooks: int = 8, frames: int = 10
) -> Codes:
    """The codes of its generate(), greedy. The reserved ids, which we never draw, are suppressed in it, too."""
    reference = copy.deepcopy(tiny_csm.reference(codebooks))  # generate() changes the settings of its depth decoder
    sound = {}
    if sounds:
        ends = np.cumsum([len(each) for each in sounds])
        sound = {
            "input_values": torch.from_numpy(np.concatenate(sounds))[None, None],
            "input_values_cutoffs": torch.from_numpy(ends)[None],
        }
    codes = reference.generate(
        input_ids=torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.int64),
        max_new_tokens=frames,
        do_sample=False,
        suppress_tokens=RESERVED,
        depth_decoder_do_sample=False,
        depth_decoder_suppress_tokens=RESERVED,
        **sound,
    )
    assert codes.shape[1] == frames, "it met an end: choose another prompt"
    return codes[0].numpy()


def noise(frames: int, seed: int) -> np.ndarray:
    return 0.3 * np.random.default_rng(seed).standard_normal(frames * FRAME_SAMPLES).astype(np.float32)


def say(rows: Rows, slot: int = 0, frames: int = 6, **manner: float) -> Request:
    """A request that has run on the common model."""
    request = Request(rows, slot, frames=frames, **manner)  # type: ignore[arg-type]
    run(model(), request)
    return request


def test_ragged_requests_that_join_leave_and_reuse_slots_say_what_transformers_says() -> None:
    sounds = [noise(3, seed=1), noise(2, seed=2)]
    spoken = [*PROMPT, *[SOUND_TOKEN] * 3, END_OF_SOUND, *OTHER_PROMPT, *[SOUND_TOKEN] * 2, END_OF_SOUND, *PROMPT]
    first, second = (sound_rows(model().encode(sound)) for sound in sounds)
    end = sound_rows(np.zeros((1, 8), np.int32))
    with_sound = np.concatenate(
        (text_rows(PROMPT), first, end, text_rows(OTHER_PROMPT), second, end, text_rows(PROMPT))
    )
    long = [256, *range(30, 54), 257]
    ours = run(
        new_model(),
        Request(text_rows(PROMPT), slot=2),
        Request(text_rows(long), slot=0, joins=2, frames=12),
        Request(with_sound, slot=1, joins=5),
        Request(text_rows(OTHER_PROMPT), slot=2, joins=11),  # after the first has left it
    )
    theirs = [
        transformers_says(PROMPT),
        transformers_says(long, frames=12),
        transformers_says(spoken, sounds),
        transformers_says(OTHER_PROMPT),
    ]
    for our_codes, their_codes in zip(ours, theirs, strict=True):
        assert np.array_equal(our_codes, their_codes)


def test_with_all_32_codebooks_it_says_what_transformers_says() -> None:
    ours = run(new_model(codebooks=32), Request(text_rows(PROMPT, 32), slot=0, frames=4))
    assert np.array_equal(ours[0], transformers_says(PROMPT, codebooks=32, frames=4))


def test_the_shortest_context_that_will_do_holds_all_that_a_row_sees() -> None:
    ours = run(new_model(lengths=range(1, 64)), Request(text_rows(PROMPT), slot=0))
    assert np.array_equal(ours[0], transformers_says(PROMPT))


def test_what_a_slot_says_does_not_depend_on_who_shares_its_batch() -> None:
    alone = Request(text_rows(PROMPT), slot=0, temperature=0.9, top_k=50, seed=3)
    run(new_model(batch=1, lengths=()), alone)
    among = Request(text_rows(PROMPT), slot=1, joins=2, temperature=0.9, top_k=50, seed=3)
    others = [
        Request(text_rows(OTHER_PROMPT), slot=0, seed=4, temperature=1.3, end_bias=2.0),
        Request(text_rows([256, *range(40), 257]), slot=2, joins=4, seed=5, top_k=3),
    ]
    run(new_model(lengths=(16, 40)), *others, among)
    assert np.array_equal(np.stack(alone.codes), np.stack(among.codes))
    difference = np.stack(alone.sound) - np.stack(among.sound)
    assert difference.std() < 1e-5 * np.stack(alone.sound).std()


def test_left_out_of_some_batches_a_slot_goes_on_as_if_nothing_had_been() -> None:
    """As the engine does with those that are far enough ahead."""
    prompts = [text_rows([256, *range(20 + slot, 30 + 3 * slot), 257]) for slot in range(4)]
    shared = new_model(slots=4)
    requests = [Request(rows, slot, seed=slot) for slot, rows in enumerate(prompts)]
    for each in requests:
        shared.prefill(each.slot, 0, each.rows[:-1])
    for turn in ([0, 1, 2, 3], [3, 2, 1], [0, 3, 2], [1], [2, 0], [3, 1, 0]):
        driver.step(shared, [requests[slot] for slot in turn])
    for each, prompt in zip(requests, prompts, strict=True):
        alone = Request(prompt, each.slot, frames=len(each.codes), seed=each.seed)
        run(new_model(slots=4), alone)
        assert np.array_equal(each.codes, alone.codes)
        difference = np.stack(each.sound) - np.stack(alone.sound)
        assert difference.std() < 1e-5 * np.stack(alone.sound).std()


def test_the_same_seed_says_the_same_and_another_something_else() -> None:
    first, again, other = (say(text_rows(PROMPT), seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(first.codes, again.codes)
    assert not np.array_equal(first.codes, other.codes)


def test_cut_back_and_begun_again_a_slot_is_as_if_it_had_never_gone_on() -> None:
    rows = text_rows(PROMPT)
    whole = say(rows, slot=0, frames=8, seed=1)
    heard = np.concatenate((rows, sound_rows(np.stack(whole.codes[:3]))))
    anew = np.concatenate((heard, text_rows(OTHER_PROMPT)))
    model().prefill(0, len(heard), anew[len(heard) : -1])  # behind the third frame, where the others still are
    cut = Request(anew, slot=0, seed=2)
    for _ in range(6):
        driver.step(model(), [cut])
    assert np.array_equal(cut.codes, say(anew, slot=1, seed=2).codes)


def test_a_copied_beginning_is_as_good_as_one_that_was_read() -> None:
    shared, rows = text_rows(PROMPT), np.concatenate((text_rows(PROMPT), text_rows(OTHER_PROMPT)))
    say(shared, slot=0, frames=4)
    say(text_rows(range(20, 60)), slot=2)
    model().copy(0, 2, len(shared))
    model().prefill(2, len(shared), rows[len(shared) : -1])
    request = Request(rows, slot=2, seed=1)
    for _ in range(6):
        driver.step(model(), [request])
    assert np.array_equal(request.codes, say(rows, slot=1, seed=1).codes)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 28), max_size=4, unique=True))
def test_rows_may_be_read_in_any_chunks(cuts: list[int]) -> None:
    rows = text_rows([256, *range(100, 128), 257])
    edges = [0, *sorted(cuts), len(rows) - 1]
    for begin, end in pairwise(edges):
        model().prefill(1, begin, rows[begin:end])
    request = Request(rows, slot=1)
    for _ in range(3):
        driver.step(model(), [request])
    assert np.array_equal(request.codes, whole_chunk(tuple(rows[:, 0].tolist())))


@cache
def whole_chunk(ids: tuple[int, ...]) -> Codes:
    return np.stack(say(text_rows(ids), slot=0, frames=3).codes)


def test_reserved_ids_are_never_drawn() -> None:
    hot = [Request(text_rows(PROMPT), slot, temperature=1e6, seed=slot, frames=20) for slot in range(3)]
    drawn = np.stack(run(model(), *hot))
    assert drawn.max() == 63  # all codes are about as likely, so that a reserved one would be there
    assert drawn.min() == 0


def test_of_one_rank_the_likeliest_is_drawn() -> None:
    noisy = say(text_rows(PROMPT), temperature=5.0, top_k=1, seed=1)
    assert np.array_equal(noisy.codes, say(text_rows(PROMPT)).codes)


def test_a_bias_towards_the_end_concerns_the_first_codebook_only() -> None:
    plain, biased = say(text_rows(PROMPT), frames=1), say(text_rows(PROMPT), frames=1, end_bias=1e6)
    assert plain.codes[0][0] != 0
    assert biased.codes[0][0] == 0
    assert biased.codes[0][1:].any()


def test_a_stream_of_sound_begins_where_it_is_said_to() -> None:
    first, second = say(text_rows(PROMPT), slot=0), say(text_rows(PROMPT), slot=0)
    assert np.array_equal(first.sound, second.sound)
    assert np.abs(first.sound[0]).max() > 1e-3
    assert first.sound[0].shape == (FRAME_SAMPLES,)


def test_no_sound_has_no_codes() -> None:
    assert model().encode(np.zeros(0, np.float32)).shape == (0, 8)


def test_warming_up_touches_no_slot() -> None:
    expected, warmed = say(text_rows(PROMPT), slot=1), Request(text_rows(PROMPT), slot=1)
    other = new_model()
    other.prefill(1, 0, warmed.rows[:-1])
    for _ in range(6):
        driver.step(other, [warmed])
        other.warm_up()
    assert np.array_equal(warmed.codes, expected.codes)
    assert np.array_equal(warmed.sound, expected.sound)


@pytest.mark.parametrize(
    ("slot", "position", "row"),
    [
        (3, 0, text_rows([5])),
        (-1, 0, text_rows([5])),
        (0, 256, text_rows([5])),
        (0, -1, text_rows([5])),
        (0, 0, text_rows([300])),
        (0, 0, text_rows([-2])),
        (0, 0, sound_rows(np.full((1, 8), 67, np.int32))),
        (0, 0, sound_rows(np.full((1, 8), -1, np.int32))),
    ],
)
def test_numbers_out_of_range_are_refused_before_they_reach_the_device(slot: int, position: int, row: Rows) -> None:
    with pytest.raises(LocalProtocolError):
        model().prefill(slot, position, row)
    request = Request(np.concatenate((np.zeros((max(position, 0), 9), np.int32), row)), slot)
    if position >= 0:
        with pytest.raises(LocalProtocolError):
            driver.step(model(), [request])


def test_a_slot_cannot_be_in_a_batch_twice_and_a_batch_not_be_too_large() -> None:
    with pytest.raises(LocalProtocolError):
        driver.step(model(), [Request(text_rows([5]), 0), Request(text_rows([6]), 0)])
    with pytest.raises(LocalProtocolError):
        driver.step(new_model(batch=1), [Request(text_rows([5]), 0), Request(text_rows([6]), 1)])
    with pytest.raises(LocalProtocolError):
        driver.step(model(), [Request(text_rows([5]), 0, temperature=0.0)])
    with pytest.raises(LocalProtocolError):
        driver.step(model(), [Request(text_rows([5]), 0, top_k=65)])
