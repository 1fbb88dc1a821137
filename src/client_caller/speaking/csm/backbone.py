"""The backbone: reads text and sound, and says how the next frame begins.

In:   rows of text and sound (protocol.Rows).
Out:  for each the state from which the depth decoder makes a frame, and the logits of the frame's first code.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from client_caller.speaking.csm.cache import SlotCache
from client_caller.speaking.csm.config import CsmConfig
from client_caller.speaking.csm.layers import Llama
from client_caller.speaking.csm.sampler import RESERVED
from client_caller.speaking.csm.taking import Take


class Backbone:
    """Embeddings, layers, and the head of codebook 0.

    audio_embedding: (codebooks * vocabulary, width); the depth decoder's, too, stored once.
    """

    def __init__(self, config: CsmConfig, take: Take) -> None:
        width, vocabulary = config.backbone.width, config.vocabulary
        self._text_embedding = take("embed_text_tokens.weight", (config.text_vocabulary, width))
        self.audio_embedding = take(
            "backbone_model.embed_tokens.embed_audio_tokens.weight", (config.codebooks * vocabulary, width)
        )
        self._llama = Llama(config.backbone, take, "backbone_model")
        self._head = take("lm_head.weight", (vocabulary, width))[: vocabulary - RESERVED].contiguous()
        self._offsets = torch.arange(config.codebooks, device=self._head.device) * vocabulary

    def read(self, rows: Tensor, slots: Tensor, positions: Tensor, cache: SlotCache, length: int) -> Tensor:
        """Put rows into the cache and give the last layer's states, (B, n, width).

        rows: (B, n, 1 + codebooks);  slots: (B,);  positions: (B, n);  length: of the slots, as far as any row sees.
        """
        window, mask = cache.window(slots, positions, length), cache.mask(positions, length)
        return self._llama(self.embed(rows), window, mask)

    def state(self, read: Tensor) -> Tensor:
        """What the heads are asked with, of what was read: both (..., width)."""
        return self._llama.final(read)

    def logits(self, state: Tensor) -> Tensor:
        """Of codebook 0: (..., codes) float32."""
        return F.linear(state, self._head).float()

    def embed(self, rows: Tensor) -> Tensor:
        """A text's token, or the sum of a frame's codes: (..., width) of rows (..., 1 + codebooks)."""
        token, codes = rows[..., 0], rows[..., 1:]
        text = F.embedding(token.clamp(min=0), self._text_embedding)
        sound = F.embedding(codes + self._offsets, self.audio_embedding).sum(-2)
        return torch.where((token < 0)[..., None], sound, text)
