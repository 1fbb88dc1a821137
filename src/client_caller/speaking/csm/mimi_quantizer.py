"""Mimi's quantizer: from codes to vectors and back.

In:   codes (n, codebooks), or vectors (n, width).     Out: the other.
Rule: two residual quantizers stand beside each other, a semantic and an acoustic one; each goes from codebook to
      codebook with what the ones before left over. The vectors of a codebook are its sums over their usage.

Source: transformers' `models/mimi`, `MimiSplitResidualVectorQuantizer`.
"""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from client_caller.speaking.csm.config import MimiConfig
from client_caller.speaking.csm.taking import Take

_LEAST_USAGE: Final = 1e-5
"""What a vector that training never chose is divided by."""


class MimiQuantizer:
    """Both quantizers; all codebooks are used."""

    def __init__(self, config: MimiConfig, take: Take) -> None:
        parts = {"semantic": config.semantic, "acoustic": config.codebooks - config.semantic}
        self._parts = [_Residual(config, take, name, count) for name, count in parts.items()]
        self._counts = list(parts.values())

    def decode(self, codes: Tensor) -> Tensor:
        """Vectors, (n, width) float32, of codes, (n, codebooks) int64, each in [0, config.codes)."""
        semantic, acoustic = torch.split(codes, self._counts, dim=1)
        return self._parts[0].decode(semantic) + self._parts[1].decode(acoustic)

    def encode(self, vectors: Tensor) -> Tensor:
        """The nearest codes, (n, codebooks) int64, of vectors, (n, width) float32."""
        return torch.cat([part.encode(vectors) for part in self._parts], dim=1)


class _Residual:
    """One quantizer of `count` codebooks, between two projections."""

    def __init__(self, config: MimiConfig, take: Take, kind: str, count: int) -> None:
        name = f"codec_model.quantizer.{kind}_residual_vector_quantizer"
        inner, width = config.quantizer_width, config.width
        self._in = take(f"{name}.input_proj.weight", (inner, width, 1)).squeeze(-1)
        self._out = take(f"{name}.output_proj.weight", (width, inner, 1)).squeeze(-1)
        self._vectors = torch.stack(
            [_codebook(config, take, f"{name}.layers.{layer}.codebook") for layer in range(count)]
        )
        self._first = torch.arange(count, device=self._vectors.device) * config.codes

    def decode(self, codes: Tensor) -> Tensor:
        chosen = functional.embedding(codes + self._first, self._vectors.flatten(0, 1))  # (n, count, inner)
        return functional.linear(chosen.sum(dim=1), self._out)

    def encode(self, vectors: Tensor) -> Tensor:
        left, codes = functional.linear(vectors, self._in), []
        for vectors in self._vectors:
            nearest = torch.cdist(left, vectors).argmin(dim=-1)
            left = left - vectors[nearest]
            codes.append(nearest)
        return torch.stack(codes, dim=1)


def _codebook(config: MimiConfig, take: Take, name: str) -> Tensor:
    """(codes, code_width)."""
    usage = take(f"{name}.cluster_usage", (config.codes,)).clamp(min=_LEAST_USAGE)
    return take(f"{name}.embed_sum", (config.codes, config.code_width)) / usage[:, None]
