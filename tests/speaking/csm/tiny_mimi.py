"""Mimi as transformers has it, small and with random weights, and how far two sounds are apart."""

import json
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file
from tiny_csm import reference, reference_config
from torch import Tensor
from transformers import MimiConfig as ReferenceConfig
from transformers import MimiModel, PreTrainedModel

from client_caller.speaking.csm.config import MimiConfig, parse_config
from client_caller.speaking.csm.taking import Take

FULL_SIZE = json.dumps(ReferenceConfig(num_quantizers=32).to_dict())
"""The published codec, of which CSM uses 32 codebooks."""


def sizes(changes: str = "{}") -> MimiConfig:
    """The tiny codec's, as our engine reads them, but for `changes`: JSON."""
    fields = json.loads(reference_config().to_json_string(use_diff=False))
    fields["codec_config"] |= json.loads(changes)
    return parse_config(json.dumps(fields), "config.json").mimi


@cache
def codec(changes: str = "{}") -> tuple[MimiModel, Take]:
    """transformers' codec of these sizes, and its tensors for ours."""
    if different := json.loads(changes):
        fields = reference_config().codec_config.to_dict() | different
        model, prefix = _random(ReferenceConfig(**fields)), "codec_model."
        tensors = published(model)
    else:
        model, prefix = reference().codec_model, ""
        tensors = published(reference())

    def take(name: str, shape: tuple[int, ...]) -> Tensor:
        tensor = tensors[name.removeprefix(prefix)]
        assert tuple(tensor.shape) == shape, name
        return tensor

    return model, take


def published(model: PreTrainedModel) -> dict[str, Tensor]:
    """The tensors by the names that they have in a checkpoint; in memory transformers calls those of Mimi otherwise."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
        return load_file(Path(folder) / "model.safetensors")


def _random(config: ReferenceConfig) -> MimiModel:
    torch.manual_seed(1)
    model = MimiModel(config).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("embed_sum"):
            buffer.normal_()  # zero in a new model
        elif name.endswith("cluster_usage"):
            buffer.uniform_(0.5, 1.5)
    return model


def decoded(model: MimiModel, codes: Tensor) -> Tensor:
    """All the sound, (1920 T,), that transformers makes of (T, codebooks) at once."""
    with torch.no_grad():
        return model.decode(codes.T[None]).audio_values[0, 0]


def encoded(model: MimiModel, sound: Tensor) -> Tensor:
    """All the codes, (frames, codebooks), that transformers finds in (n,) samples."""
    with torch.no_grad():
        return model.encode(sound[None, None]).audio_codes[0].T


def apart(ours: Tensor, theirs: Tensor) -> float:
    """Root mean square of the difference, over that of theirs."""
    return float((ours - theirs).square().mean().sqrt() / theirs.square().mean().sqrt())
