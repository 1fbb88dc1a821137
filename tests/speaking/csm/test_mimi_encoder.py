"""The codes that Mimi finds in sound, against those that transformers finds."""

import json

import pytest
import torch
from tiny_mimi import FULL_SIZE, codec, encoded, sizes
from torch import Tensor

from client_caller.speaking.csm.mimi_decoder import MimiDecoder
from client_caller.speaking.csm.mimi_encoder import MimiEncoder

FRAME = 1_920


def some_sound(samples: int) -> Tensor:
    """A voiced hum in noise, at speaking level; no two lengths begin alike."""
    torch.manual_seed(samples)
    at = torch.arange(samples) / 24_000
    return 0.2 * torch.sin(2 * torch.pi * 140 * at) + 0.05 * torch.randn(samples)


def encoder(changes: str = "{}") -> MimiEncoder:
    return MimiEncoder(sizes(changes), codec(changes)[1])


@pytest.mark.parametrize("samples", [1, 7, 960, 961, FRAME - 1, FRAME, FRAME + 1, 5_000, 24_000, 50_001, 30 * 24_000])
def test_it_finds_the_same_codes_whatever_the_length(samples: int) -> None:
    sound = some_sound(samples)
    ours = encoder().encode(sound)
    assert ours.shape == (-(-samples // FRAME), 8)
    assert ours.dtype == torch.int64
    assert torch.equal(ours, encoded(codec()[0], sound))


@pytest.mark.parametrize(
    "changes",
    [{"num_key_value_heads": 1}, {"num_residual_layers": 3}, {"num_semantic_quantizers": 2}, {"sliding_window": 15}],
    ids=str,
)
def test_it_finds_the_same_codes_whatever_the_sizes(changes: dict[str, int]) -> None:
    different = json.dumps(changes)
    sound = some_sound(50_001)
    assert torch.equal(encoder(different).encode(sound), encoded(codec(different)[0], sound))


def test_different_sounds_have_different_codes() -> None:
    """Equality above is no accident of codes that never change."""
    codes = encoder().encode(some_sound(50_001))
    assert len(codes.unique(dim=0)) > len(codes) // 2
    assert not torch.equal(codes, encoder().encode(some_sound(50_002))[: len(codes)])


def test_what_it_finds_can_be_decoded_and_encoded_again() -> None:
    codes = encoder().encode(some_sound(20_000))
    decoder = MimiDecoder(sizes(), codec()[1], slots=1)
    frames = [decoder.step(torch.tensor([0]), row[None], torch.tensor([at == 0])) for at, row in enumerate(codes)]
    sound = torch.cat(frames, dim=1)[0]
    assert sound.shape == (len(codes) * FRAME,)
    assert encoder().encode(sound).shape == codes.shape


def test_at_full_size_thirty_seconds_are_375_frames() -> None:
    """On a device of shapes without contents."""

    def take(name: str, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, device="meta")

    codes = MimiEncoder(sizes(FULL_SIZE), take).encode(torch.empty(30 * 24_000, device="meta"))
    assert (codes.shape, codes.device.type) == ((375, 32), "meta")
