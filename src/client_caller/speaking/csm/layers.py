"""A Llama's layers: RMS norms, rotary positions with Llama 3's scaling, grouped queries, SwiGLU.

In:   embedded rows, and what remembers the keys and values of those before them.
Out:  the rows as the last layer leaves them; `final` norms those that are wanted.
Rule: nothing waits for the device or reads a number from it, so all of it can be captured in a CUDA graph.

The backbone and the depth decoder are both of these. The decoder's 31 passes a frame are hundreds of small kernels, and
what counts is how many: so projections of the same rows are one, residuals are added by the product itself, and heads
stand in an order in which they need not be copied. `bench/voice_kernels.py` counts.

Source: transformers' `models/csm/modeling_csm.py` and `_compute_llama3_parameters` in its `modeling_rope_utils.py`. Of
torch: that rms_norm is one kernel if rows and weight have the same type (aten/src/ATen/native/layer_norm.cpp), and that
addmm_ in place is one product, with no copy of the rows (aten/src/ATen/native/cuda/Blas.cpp).
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from client_caller.speaking.csm.config import LlamaConfig
from client_caller.speaking.csm.taking import Take


class Past(Protocol):
    """Remembers keys and values."""

    def meet(self, layer: int, rows: Tensor, projection: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project new rows, (B, n, width), to heads, turn these by their positions, and remember them.

        Gives the new queries, (B, n, group, kv_heads, head_width), and all keys and values, both (B, kv_heads, L,
        head_width).
        projection: (sets * kv_heads * head_width, width), or what a Llama's `fold` made of it. Heads come in sets, one
        of each key head's: `group` of queries, one of keys, one of values.
        """


class Llama:
    """The layers under `name`, a prefix of the published names. fold: what is made of each layer's projection, once."""

    def __init__(
        self,
        config: LlamaConfig,
        take: Take,
        name: str,
        fold: Callable[[Tensor], Tensor] = lambda projection: projection,
    ) -> None:
        self.config = config
        self._layers = tuple(_Layer(config, take, f"{name}.layers.{index}", fold) for index in range(config.layers))
        self._norm = take(f"{name}.norm.weight", (config.width,))

    def __call__(self, rows: Tensor, past: Past, mask: Tensor | None) -> Tensor:
        """Run rows through all layers.

        rows: (B, n, width), used up;  mask: as of `attend`.
        """
        for index, layer in enumerate(self._layers):
            layer(rows, index, past, mask)
        return rows

    def final(self, rows: Tensor) -> Tensor:
        """The last norm, over (..., width)."""
        return F.rms_norm(rows, self._norm.shape, self._norm, self.config.epsilon)


class _Layer:
    """Attention, then SwiGLU, each behind a norm and added to the rows in place."""

    def __init__(self, config: LlamaConfig, take: Take, name: str, fold: Callable[[Tensor], Tensor]) -> None:
        width, inner, kept = config.width, config.inner, config.kv_heads * config.head_width
        asked = config.heads * config.head_width
        by_key_head = (config.kv_heads, config.heads // config.kv_heads, config.head_width)
        queries = take(f"{name}.self_attn.q_proj.weight", (asked, width)).view(*by_key_head, width)
        keys = take(f"{name}.self_attn.k_proj.weight", (kept, width))
        values = take(f"{name}.self_attn.v_proj.weight", (kept, width))
        out = take(f"{name}.self_attn.o_proj.weight", (width, asked)).view(width, *by_key_head)
        self._epsilon = config.epsilon
        self._attention_norm = take(f"{name}.input_layernorm.weight", (width,))
        self._projection = fold(torch.cat((queries.transpose(0, 1).reshape(asked, width), keys, values)))
        self._out = out.transpose(1, 2).reshape(width, asked)
        self._swiglu_norm = take(f"{name}.post_attention_layernorm.weight", (width,))
        self._gate_up = torch.cat(
            (take(f"{name}.mlp.gate_proj.weight", (inner, width)), take(f"{name}.mlp.up_proj.weight", (inner, width)))
        )
        self._down = take(f"{name}.mlp.down_proj.weight", (width, inner))

    def __call__(self, rows: Tensor, index: int, past: Past, mask: Tensor | None) -> None:
        flat = rows.view(-1, rows.shape[-1])
        seen = attend(*past.meet(index, self._norm(rows, self._attention_norm), self._projection), mask)
        flat.addmm_(seen.flatten(0, 1), self._out.t())
        gate, up = F.linear(self._norm(flat, self._swiglu_norm), self._gate_up).chunk(2, dim=1)
        flat.addmm_(F.silu(gate) * up, self._down.t())

    def _norm(self, rows: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(rows, weight.shape, weight, self._epsilon)


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """What rows see: (B, n, group * kv_heads * head_width).

    queries: (B, n, group, kv_heads, head_width);  keys, values: (B, kv_heads, L, head_width);  mask: (B or 1, 1,
    n * group, L), see `for_groups`; None if all rows see all.
    The queries that share a key head stand in its row of queries, so that neither keys nor values are repeated. CUDA's
    attention leaves its result in the order in which it is wanted here, so nothing is copied.
    """
    if mask is not None and queries.shape[1] == 1:
        return _attend_for_one(queries[:, 0], keys, values, mask)
    seen = F.scaled_dot_product_attention(queries.flatten(1, 2).transpose(1, 2), keys, values, attn_mask=mask)
    return seen.transpose(1, 2).reshape(*queries.shape[:2], -1)


def _attend_for_one(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """The same for one row of each, by plain products.

    torch's masked attention gives a head's whole past to one processor of the GPU: with 1,024 positions it takes 50 µs
    on an H100, and these six kernels 20.
    """
    batch, group, kv_heads, width = queries.shape
    asked = queries.new_empty(batch, kv_heads, group, width)
    torch.mul(queries.transpose(1, 2), width**-0.5, out=asked)
    scores = asked.flatten(0, 1).bmm(keys.flatten(0, 1).transpose(1, 2)).view(batch, kv_heads, group, -1)
    seen = scores.add_(mask).softmax(-1).flatten(0, 1).bmm(values.flatten(0, 1))
    return seen.view(batch, kv_heads, group, width).transpose(1, 2).reshape(batch, 1, -1)


def for_groups(mask: Tensor, config: LlamaConfig) -> Tensor:
    """The mask of rows, (B, 1, n, L) of their type, 0 where a row sees and -inf where not, for each of a group."""
    return mask.unsqueeze(3).expand(-1, -1, -1, config.heads // config.kv_heads, -1).flatten(2, 3)


def turned(projection: Tensor, turns: Tensor, config: LlamaConfig) -> Tensor:
    """Projections that turn, too: one for each of these `rotations`, (positions, rows, width)."""
    sets = projection.float().view(-1, config.kv_heads, config.head_width, config.width)
    asked = torch.einsum("pij,skiw->pskjw", turns.to(sets.device), sets[:-1])
    every = torch.cat((asked, sets[-1:].expand(len(turns), -1, -1, -1, -1)), dim=1)
    return every.flatten(1, 3).to(projection.dtype)


def rotations(config: LlamaConfig) -> Tensor:
    """For every position the matrix that turns a head by it, as head @ matrix: (positions, head_width, head_width).

    float32, on the CPU. The halves of a head are a pair of coordinates.
    """
    angles = torch.arange(config.positions).float()[:, None] * frequencies(config)
    cosine, sine = torch.diag_embed(angles.cos()), torch.diag_embed(angles.sin())
    return torch.cat((torch.cat((cosine, sine), dim=2), torch.cat((-sine, cosine), dim=2)), dim=1)


def frequencies(config: LlamaConfig) -> Tensor:
    """Radians a position, (head_width / 2,) float32: slow ones are slowed by `factor`, fast ones kept, some between."""
    rope, width = config.rope, config.head_width
    plain = 1.0 / (rope.theta ** (torch.arange(0, width, 2).float() / width))
    if rope.factor == 1:
        return plain
    waves = rope.original * plain / (2 * math.pi)  # in the positions of the unscaled model
    kept = ((waves - rope.low) / (rope.high - rope.low)).clamp(0, 1)
    return (1 - kept) * plain / rope.factor + kept * plain
