"""The depth decoder: a small Llama that makes the other codes of a frame, one by one.

In:   the backbone's state and the code of codebook 0.     Out: all codes of the frame.
Rule: its past is the frame's own and starts empty; lengths are the same each time, so it unrolls into a CUDA graph.

Its passes are most of a frame's work. So the projection of the codes' embeddings is done once, when the model is built,
and the state and the first code, whose logits nobody asks for in between, are one pass. A pass stands at the same
position each time: what turns its heads is folded into the weights, 0.4 GB of them in place of 124 kernels a frame.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from client_caller.speaking.csm.config import CsmConfig, LlamaConfig
from client_caller.speaking.csm.layers import Llama, for_groups, rotations, turned
from client_caller.speaking.csm.sampler import RESERVED
from client_caller.speaking.csm.taking import Take

Draw = Callable[[int, Tensor], Tensor]
"""The codes, (B,) int64, of a codebook with these logits, (B, codes)."""


class DepthDecoder:
    """Embeddings, layers, and the heads of codebooks 1 and on. audio_embedding: the backbone's."""

    def __init__(self, config: CsmConfig, take: Take, audio_embedding: Tensor) -> None:
        llama, others, vocabulary = config.depth, config.codebooks - 1, config.vocabulary
        turns = rotations(llama)[: config.codebooks]
        self._llama = Llama(llama, take, "depth_decoder.model", lambda projection: turned(projection, turns, llama))
        self._projector = take(
            "depth_decoder.model.inputs_embeds_projector.weight", (llama.width, config.backbone.width)
        )
        heads = take("depth_decoder.codebooks_head.weight", (others, llama.width, vocabulary))
        self._heads = heads[:, :, : vocabulary - RESERVED].transpose(1, 2).contiguous()
        self._embeddings = torch.stack(
            [
                (embedding.float() @ self._projector.float().t()).to(heads.dtype)
                for embedding in audio_embedding.view(config.codebooks, vocabulary, -1)[:others]
            ]
        )  # (codebooks - 1, vocabulary, width): no pass follows the last code
        # In eights, as memory-efficient attention wants its masks.
        mask = torch.full((1, 1, 2, 8), -torch.inf, dtype=heads.dtype, device=heads.device).triu_(1)
        self._mask = for_groups(mask, llama)[..., :2]

    def codes(self, state: Tensor, first: Tensor, draw: Draw) -> Tensor:
        """A frame for each state, (B, backbone width), and code of codebook 0, (B,): (B, codebooks) int64."""
        codes, past = [first], _Past(self._llama.config, len(self._heads) + 1, state)
        rows = torch.stack((F.linear(state, self._projector), F.embedding(first, self._embeddings[0])), dim=1)
        rows = self._llama(rows, past.extend(2), self._mask)
        for codebook, head in enumerate(self._heads, 1):
            if codebook > 1:
                rows = F.embedding(codes[-1], self._embeddings[codebook - 1]).unsqueeze(1)
                rows = self._llama(rows, past.extend(1), None)
            codes.append(draw(codebook, F.linear(self._llama.final(rows[:, -1]), head)))
        return torch.stack(codes, dim=1)


class _Past:
    """The heads of one frame: rows are projected to where they are remembered."""

    def __init__(self, config: LlamaConfig, codebooks: int, states: Tensor) -> None:
        sets = config.heads // config.kv_heads + 2
        self._heads = states.new_empty(config.layers, len(states), codebooks, sets, config.kv_heads, config.head_width)
        self._new = slice(0, 0)

    def extend(self, count: int) -> "_Past":
        """Make room for the next rows."""
        self._new = slice(self._new.stop, self._new.stop + count)
        return self

    def meet(self, layer: int, rows: Tensor, projection: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As of a Past; the projections are `turned`, one for each position."""
        heads = self._heads[layer]
        new = heads[:, self._new]
        into = new.flatten(2).transpose(0, 1)
        torch.bmm(rows.transpose(0, 1), projection[self._new].transpose(1, 2), out=into)
        keys, values = heads[:, : self._new.stop, -2:].transpose(1, 3).unbind(2)
        return new[:, :, :-2], keys, values
