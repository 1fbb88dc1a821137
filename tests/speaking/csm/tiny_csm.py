"""CSM and Mimi as transformers has them, small and with random weights: what our own are held against."""

import json
import warnings
from functools import cache
from typing import Any

import torch
from transformers import CsmConfig, CsmForConditionalGeneration, MimiModel

from client_caller.speaking.csm import config as ours

_LLAMA3 = {"rope_type": "llama3", "rope_theta": 500_000.0, "factor": 32.0}
BACKBONE_ROPE = _LLAMA3 | {
    "low_freq_factor": 0.125,
    "high_freq_factor": 0.5,
    "original_max_position_embeddings": 1024,
}
DEPTH_ROPE = _LLAMA3 | {
    "low_freq_factor": 0.001953125,
    "high_freq_factor": 0.0078125,
    "original_max_position_embeddings": 16,
}
"""As in the published config.json."""


@cache
def reference_config(codebooks: int = 8) -> Any:
    """The published architecture, some hundred thousand parameters of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CsmConfig(
            num_codebooks=codebooks,
            vocab_size=67,
            text_vocab_size=300,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=256,
            pad_token_id=258,
            bos_token_id=256,
            eos_token_id=257,
            codebook_pad_token_id=66,
            codebook_eos_token_id=0,
            audio_token_id=258,
            audio_eos_token_id=259,
            rope_parameters=dict(BACKBONE_ROPE),
            depth_decoder_config={
                "num_codebooks": codebooks,
                "backbone_hidden_size": 64,
                "vocab_size": 67,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "head_dim": 8,
                "max_position_embeddings": codebooks + 1,
                "rope_parameters": dict(DEPTH_ROPE),
            },
            codec_config={
                "model_type": "mimi",
                "num_quantizers": codebooks,
                "codebook_size": 64,
                "codebook_dim": 16,
                "vector_quantization_hidden_dimension": 16,
                "hidden_size": 32,
                "num_filters": 4,
                "upsampling_ratios": [8, 6, 5, 4],
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "head_dim": 16,
                "intermediate_size": 64,
                "upsample_groups": 32,
                "sliding_window": 8,
                "layer_scale_initial_scale": 0.5,
            },
        )


def our_config(codebooks: int = 8) -> ours.CsmConfig:
    """The same, read as the engine reads it."""
    fields = json.loads(reference_config(codebooks).to_json_string(use_diff=False))
    return ours.parse_config(json.dumps(fields), "config.json")


@cache
def reference(codebooks: int = 8, seed: int = 0) -> CsmForConditionalGeneration:
    """A model whose likeliest codes are well apart, and whose codec makes some noise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        model = CsmForConditionalGeneration(reference_config(codebooks)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("codec_model") and parameter.dim() > 1:
                parameter.mul_(6)  # initialised with a spread of 0.02, ties would be near
        _fill_codebooks(model.codec_model)
    return model


def _fill_codebooks(codec: MimiModel) -> None:
    """Random vectors: they are buffers, and zero after a random initialisation."""
    for module in codec.modules():
        if type(module).__name__ == "MimiEuclideanCodebook":
            module.embed_sum.normal_()
            module.cluster_usage.uniform_(0.5, 1.5)
            module._embed = None
