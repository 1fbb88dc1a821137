"""Models that nobody trained, of the sizes that are published or of tiny ones, where the real ones cannot be had.

In:   a folder.     Out: in it, what faster-whisper or vLLM opens.
Rule: what they say is nonsense, and no time depends on it: Whisper ends after as many tokens as three seconds of speech
      have, for a decoder that babbles on would be measured too slow.

Sources: the table of sizes in the README of openai/whisper, and the configuration of openai/whisper-large-v3-turbo for
what it leaves open; box/memory.py for Gemma 3 27B. Of a token that CTranslate2 asks for: `WhisperReplica`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from ctranslate2.specs import WhisperSpec
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import Gemma3TextConfig, PreTrainedTokenizerFast

from client_caller.box import memory

SAID: Final = 12
"""Tokens of what Whisper hears in three seconds."""

_PROMPT: Final = 4
_PLACES: Final = 448
_SEEN: Final = 1_500
_TIMES: Final = 1_501
_MARKS: Final = (
    *("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>"),
    *("<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
)
_MULTILINGUAL: Final = ""


@dataclass(frozen=True, slots=True)
class WhisperSize:
    """Of a Whisper."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    mels: int
    vocabulary: int


TURBO: Final = WhisperSize(1_280, 20, 32, 4, 128, 51_866)
TINY: Final = WhisperSize(32, 2, 2, 2, 80, 1_900)


def make_whisper(folder: Path, size: WhisperSize) -> Path:
    """Write a model for faster-whisper, in 16 bits if it is large."""
    folder.mkdir(parents=True)
    letters = [*sorted(pre_tokenizers.ByteLevel.alphabet()), _MULTILINGUAL]
    fillers = [f"w{number}" for number in range(size.vocabulary - len(letters) - len(_MARKS) - _TIMES)]
    words = [*letters, *fillers]
    tokenizer = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in _MARKS])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": size.mels}))
    tokens = [*words, *_MARKS, *(f"<|{number * 0.02:.2f}|>" for number in range(_TIMES))]
    spec = WhisperSpec(size.encoder_layers, size.heads, size.decoder_layers, size.heads)
    _fill(spec, size, tokens.index("<|endoftext|>"))
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], [len(words)]
    spec.config.lang_ids = [tokens.index("<|en|>")]
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    if size.width > TINY.width:
        spec.optimize(quantization="float16")
    spec.save(str(folder))
    return folder


def _fill(spec: WhisperSpec, size: WhisperSize, end: int) -> None:
    """Random numbers; where layers write back there are zeros, so that a place in the text decides when it is over."""
    drawn = np.random.default_rng(0).normal(size=1_000_003).astype(np.float32)  # repeated: no time depends on them
    width = size.width

    def random(*shape: int) -> np.ndarray:
        return np.resize(drawn, shape) / np.float32(np.sqrt(shape[-1]))

    def linear(layer: Any, outputs: int, inputs: int, *, silent: bool = False) -> None:
        layer.weight = np.zeros((outputs, inputs), np.float32) if silent else random(outputs, inputs)
        layer.bias = np.zeros(outputs, np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    def attend(layer: Any) -> None:
        norm(layer.layer_norm)
        *reading, writing = layer.linear
        for part, share in zip(reading, {1: (3,), 2: (1, 2)}[len(reading)], strict=True):
            linear(part, share * width, width)
        linear(writing, width, width, silent=True)

    def finish(layer: Any) -> None:
        norm(layer.ffn.layer_norm)
        linear(layer.ffn.linear_0, 4 * width, width)
        linear(layer.ffn.linear_1, width, 4 * width, silent=True)

    encoder, decoder = spec.encoder, spec.decoder
    for conv, inputs in ((encoder.conv1, size.mels), (encoder.conv2, width)):
        conv.weight, conv.bias = random(width, inputs, 3), np.zeros(width, np.float32)
    encoder.position_encodings.encodings = random(_SEEN, width)
    for layer in encoder.layer:
        attend(layer.self_attention)
        finish(layer)
    decoder.embeddings.weight = random(size.vocabulary, width)
    decoder.embeddings.weight[:, 0] = 0.0
    places = np.zeros((_PLACES, width), np.float32)
    places[:, 0] = -10.0  # of the first number in a row only the end of the text takes notice
    places[_PROMPT + SAID - 1 :, 0] = 10.0
    decoder.position_encodings.encodings = places
    for layer in decoder.layer:
        attend(layer.self_attention)
        attend(layer.attention)
        finish(layer)
    for each in (encoder.layer_norm, decoder.layer_norm):
        norm(each)
    projection = random(size.vocabulary, width)
    projection[:, 0] = 0.0
    projection[end] = 0.0
    projection[end, 0] = 10.0
    decoder.projection.weight, decoder.projection.bias = projection, np.zeros(size.vocabulary, np.float32)


def make_gemma(folder: Path, words: set[str]) -> Path:
    """Write what vLLM needs to make up a Gemma 3 27B in 4 bits itself (`--load-format dummy`): no weights.

    words: that prompts have; each is one token. It is the text model alone, as vLLM runs it where no image is allowed.
    """
    folder.mkdir(parents=True)
    marks = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    known = [*marks, *sorted(words)]
    known += [f"w{number}" for number in range(memory.VOCABULARY - len(known))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(known)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>")
    wrapped.save_pretrained(folder)
    config = Gemma3TextConfig(
        vocab_size=memory.VOCABULARY,
        hidden_size=memory.WIDTH,
        intermediate_size=memory.INNER_WIDTH,
        num_hidden_layers=memory.LAYERS,
        num_attention_heads=memory.HEADS,
        num_key_value_heads=memory.KEY_HEADS,
        head_dim=memory.HEAD_WIDTH,
        query_pre_attn_scalar=memory.WIDTH // memory.HEADS,
        sliding_window=memory.WINDOW,
        max_position_embeddings=131_072,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    config.architectures = ["Gemma3ForCausalLM"]
    kept = config.to_dict() | {"torch_dtype": "bfloat16", "quantization_config": _four_bits()}
    (folder / "config.json").write_text(json.dumps(kept, indent=1))
    return folder


def _four_bits() -> dict[str, Any]:
    """As RedHatAI's w4a16 checkpoints say of themselves: compressed-tensors, groups of 128."""
    weights = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128}
    return {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
        "ignore": ["lm_head"],
    }


def dummy_launch_file(published: Path, to: Path) -> Path:
    """The launch file with weights that vLLM makes up; of images the text model knows nothing."""
    settings = yaml.safe_load(published.read_text(encoding="utf-8"))
    del settings["limit-mm-per-prompt"]
    to.write_text(yaml.safe_dump(settings | {"load-format": "dummy"}))
    return to
