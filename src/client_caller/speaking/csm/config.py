"""The sizes of the model, as its config.json states them.

In:   the text of config.json in transformers' layout.     Out: one frozen `CsmConfig`.
Rule: RoPE is taken from the file. The defaults of transformers' CsmConfig are not those of the published checkpoint.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from client_caller.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary positions with Llama 3's scaling; factor 1 is none. original: positions of the unscaled model."""

    theta: float
    factor: float
    low: float
    high: float
    original: float


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """A Llama: of `layers`, with grouped queries, RMS norms and a SwiGLU of width `inner`."""

    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    head_width: int
    epsilon: float
    rope: Rope
    positions: int


@dataclass(frozen=True, slots=True)
class MimiConfig:
    """The codec: a residual quantizer, a small transformer, and SEANet's convolutions.

    codebooks: `semantic` ones first, each of `codes` vectors of `code_width`;  strides: of the decoder's upsampling,
    first to last;  window: positions that the transformer sees.
    """

    codebooks: int
    semantic: int
    codes: int
    code_width: int
    quantizer_width: int
    width: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    window: int
    theta: float
    epsilon: float
    filters: int
    strides: tuple[int, ...]
    kernel: int
    last_kernel: int
    residual_kernel: int
    residual_layers: int
    dilation: int
    compress: int
    upsample_groups: int
    hz: int
    frame_samples: int


@dataclass(frozen=True, slots=True)
class CsmConfig:
    """All of it. vocabulary: of each codebook, 2048 codes and 3 reserved ids."""

    codebooks: int
    vocabulary: int
    text_vocabulary: int
    bos: int
    eos: int
    backbone: LlamaConfig
    depth: LlamaConfig
    mimi: MimiConfig


def parse_config(text: str, name: str) -> CsmConfig:
    """The sizes in a config.json. name: of the file, for errors. Raises ConfigError that names the field."""
    try:
        table = json.loads(text)
    except ValueError as wrong:
        raise ConfigError(f"{name} is no JSON: fetch it again ({wrong})") from wrong
    whole = _Table(table, name, "")
    whole.must("model_type", "csm")
    return CsmConfig(
        codebooks=whole.count("num_codebooks"),
        vocabulary=whole.count("vocab_size"),
        text_vocabulary=whole.count("text_vocab_size"),
        bos=whole.count("bos_token_id"),
        eos=whole.count("eos_token_id", _EOS),
        backbone=_llama(whole),
        depth=_llama(whole.table("depth_decoder_config")),
        mimi=_mimi(whole.table("codec_config")),
    )


_EOS: Final = 128_001
"""Llama 3's <|end_of_text|>, which ends the text of every segment; transformers' CsmConfig leaves it unset."""


def _llama(table: "_Table") -> LlamaConfig:
    table.must("hidden_act", "silu")
    table.must("attention_bias", False)
    table.must("mlp_bias", False)
    heads, width = table.count("num_attention_heads"), table.count("hidden_size")
    return LlamaConfig(
        layers=table.count("num_hidden_layers"),
        width=width,
        inner=table.count("intermediate_size"),
        heads=heads,
        kv_heads=table.count("num_key_value_heads"),
        head_width=table.count("head_dim", width // heads),
        epsilon=table.number("rms_norm_eps"),
        rope=_rope(table),
        positions=table.count("max_position_embeddings"),
    )


def _rope(table: "_Table") -> Rope:
    """transformers 5 keeps it in `rope_parameters`, transformers 4 in `rope_scaling` and `rope_theta`."""
    key = "rope_parameters" if "rope_parameters" in table.fields else "rope_scaling"
    scaling = table.table(key)
    theta = scaling.number("rope_theta", scaling.fields.get("rope_theta") or table.fields.get("rope_theta"))
    if scaling.fields.get("rope_type", "default") == "default":
        return Rope(theta, 1.0, 1.0, 1.0, float(table.count("max_position_embeddings")))
    scaling.must("rope_type", "llama3")
    return Rope(
        theta,
        scaling.number("factor"),
        scaling.number("low_freq_factor"),
        scaling.number("high_freq_factor"),
        scaling.number("original_max_position_embeddings"),
    )


def _mimi(table: "_Table") -> MimiConfig:
    table.must("use_causal_conv", True)
    table.must("pad_mode", "constant")
    table.must("audio_channels", 1)
    table.must("use_conv_shortcut", False)
    table.must("trim_right_ratio", 1.0)
    table.must("hidden_act", "gelu")
    table.must("attention_bias", False)
    heads, width, strides = (
        table.count("num_attention_heads"),
        table.count("hidden_size"),
        table.counts("upsampling_ratios"),
    )
    rope = table.table("rope_parameters").fields if "rope_parameters" in table.fields else table.fields
    hop = 2  # from SEANet's rate to the codes': a convolution of stride 2
    for stride in strides:
        hop *= stride
    return MimiConfig(
        codebooks=table.count("num_quantizers"),
        semantic=table.count("num_semantic_quantizers", 1),
        codes=table.count("codebook_size"),
        code_width=table.count("codebook_dim"),
        quantizer_width=table.count("vector_quantization_hidden_dimension"),
        width=width,
        inner=table.count("intermediate_size"),
        layers=table.count("num_hidden_layers"),
        heads=heads,
        kv_heads=table.count("num_key_value_heads"),
        head_width=table.count("head_dim", width // heads),
        window=table.count("sliding_window"),
        theta=_Table(rope, table.name, table.path).number("rope_theta"),
        epsilon=table.number("norm_eps"),
        filters=table.count("num_filters"),
        strides=strides,
        kernel=table.count("kernel_size"),
        last_kernel=table.count("last_kernel_size"),
        residual_kernel=table.count("residual_kernel_size"),
        residual_layers=table.count("num_residual_layers"),
        dilation=table.count("dilation_growth_rate"),
        compress=table.count("compress"),
        upsample_groups=table.count("upsample_groups"),
        hz=table.count("sampling_rate"),
        frame_samples=hop,
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """A JSON object and where it stands in the file."""

    fields: Mapping[str, Any]
    name: str
    path: str

    def table(self, key: str) -> "_Table":
        value = self.fields.get(key)
        if not isinstance(value, dict):
            raise self._wrong(key, value, "an object")
        return _Table(value, self.name, f"{self.path}{key}.")

    def count(self, key: str, instead: int | None = None) -> int:
        value = self.fields.get(key)
        value = instead if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._wrong(key, value, "a whole number")
        return value

    def counts(self, key: str) -> tuple[int, ...]:
        value = self.fields.get(key)
        if not isinstance(value, list) or not all(isinstance(each, int) and each > 0 for each in value):
            raise self._wrong(key, value, "a list of whole numbers")
        return tuple(value)

    def number(self, key: str, instead: object = None) -> float:
        value = self.fields.get(key, instead)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong(key, value, "a number")
        return float(value)

    def must(self, key: str, wanted: object) -> None:
        if (value := self.fields.get(key)) != wanted:
            raise self._wrong(key, value, f"{wanted!r}, which is all that this engine knows")

    def _wrong(self, key: str, value: object, wanted: str) -> ConfigError:
        return ConfigError(f"{self.name}, {self.path}{key}: it is {value!r} and must be {wanted}")
