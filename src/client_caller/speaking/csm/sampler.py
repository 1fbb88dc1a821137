"""Drawing codes: by temperature and top-k, with noise that comes from outside.

In:   logits.     Out: a code for each of the batch.
Rule: no randomness of its own. The same logits and noise give the same code, whoever shares the batch.

The largest of logit / temperature + Gumbel noise is a draw from the softmax (https://arxiv.org/abs/1411.0030), without
a sum over the batch and without waiting for the device. The noise is given by rank, so 64 numbers do for 2048 codes.
"""

from typing import Final

import torch
from torch import Tensor, gather

from client_caller.speaking.csm.protocol import RANKS

RESERVED: Final = 3
"""The last ids of each codebook are not codes, and nothing can be decoded from them. The heads are built without."""


class Sampler:
    """The draws of one frame.

    temperature: (B,) float32, more than 0;  top_k: (B,) int64, at least 1;  noise: (B, codebooks, RANKS) float32.
    """

    def __init__(self, temperature: Tensor, top_k: Tensor, noise: Tensor) -> None:
        ranks = torch.arange(RANKS, device=noise.device)
        self._temperature = temperature[:, None]
        self._noise = noise.masked_fill((ranks >= top_k[:, None])[:, None], -torch.inf)

    def draw(self, codebook: int, logits: Tensor) -> Tensor:
        """A code for each row of `logits`, (B, codes): (B,) int64."""
        best = logits.topk(min(RANKS, logits.shape[1]))
        scores = torch.addcdiv(self._noise[:, codebook, : best.values.shape[1]], best.values, self._temperature)
        return gather(best.indices, 1, scores.argmax(1, keepdim=True)).squeeze(1)
