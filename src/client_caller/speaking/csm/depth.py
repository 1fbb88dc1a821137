"""The depth decoder: a small Llama that makes the other codes of a frame, one by one.

In:   the backbone's state and the code of codebook 0.     Out: all codes of the frame.
Rule: its past is the frame's own and starts empty; lengths are the same each time, so it unrolls into a CUDA graph.

Its passes are most of a frame's work. So the projection of the codes' embeddings is done once, when the model is built,
and the state and the first code, whose logits nobody asks for in between, are one pass.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from client_caller.speaking.csm.config import CsmConfig, LlamaConfig
from client_caller.speaking.csm.layers import Llama
from client_caller.speaking.csm.sampler import RESERVED
from client_caller.speaking.csm.taking import Take

Draw = Callable[[int, Tensor], Tensor]
"""The codes, (B,) int64, of a codebook with these logits, (B, codes) float32."""


class DepthDecoder:
    """Embeddings, layers, and the heads of codebooks 1 and on. audio_embedding: the backbone's."""

    def __init__(self, config: CsmConfig, take: Take, audio_embedding: Tensor) -> None:
        width, others, vocabulary = config.depth.width, config.codebooks - 1, config.vocabulary
        self._llama = Llama(config.depth, take, "depth_decoder.model")
        self._projector = take("depth_decoder.model.inputs_embeds_projector.weight", (width, config.backbone.width))
        heads = take("depth_decoder.codebooks_head.weight", (others, width, vocabulary))
        self._heads = heads[:, :, : vocabulary - RESERVED].transpose(1, 2).contiguous()
        self._embeddings = torch.stack(
            [
                (embedding.float() @ self._projector.float().t()).to(heads.dtype)
                for embedding in audio_embedding.view(config.codebooks, vocabulary, -1)[:others]
            ]
        )  # (codebooks - 1, vocabulary, width): no pass follows the last code
        self._mask = torch.full((1, 1, 2, 2), -torch.inf, dtype=heads.dtype, device=heads.device).triu_(1)

    def codes(self, state: Tensor, first: Tensor, draw: Draw) -> Tensor:
        """A frame for each state, (B, backbone width), and code of codebook 0, (B,): (B, codebooks) int64."""
        codes, past = [first], _Past(self._llama.config, len(self._heads) + 1, state)
        rows = torch.stack((F.linear(state, self._projector), F.embedding(first, self._embeddings[0])), dim=1)
        rows = self._llama(rows, past.extend(2), past, self._mask)
        for codebook, head in enumerate(self._heads, 1):
            if codebook > 1:
                rows = F.embedding(codes[-1], self._embeddings[codebook - 1]).unsqueeze(1)
                rows = self._llama(rows, past.extend(1), past, None)
            codes.append(draw(codebook, F.linear(self._llama.final(rows[:, -1]), head).float()))
        return torch.stack(codes, dim=1)


class _Past:
    """The keys and values of one frame."""

    def __init__(self, config: LlamaConfig, codebooks: int, states: Tensor) -> None:
        shape = (config.layers, len(states), config.kv_heads, codebooks, config.head_width)
        self._keys, self._values = states.new_empty(shape), states.new_empty(shape)
        self._new = slice(0, 0)

    def extend(self, count: int) -> slice:
        """Make room for the next rows; where they stand."""
        self._new = slice(self._new.stop, self._new.stop + count)
        return self._new

    def add(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """As of a Past."""
        return self._put(self._keys[layer], keys), self._put(self._values[layer], values)

    def _put(self, held: Tensor, new: Tensor) -> Tensor:
        held[:, :, self._new] = new.transpose(1, 2)
        return held[:, :, : self._new.stop]
