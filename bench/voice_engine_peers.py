"""transformers' own CSM, timed on the same sizes and device: as it comes, and as its guide says to make it quick.

In:   a model's sizes.     Out: milliseconds a frame.
Rule: codes only. It has no decoder that streams, so what its sound would cost comes on top.

Source: https://huggingface.co/docs/transformers/model_doc/csm, "Making The Model Go Brrr": static caches, CUDA
graphs.
"""

import time
import warnings
from typing import Any, Final

import torch
from transformers import CsmConfig, CsmForConditionalGeneration

from client_caller.speaking.csm.config import CsmConfig as Ours
from client_caller.speaking.csm.config import LlamaConfig, Rope

_PROMPT: Final = 64  # text tokens


def transformers_csm(config: Ours, device: torch.device) -> CsmForConditionalGeneration:
    """Its model, with random weights."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with warnings.catch_warnings(), torch.device(device):
        warnings.simplefilter("ignore")
        torch.set_default_dtype(dtype)
        try:
            return CsmForConditionalGeneration(_config(config)).eval()
        finally:
            torch.set_default_dtype(torch.float32)


def frame_s(model: CsmForConditionalGeneration, streams: int, frames: int, *, compiled: bool) -> float:
    """Seconds a frame of `streams` takes in generate()."""
    if compiled:
        model.generation_config.cache_implementation = "static"
        model.depth_decoder.generation_config.cache_implementation = "static"
    device = next(model.parameters()).device
    ids = torch.randint(1, 250, (streams, _PROMPT), device=device)

    def generate(count: int) -> float:
        began = time.perf_counter()
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=count,
                min_new_tokens=count,
                do_sample=True,
            )
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    for _ in range(2 if compiled else 1):
        generate(frames)
    return (generate(frames) - generate(2)) / (frames - 2)


def _config(config: Ours) -> CsmConfig:
    mimi = config.mimi
    return CsmConfig(
        num_codebooks=config.codebooks,
        vocab_size=config.vocabulary,
        text_vocab_size=config.text_vocabulary,
        bos_token_id=config.bos,
        eos_token_id=config.eos,
        codebook_pad_token_id=config.vocabulary - 1,
        pad_token_id=config.eos + 1,
        audio_token_id=config.eos + 1,
        audio_eos_token_id=config.eos + 2,
        **_llama(config.backbone),
        depth_decoder_config={
            "num_codebooks": config.codebooks,
            "backbone_hidden_size": config.backbone.width,
            "vocab_size": config.vocabulary,
            **_llama(config.depth),
        },
        codec_config={
            "model_type": "mimi",
            "num_quantizers": mimi.codebooks,
            "codebook_size": mimi.codes,
            "codebook_dim": mimi.code_width,
            "vector_quantization_hidden_dimension": mimi.quantizer_width,
            "hidden_size": mimi.width,
            "num_filters": mimi.filters,
            "upsampling_ratios": list(mimi.strides),
            "num_hidden_layers": mimi.layers,
            "num_attention_heads": mimi.heads,
            "num_key_value_heads": mimi.kv_heads,
            "head_dim": mimi.head_width,
            "intermediate_size": mimi.inner,
            "upsample_groups": mimi.upsample_groups,
            "sliding_window": mimi.window,
        },
    )


def _llama(llama: LlamaConfig) -> dict[str, Any]:
    return {
        "hidden_size": llama.width,
        "intermediate_size": llama.inner,
        "num_hidden_layers": llama.layers,
        "num_attention_heads": llama.heads,
        "num_key_value_heads": llama.kv_heads,
        "head_dim": llama.head_width,
        "max_position_embeddings": llama.positions,
        "rope_parameters": _rope(llama.rope),
    }


def _rope(rope: Rope) -> dict[str, Any]:
    return {
        "rope_type": "llama3",
        "rope_theta": rope.theta,
        "factor": rope.factor,
        "low_freq_factor": rope.low,
        "high_freq_factor": rope.high,
        "original_max_position_embeddings": int(rope.original),
    }
