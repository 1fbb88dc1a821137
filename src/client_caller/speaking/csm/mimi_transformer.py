"""Mimi's transformers: a frame of many streams against the last ten seconds of each, or one sound as a whole.

In:   (B, T, width) at 25 Hz, and whose streams they are.     Out: the same shape.
Rule: the past of a stream is a ring of keys and values in the row of its slot. Which positions a ring holds follows
      from how far the stream has come, so a stream that begins anew need not clear it. Shapes are static.

Source: transformers' `models/mimi`; position q sees k where q - window < k <= q (`masking_utils`, sliding windows).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from client_caller.speaking.csm.config import MimiConfig
from client_caller.speaking.csm.mimi_layers import Streams, rows
from client_caller.speaking.csm.taking import Take


class MimiTransformer:
    """All layers. name: of its tensors;  slots: streams it can serve, 0 where all sound is whole."""

    def __init__(self, config: MimiConfig, take: Take, name: str, slots: int = 0) -> None:
        step = config.frame_samples // math.prod(config.strides)
        # Of the positions that a frame brings, the first still sees what the last no longer does: they all must fit.
        # In eights, as memory-efficient attention wants its masks.
        self._ring = -(-(config.window + step - 1) // 8) * 8
        self._window = config.window
        self._layers = [
            _Layer(config, take, f"{name}.layers.{layer}", rows(slots), self._ring) for layer in range(config.layers)
        ]
        device = self._layers[0].device
        exponents = torch.arange(0, config.head_width, 2, dtype=torch.float32, device=device) / config.head_width
        self._frequencies = 1.0 / config.theta**exponents
        self._next = torch.zeros(rows(slots), dtype=torch.int64, device=device)

    def __call__(self, sound: Tensor, streams: Streams | None = None) -> Tensor:
        """(B, T, width) of the same, used up. Without streams it is whole; of streams, T is what one frame brings."""
        steps = torch.arange(sound.shape[1], device=sound.device)
        if streams is None:
            sight = self._sight(steps[None], steps[None], None)
        else:
            at = streams.recall(self._next)[:, None] + steps
            newest = at[:, -1:]
            streams.keep(self._next, newest[:, 0] + 1)
            held = newest - (newest - torch.arange(self._ring, device=sound.device)) % self._ring
            sight = self._sight(at, held, _Places(streams.slots, at % self._ring))
        sound = sound.contiguous()
        for layer in self._layers:
            layer(sound, sight)
        return sound

    def _sight(self, at: Tensor, held: Tensor, places: "_Places | None") -> "_Sight":
        """at: (B, T), positions that ask;  held: (B, K), those that can be seen, negative where there is nothing."""
        asking, asked = at[:, :, None], held[:, None, :]
        seen = (asked >= 0) & (asked <= asking) & (asked > asking - self._window)
        angles = at[..., None] * self._frequencies
        cosine, sine = angles.cos(), angles.sin()
        return _Sight(
            cosine=torch.cat((cosine, cosine), dim=-1)[:, :, None],
            sine=torch.cat((-sine, sine), dim=-1)[:, :, None],
            mask=torch.zeros_like(seen, dtype=sine.dtype).masked_fill_(~seen, -math.inf)[:, None],
            places=places,
        )


@dataclass(frozen=True, slots=True)
class _Places:
    """Where keys and values go. slots: (B,), rows of the ring;  entries: (B, T), places in it."""

    slots: Tensor
    entries: Tensor


@dataclass(frozen=True, slots=True)
class _Sight:
    """What all layers of a step share.

    cosine, sine: (B, T, 1, head_width), of the rotary positions, the first half of the sines negative;
    mask: (B, 1, T, K), 0 where a position is seen and -inf where not;  places: None where a sound is whole.
    """

    cosine: Tensor
    sine: Tensor
    mask: Tensor
    places: _Places | None

    def turn(self, heads: Tensor) -> None:
        """Turn (B, T, heads, head_width) by its positions, in place."""
        torch.addcmul(heads * self.cosine, heads.roll(heads.shape[-1] // 2, dims=-1), self.sine, out=heads)


class _Layer:
    """Attention and a GELU network, each behind a layer norm. Their layer scales are folded into the last matrices."""

    def __init__(self, config: MimiConfig, take: Take, name: str, rows: int, ring: int) -> None:
        width, across = config.width, config.heads * config.head_width
        shared = config.kv_heads * config.head_width
        self._heads, self._kv_heads, self._head_width = config.heads, config.kv_heads, config.head_width
        self._epsilon = config.epsilon
        self._first_norm = _norm(take, f"{name}.input_layernorm", width)
        self._second_norm = _norm(take, f"{name}.post_attention_layernorm", width)
        asked = [
            (f"{name}.self_attn.{part}_proj.weight", size)
            for part, size in zip("qkv", (across, shared, shared), strict=True)
        ]
        self._in = torch.cat([take(part, (size, width)) for part, size in asked])
        self._out = _scaled(take, f"{name}.self_attn_layer_scale", f"{name}.self_attn.o_proj", width, across)
        self._up = take(f"{name}.mlp.fc1.weight", (config.inner, width))
        self._down = _scaled(take, f"{name}.mlp_layer_scale", f"{name}.mlp.fc2", width, config.inner)
        self._kept = self._in.new_zeros(rows, ring, 2 * config.kv_heads, config.head_width)  # keys, then values

    @property
    def device(self) -> torch.device:
        return self._in.device

    def __call__(self, sound: Tensor, sight: _Sight) -> None:
        """Add to (B, T, width) in place."""
        flat = sound.view(-1, sound.shape[-1])
        inner = functional.layer_norm(sound, sound.shape[-1:], *self._first_norm, self._epsilon)
        flat.addmm_(self._attend(inner, sight).flatten(0, 1), self._out.t())
        inner = functional.layer_norm(flat, flat.shape[-1:], *self._second_norm, self._epsilon)
        flat.addmm_(functional.gelu(functional.linear(inner, self._up)), self._down.t())

    def _attend(self, sound: Tensor, sight: _Sight) -> Tensor:
        heads = functional.linear(sound, self._in).view(*sound.shape[:2], -1, self._head_width)
        sight.turn(heads[:, :, : self._heads + self._kv_heads])
        queries, kept = heads.tensor_split((self._heads,), dim=2)
        if sight.places is not None:
            kept = self._remember(kept, sight.places)
        keys, values = kept.tensor_split(2, dim=2)
        mixed = functional.scaled_dot_product_attention(
            queries.transpose(1, 2),
            keys.transpose(1, 2),
            values.transpose(1, 2),
            attn_mask=sight.mask,
            enable_gqa=self._heads != self._kv_heads,
        )
        return mixed.transpose(1, 2).flatten(2)

    def _remember(self, new: Tensor, places: _Places) -> Tensor:
        """Put (B, T, …) into the rings; the rings of these streams, (B, ring, …)."""
        self._kept.index_put_((places.slots[:, None], places.entries), new)
        return self._kept.index_select(0, places.slots)


def _norm(take: Take, name: str, width: int) -> tuple[Tensor, Tensor]:
    return take(f"{name}.weight", (width,)), take(f"{name}.bias", (width,))


def _scaled(take: Take, scale: str, matrix: str, outputs: int, inputs: int) -> Tensor:
    return take(f"{scale}.scale", (outputs,))[:, None] * take(f"{matrix}.weight", (outputs, inputs))
