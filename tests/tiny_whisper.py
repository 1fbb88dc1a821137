"""A Whisper of random weights, made in a second: it says nonsense, but the same nonsense for the same sound.

Its layers are scaled so that what it says depends on what it hears, and so that it is sure of it.
"""

import json
from pathlib import Path
from string import ascii_lowercase

import numpy as np
from ctranslate2.specs import WhisperSpec
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

_WIDTH = 32
_HEADS = 2
_LAYERS = 2
_PLACES = 448
_MULTILINGUAL = ""
"""Source: CTranslate2, `WhisperReplica`: the vocabularies of models for many languages have this token."""

_SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|de|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]


def make_tiny_whisper(folder: Path, mels: int = 80, seed: int = 0, sure: float = 4.0, mute: bool = False) -> Path:
    """Write a model for faster-whisper into `folder`.

    sure: the larger, the surer it is of what it says, which is lower-case letters;  mute: it holds that nobody spoke.
    """
    folder.mkdir(parents=True)
    letters = [*sorted(pre_tokenizers.ByteLevel.alphabet()), _MULTILINGUAL]
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in _SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": mels}))

    spec = WhisperSpec(_LAYERS, _HEADS, _LAYERS, _HEADS)
    tokens = letters + _SPECIAL + [f"<|{number * 0.02:.2f}|>" for number in range(1501)]
    _fill(spec, mels, len(tokens), np.random.default_rng(seed))
    said = [token in {*ascii_lowercase, "<|endoftext|>"} for token in tokens]
    spec.decoder.projection.weight = np.where(np.array(said)[:, None], sure * spec.decoder.projection.weight, 0)
    spec.decoder.projection.bias = np.zeros(len(tokens), np.float32)
    spec.decoder.projection.bias[tokens.index("<|endoftext|>")] = 3 * sure
    spec.decoder.projection.bias[tokens.index("<|nospeech|>")] = 100 * mute
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], [letters.index("Ġ"), len(letters)]
    spec.config.lang_ids = [len(letters) + 2, len(letters) + 3]
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.save(str(folder))
    return folder


def _fill(spec: WhisperSpec, mels: int, tokens: int, chance: np.random.Generator) -> None:
    def random(*shape: int, scale: float = 1.0) -> np.ndarray:
        return (scale * chance.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    def linear(layer: object, outputs: int, inputs: int, scale: float = 1.0) -> None:
        layer.weight, layer.bias = random(outputs, inputs, scale=scale), np.zeros(outputs, np.float32)

    def norm(layer: object) -> None:
        layer.gamma, layer.beta = np.ones(_WIDTH, np.float32), np.zeros(_WIDTH, np.float32)

    def attend(layer: object, scale: float = 1.0) -> None:
        norm(layer.layer_norm)
        for part, share in zip(layer.linear, {2: (3, 1), 3: (1, 2, 1)}[len(layer.linear)], strict=True):
            linear(part, share * _WIDTH, _WIDTH, scale)

    def finish(layer: object) -> None:
        norm(layer.ffn.layer_norm)
        linear(layer.ffn.linear_0, 4 * _WIDTH, _WIDTH)
        linear(layer.ffn.linear_1, _WIDTH, 4 * _WIDTH)

    encoder, decoder = spec.encoder, spec.decoder
    for conv, inputs in ((encoder.conv1, mels), (encoder.conv2, _WIDTH)):
        conv.weight = random(_WIDTH, inputs, 3, scale=np.sqrt(3 / inputs))
        conv.bias = np.zeros(_WIDTH, np.float32)
    encoder.position_encodings.encodings = random(1500, _WIDTH, scale=0.1)
    norm(encoder.layer_norm)
    for layer in encoder.layer:
        attend(layer.self_attention)
        finish(layer)
    decoder.embeddings.weight = random(tokens, _WIDTH, scale=2.0)
    decoder.position_encodings.encodings = random(_PLACES, _WIDTH, scale=2.0)
    norm(decoder.layer_norm)
    for layer in decoder.layer:
        attend(layer.self_attention)
        attend(layer.attention, scale=3.0)
        finish(layer)
    decoder.projection.weight = random(tokens, _WIDTH, scale=np.sqrt(_WIDTH))


def sounds(count: int) -> list[np.ndarray]:
    """Seconds of swelling tone, 16 kHz, each of another pitch: what a model has another thing to say to."""
    time_s = np.arange(16_000) / 16_000
    hiss = np.random.default_rng(1).normal(0, 0.001, (count, 16_000))
    tones = [time_s / 2 * np.sin(2 * np.pi * 85 * (number + 1) * time_s) for number in range(count)]
    return list((np.array(tones) + hiss).astype(np.float32))
