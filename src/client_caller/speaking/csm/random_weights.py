"""Weights that nobody trained, of the right shapes: for measurements and tests where no checkpoint is at hand.

In:   a model's sizes and a seed.     Out: tensors by name, as the checkpoint gives them.
Rule: the same seed, device and name give the same tensor, in whatever order they are asked for.

What such a model says is noise, but it costs what the real one does: no time here depends on the values.
"""

from math import prod
from typing import Final
from zlib import crc32

import torch
from torch import Tensor

from client_caller.speaking.csm.config import CsmConfig, LlamaConfig, MimiConfig, Rope
from client_caller.speaking.csm.taking import Take

PUBLISHED: Final = CsmConfig(
    codebooks=32,
    vocabulary=2_051,
    text_vocabulary=128_256,
    bos=128_000,
    eos=128_001,
    backbone=LlamaConfig(
        layers=16,
        width=2_048,
        inner=8_192,
        heads=32,
        kv_heads=8,
        head_width=64,
        epsilon=1e-5,
        rope=Rope(theta=500_000.0, factor=32.0, low=0.125, high=0.5, original=1_024.0),
        positions=2_048,
    ),
    depth=LlamaConfig(
        layers=4,
        width=1_024,
        inner=8_192,
        heads=8,
        kv_heads=2,
        head_width=128,
        epsilon=1e-5,
        rope=Rope(theta=500_000.0, factor=32.0, low=0.001953125, high=0.0078125, original=16.0),
        positions=33,
    ),
    mimi=MimiConfig(
        codebooks=32,
        semantic=1,
        codes=2_048,
        code_width=256,
        quantizer_width=256,
        width=512,
        inner=2_048,
        layers=8,
        heads=8,
        kv_heads=8,
        head_width=64,
        window=250,
        theta=10_000.0,
        epsilon=1e-5,
        filters=64,
        strides=(8, 6, 5, 4),
        kernel=7,
        last_kernel=3,
        residual_kernel=3,
        residual_layers=1,
        dilation=2,
        compress=2,
        upsample_groups=512,
        hz=24_000,
        frame_samples=1_920,
    ),
)
"""CSM-1B. Source: transformers' models/csm and models/mimi, with the RoPE of models/csm/convert_csm.py."""

TINY: Final = CsmConfig(
    codebooks=8,
    vocabulary=67,
    text_vocabulary=300,
    bos=256,
    eos=257,
    backbone=LlamaConfig(
        layers=2,
        width=64,
        inner=128,
        heads=4,
        kv_heads=2,
        head_width=16,
        epsilon=1e-5,
        rope=PUBLISHED.backbone.rope,
        positions=2_048,
    ),
    depth=LlamaConfig(
        layers=2,
        width=32,
        inner=64,
        heads=4,
        kv_heads=2,
        head_width=8,
        epsilon=1e-5,
        rope=PUBLISHED.depth.rope,
        positions=9,
    ),
    mimi=MimiConfig(
        codebooks=8,
        semantic=1,
        codes=64,
        code_width=16,
        quantizer_width=16,
        width=32,
        inner=64,
        layers=2,
        heads=2,
        kv_heads=2,
        head_width=16,
        window=25,
        theta=10_000.0,
        epsilon=1e-5,
        filters=4,
        strides=(8, 6, 5, 4),
        kernel=7,
        last_kernel=3,
        residual_kernel=3,
        residual_layers=1,
        dilation=2,
        compress=2,
        upsample_groups=32,
        hz=24_000,
        frame_samples=1_920,
    ),
)
"""The same architecture in some hundred thousand parameters, which a CPU runs faster than real time."""

_ONES: Final = ("norm.weight", "cluster_usage", "initialized")
_LAYER_SCALE: Final = 0.01  # as Mimi's are initialised
_LOUDNESS: Final = 0.25  # of the layer that makes the sound: it comes out near -20 dBFS


def random_take(config: CsmConfig, device: torch.device, dtype: torch.dtype, seed: int) -> Take:
    """Tensors for a model of these sizes. Layers keep the spread of what goes through them, so nothing overflows."""

    def take(name: str, shape: tuple[int, ...]) -> Tensor:
        if name.endswith(_ONES):
            return torch.ones(shape, device=device, dtype=dtype)
        if name.endswith(".bias"):
            return torch.zeros(shape, device=device, dtype=dtype)
        if name.endswith("layer_scale.scale"):
            return torch.full(shape, _LAYER_SCALE, device=device, dtype=dtype)
        # Of a seed the CPU's generator takes 32 bits.
        chance = torch.Generator(device).manual_seed(crc32(f"{seed} {name}".encode()))
        drawn = torch.empty(shape, device=device, dtype=dtype)
        return drawn.normal_(0.0, _spread(name, shape, config), generator=chance)

    return take


def _spread(name: str, shape: tuple[int, ...], config: CsmConfig) -> float:
    """Standard deviation: one over the root of how many numbers a layer sums up for each that it makes."""
    if name.endswith(("embed_text_tokens.weight", "embed_sum")):
        return 1.0
    if name.endswith("embed_audio_tokens.weight"):
        return float(config.codebooks**-0.5)  # a row is the sum of one from each codebook
    summed = shape[1] if name.endswith("codebooks_head.weight") else prod(shape[1:])
    return float(summed**-0.5) * (_LOUDNESS if shape[0] == 1 else 1.0)
