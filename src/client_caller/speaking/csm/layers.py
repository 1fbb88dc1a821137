"""A Llama's layers: RMS norms, rotary positions with Llama 3's scaling, grouped queries, SwiGLU.

In:   embedded rows, where they stand, and what remembers the keys and values of those before them.
Out:  the rows as the last layer leaves them; `final` norms those that are wanted.
Rule: nothing waits for the device or reads a number from it, so all of it can be captured in a CUDA graph.

The backbone and the depth decoder are both of these. The decoder's 31 passes a frame are hundreds of small kernels, and
what counts is how many: so projections of the same rows are one, and residuals are added by the product itself.

Source: transformers' `models/csm/modeling_csm.py` and `_compute_llama3_parameters` in its `modeling_rope_utils.py`.
"""

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from client_caller.speaking.csm.config import LlamaConfig
from client_caller.speaking.csm.taking import Take


class Past(Protocol):
    """Remembers keys and values."""

    def add(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Remember those of new rows, each (B, n, kv_heads, head_width), and give all, (B, kv_heads, L, head_width)."""


class Llama:
    """The layers under `name`, a prefix of the published names."""

    def __init__(self, config: LlamaConfig, take: Take, name: str) -> None:
        self.config = config
        self._layers = tuple(_Layer(config, take, f"{name}.layers.{index}") for index in range(config.layers))
        self._norm = take(f"{name}.norm.weight", (config.width,))
        self._cosine, self._sine = (table.to(self._norm.device) for table in rotations(config))

    def __call__(self, rows: Tensor, positions: Tensor | slice, past: Past, mask: Tensor | None) -> Tensor:
        """Run rows through all layers.

        rows: (B, n, width), used up;  positions: where they stand, (B, n) int64, or a slice for the whole batch;
        mask: (B or 1, 1, n, L) of the rows' type, 0 where a row sees and -inf where it does not; None if all see all.
        """
        cosine, sine = self._cosine[positions], self._sine[positions]
        for index, layer in enumerate(self._layers):
            layer(rows, (cosine, sine), index, past, mask)
        return rows

    def final(self, rows: Tensor) -> Tensor:
        """The last norm, over (..., width)."""
        return F.rms_norm(rows, self._norm.shape, self._norm, self.config.epsilon)


class _Layer:
    """Attention, then SwiGLU, each behind a norm and added to the rows in place."""

    def __init__(self, config: LlamaConfig, take: Take, name: str) -> None:
        width, inner = config.width, config.inner
        queries, keys = config.heads * config.head_width, config.kv_heads * config.head_width
        self._config = config
        self._attention_norm = take(f"{name}.input_layernorm.weight", (width,))
        self._qkv = torch.cat(
            (
                take(f"{name}.self_attn.q_proj.weight", (queries, width)),
                take(f"{name}.self_attn.k_proj.weight", (keys, width)),
                take(f"{name}.self_attn.v_proj.weight", (keys, width)),
            )
        )
        self._out = take(f"{name}.self_attn.o_proj.weight", (width, queries))
        self._swiglu_norm = take(f"{name}.post_attention_layernorm.weight", (width,))
        self._gate_up = torch.cat(
            (take(f"{name}.mlp.gate_proj.weight", (inner, width)), take(f"{name}.mlp.up_proj.weight", (inner, width)))
        )
        self._down = take(f"{name}.mlp.down_proj.weight", (width, inner))

    def __call__(
        self, rows: Tensor, rotation: tuple[Tensor, Tensor], index: int, past: Past, mask: Tensor | None
    ) -> None:
        config, (batch, count, width) = self._config, rows.shape
        flat = rows.view(-1, width)
        qkv = F.linear(self._norm(flat, self._attention_norm), self._qkv).view(batch, count, -1, config.head_width)
        turning, values = qkv.tensor_split((config.heads + config.kv_heads,), dim=2)
        queries, keys = rotate(turning, *rotation).tensor_split((config.heads,), dim=2)
        seen = attend(queries, *past.add(index, keys, values), mask)
        flat.addmm_(seen.view(batch * count, -1), self._out.t())
        gate, up = F.linear(self._norm(flat, self._swiglu_norm), self._gate_up).chunk(2, dim=1)
        flat.addmm_(F.silu(gate) * up, self._down.t())

    def _norm(self, rows: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(rows, weight.shape, weight, self._config.epsilon)


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """What rows see: (B, n, heads * head_width).

    queries: (B, n, heads, head_width);  keys, values: (B, kv_heads, L, head_width);  mask: as of a Llama.
    The queries that share a key head stand in its row of queries, so that neither keys nor values are repeated.
    """
    batch, count, heads, width = queries.shape
    kv_heads, length = keys.shape[1:3]
    group = heads // kv_heads
    grouped = queries.view(batch, count, kv_heads, group, width).transpose(1, 2).reshape(batch, kv_heads, -1, width)
    if mask is not None:
        mask = mask.unsqueeze(3).expand(-1, -1, -1, group, -1).reshape(-1, 1, count * group, length)
    seen = F.scaled_dot_product_attention(grouped, keys, values, attn_mask=mask)
    return seen.view(batch, kv_heads, count, group, width).transpose(1, 2).reshape(batch, count, heads * width)


def rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn heads, (B, n, any, head_width), by their rows' `rotations`; in float32, whatever type they have."""
    turned = heads * cosine + heads.roll(heads.shape[-1] // 2, -1) * sine
    return turned.to(heads.dtype)


def rotations(config: LlamaConfig) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position, each (positions, 1, head_width), float32 on the CPU.

    The halves of a head are a pair of coordinates; the sine's first half is negative, which saves `rotate` a kernel.
    """
    angles = torch.arange(config.positions).float()[:, None, None] * frequencies(config)
    sine = angles.sin()
    return torch.cat((angles.cos(),) * 2, dim=-1), torch.cat((-sine, sine), dim=-1)


def frequencies(config: LlamaConfig) -> Tensor:
    """Radians a position, (head_width / 2,) float32: slow ones are slowed by `factor`, fast ones kept, some between."""
    rope, width = config.rope, config.head_width
    plain = 1.0 / (rope.theta ** (torch.arange(0, width, 2).float() / width))
    if rope.factor == 1:
        return plain
    waves = rope.original * plain / (2 * math.pi)  # in the positions of the unscaled model
    kept = ((waves - rope.low) / (rope.high - rope.low)).clamp(0, 1)
    return (1 - kept) * plain / rope.factor + kept * plain
