"""The language model's parts, each against transformers' or against arithmetic; and that a frame can be captured."""

import dataclasses

import csm_driver as driver
import numpy as np
import pytest
import tiny_csm
import torch
from csm_driver import Request, new_model, sound_rows, text_rows
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F
from transformers.models.csm.modeling_csm import apply_rotary_pos_emb

from client_caller.speaking.csm.backbone import Backbone
from client_caller.speaking.csm.cache import SlotCache
from client_caller.speaking.csm.config import LlamaConfig, Rope
from client_caller.speaking.csm.depth import DepthDecoder
from client_caller.speaking.csm.frame import Inputs
from client_caller.speaking.csm.layers import attend, for_groups, frequencies, rotations, turned
from client_caller.speaking.csm.model import CsmModel
from client_caller.speaking.csm.protocol import RANKS, Rows
from client_caller.speaking.csm.random_weights import PUBLISHED
from client_caller.speaking.csm.sampler import RESERVED, Sampler
from voice_kernels import counted

CODES = 64
"""Of each codebook of the tiny model."""


def conversation(seed: int = 0, text: int = 9, frames: int = 12) -> Rows:
    """Text, then sound."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, CODES, (frames, 8)).astype(np.int32)
    return np.concatenate((text_rows(random.integers(0, 300, text).tolist()), sound_rows(codes)))


@torch.no_grad()
def their_states(rows: Rows) -> Tensor:
    """transformers' last hidden states of a whole conversation: (n, width)."""
    reference, ids = tiny_csm.reference(), torch.from_numpy(rows).long()
    text, sound = ids[ids[:, 0] >= 0, 0], ids[ids[:, 0] < 0, 1:]
    embedded = (reference.embed_text_tokens(text)[None], reference.backbone_model.embed_tokens(sound[None]))
    return reference.backbone_model(inputs_embeds=torch.cat(embedded, dim=1)).last_hidden_state[0]


@pytest.mark.parametrize("part", ["backbone", "depth"])
def test_rotary_frequencies_are_transformers(part: str) -> None:
    reference, config = tiny_csm.reference(), tiny_csm.our_config()
    rotary, ours = {
        "backbone": (reference.backbone_model.rotary_emb, config.backbone),
        "depth": (reference.depth_decoder.model.rotary_emb, config.depth),
    }[part]
    assert torch.equal(frequencies(ours), rotary.inv_freq)
    torch.manual_seed(0)
    heads = torch.randn(1, 1, ours.positions, ours.head_width)
    expected, _ = apply_rotary_pos_emb(heads, heads, *rotary(heads, torch.arange(ours.positions)[None]))
    assert (heads.unsqueeze(3) @ rotations(ours) - expected.unsqueeze(3)).abs().max() < 1e-6


def test_folded_into_a_projection_rotations_turn_queries_and_keys_but_no_values() -> None:
    torch.manual_seed(0)
    config = tiny_csm.our_config().depth
    turns, rows = rotations(config), torch.randn(config.width)
    projection = torch.randn((config.heads + 2 * config.kv_heads) * config.head_width, config.width)
    plain, folded = (each @ rows for each in (projection, turned(projection, turns, config)))
    values = config.kv_heads * config.head_width
    heads = plain[:-values].view(-1, config.head_width) @ turns
    assert torch.allclose(folded[:, :-values], heads.flatten(1), atol=1e-5)
    assert torch.equal(folded[:, -values:], plain[-values:].expand(len(turns), -1))


def test_without_scaling_rotary_frequencies_are_the_plain_ones() -> None:
    plain = LlamaConfig(1, 8, 8, 1, 1, 8, 1e-5, Rope(10_000.0, 1.0, 1.0, 1.0, 256.0), 256)
    assert torch.allclose(frequencies(plain), torch.tensor([1.0, 0.1, 0.01, 0.001]))


def test_grouped_attention_is_attention_with_repeated_heads() -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(tiny_csm.our_config().depth, heads=6, kv_heads=2, head_width=4)
    queries, keys, values = torch.randn(3, 5, 3, 2, 4), torch.randn(3, 2, 7, 4), torch.randn(3, 2, 7, 4)
    mask = torch.zeros(3, 1, 5, 7).masked_fill(torch.rand(3, 1, 5, 7) < 0.3, -torch.inf)
    repeated = (each.repeat(1, 3, 1, 1) for each in (keys, values))
    expected = F.scaled_dot_product_attention(queries.flatten(2, 3).transpose(1, 2), *repeated, attn_mask=mask)
    seen = attend(queries, keys, values, for_groups(mask, config))
    assert torch.allclose(seen, expected.transpose(1, 2).flatten(2), atol=1e-6)


@pytest.mark.parametrize("chunk", [21, 1, 8])
def test_logits_of_the_first_codebook_are_transformers(chunk: int) -> None:
    rows, config = conversation(), tiny_csm.our_config()
    backbone = Backbone(config, driver.take())
    cache = SlotCache(config.backbone, 2, torch.float32, torch.device("cpu"))
    logits = []
    for begin in range(0, len(rows), chunk):
        end = min(begin + chunk, len(rows))
        new, positions = torch.from_numpy(rows[begin:end])[None], torch.arange(begin, end)[None]
        logits.append(backbone.logits(backbone.state(backbone.read(new, torch.tensor([1]), positions, cache, 64)))[0])
    expected = tiny_csm.reference().lm_head(their_states(rows))[:, :-RESERVED]
    assert expected.std() > 0.5
    assert (torch.cat(logits) - expected).abs().max() < 1e-5


def test_logits_of_the_other_codebooks_are_transformers() -> None:
    rows = conversation(seed=1)
    states = their_states(rows)[8:-1]  # what came before each frame
    codes = torch.from_numpy(rows[9:, 1:]).long()
    backbone = Backbone(tiny_csm.our_config(), driver.take())
    logits = []

    def force(codebook: int, of: Tensor) -> Tensor:
        logits.append(of)
        return codes[:, codebook]

    made = DepthDecoder(tiny_csm.our_config(), driver.take(), backbone.audio_embedding).codes(
        states, codes[:, 0], force
    )
    read = F.pad(codes[:, :-1], (1, 0))
    expected = tiny_csm.reference().depth_decoder(input_ids=read, backbone_last_hidden_state=states).logits
    assert torch.equal(made, codes)
    assert expected.std() > 0.5
    assert (torch.stack(logits, dim=1) - expected[..., :-RESERVED]).abs().max() < 1e-5


def test_logits_do_not_depend_on_batch_mates_or_on_the_length_of_context() -> None:
    mixed = new_model(slots=4)
    for slot in range(4):
        mixed.prefill(slot, 0, conversation(seed=slot, text=5 + 9 * slot)[:-1])
    rows = [conversation(seed=slot, text=5 + 9 * slot) for slot in range(4)]
    together = mixed.frame(inputs(rows, range(4)), 64).logits
    for slot in range(4):
        for length in (48, 256):
            alone = mixed.frame(inputs(rows[slot : slot + 1], [slot]), length).logits
            assert (alone[0] - together[slot]).abs().max() < 1e-6 * together.abs().max()


def inputs(rows: list[Rows], slots: "range | list[int]", seed: int | None = None) -> Inputs:
    """A frame after each of these conversations, which are in their slots but for the last row."""
    requests = [Request(each, slot, seed=seed) for each, slot in zip(rows, slots, strict=True)]
    return Inputs(
        slots=torch.tensor([each.slot for each in requests]),
        positions=torch.tensor([each.position for each in requests]),
        rows=torch.from_numpy(np.stack([each.rows[-1] for each in requests])),
        temperature=torch.full((len(requests),), 0.9),
        top_k=torch.full((len(requests),), 50),
        end_bias=torch.zeros(len(requests)),
        noise=torch.from_numpy(np.stack([each.noise(8) for each in requests])),
        fresh=torch.ones(len(requests), dtype=torch.bool),
    )


def test_draws_are_as_likely_as_temperature_and_top_k_make_them() -> None:
    count, top_k, temperature = 40_000, 4, 0.7
    logits = torch.tensor([0.3, 2.0, -1.0, 1.5, 0.9, -4.0]).expand(count, -1)
    noise = np.random.default_rng(0).gumbel(size=(count, 1, RANKS)).astype(np.float32)
    sampler = Sampler(torch.full((count,), temperature), torch.full((count,), top_k), torch.from_numpy(noise))
    drawn = torch.bincount(sampler.draw(0, logits), minlength=6) / count
    best = torch.tensor([0.3, 2.0, -torch.inf, 1.5, 0.9, -torch.inf])
    assert (drawn - (best / temperature).softmax(0)).abs().max() < 0.01


def test_each_of_a_batch_is_drawn_with_its_own_temperature_and_top_k() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0]]).repeat(4, 1)
    noise = torch.zeros(4, 2, RANKS)
    noise[:, 1, 1:3] = torch.tensor([5.0, 20.0])  # for the second and the third most likely code
    sampler = Sampler(torch.tensor([1.0, 1.0, 1.0, 1e-3]), torch.tensor([1, 2, 3, 3]), noise)
    assert sampler.draw(0, logits).tolist() == [0, 0, 0, 0]
    assert sampler.draw(1, logits).tolist() == [0, 2, 1, 0]


def test_a_captured_frame_replayed_with_other_numbers_makes_what_the_frame_itself_makes() -> None:
    """As a CUDA graph is: the kernels of one run, on other numbers. To read a number from a fake tensor is an error."""
    captured, plain = new_model(), new_model()

    def frame(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(captured.frame(Inputs(*tensors), 64))

    with torch.no_grad():
        example = inputs([text_rows([5]), text_rows([6])], [0, 1])
        graph = make_fx(frame, tracing_mode="fake", _allow_non_fake_inputs=True)(*example)
        rows = [conversation(seed=slot, text=4 + 7 * slot, frames=3) for slot in range(3)]
        for model in (captured, plain):
            for slot in range(3):
                model.prefill(slot, 0, rows[slot][:-1])
        for slots in ([0, 1], [2, 1], [1, 0]):
            batch = inputs([rows[slot] for slot in slots], slots, seed=1)
            replayed, made = graph(*batch), plain.frame(batch, 64)
            assert all(map(torch.equal, replayed, made))
            for slot, codes in zip(slots, made.codes, strict=True):
                rows[slot] = np.concatenate((rows[slot], sound_rows(codes[None].numpy())))
    copies = {str(node.target) for node in graph.graph.nodes} & {"aten.lift_fresh_copy.default", "aten.scalar_tensor"}
    assert not copies  # numbers made on the host


def test_the_published_sizes_fit_together_in_bfloat16() -> None:
    """On the meta device, which knows shapes and types and no numbers: none of them can be waited for there."""
    meta = torch.device("meta")

    def take(dtype: torch.dtype) -> driver.Take:
        return lambda _, shape: torch.empty(shape, dtype=dtype, device=meta)

    model = CsmModel(PUBLISHED, take(torch.bfloat16), take(torch.float32), 4, meta)
    batch = Inputs(
        *(torch.empty(8, dtype=torch.int64, device=meta) for _ in range(2)),
        rows=torch.empty(8, 33, dtype=torch.int32, device=meta),
        temperature=torch.empty(8, device=meta),
        top_k=torch.empty(8, dtype=torch.int64, device=meta),
        end_bias=torch.empty(8, device=meta),
        noise=torch.empty(8, 32, RANKS, device=meta),
        fresh=torch.empty(8, dtype=torch.bool, device=meta),
    )
    with torch.no_grad():
        codes, sound, logits = model.frame(batch, 512)
    assert (codes.shape, codes.dtype) == ((8, 32), torch.int32)
    assert (sound.shape, sound.dtype) == ((8, 1920), torch.float32)
    assert (logits.shape, logits.dtype) == ((8, 2048), torch.float32)


def test_in_bfloat16_it_says_about_the_same() -> None:
    exact, take = new_model(), driver.take()
    coarse = CsmModel(
        tiny_csm.our_config(), lambda name, shape: take(name, shape).bfloat16(), take, 3, torch.device("cpu")
    )
    rows = conversation()
    for model in (exact, coarse):
        model.prefill(0, 0, rows[:-1])
    with torch.no_grad():
        logits, expected = (each.frame(inputs([rows], [0]), 64).logits for each in (coarse, exact))
    assert F.cosine_similarity(logits, expected) > 0.99


@pytest.mark.parametrize("streams", [1, 32])
def test_a_frame_takes_no_more_kernels_than_it_did(streams: int) -> None:
    """Launching them is much of a frame's time. Who needs one more here has seen the table, or measured that it takes
    less: attention by plain products is 80 more, and a frame half a millisecond shorter.
    """
    kernels = counted(PUBLISHED, streams, 512)
    assert 1_000 < kernels.total() <= 1_890
    assert not {name for _, name in kernels} & {"_local_scalar_dense", "nonzero"}  # they would be waited for
