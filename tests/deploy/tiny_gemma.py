"""A Gemma 3 of random weights, made in a moment: it says nonsense, but servers treat it like the real one.

Its chat has Gemma's own marks, its layers Gemma's sliding windows, five to one that looks at everything.
Sources: llama.cpp's conversion of Gemma 3 (convert_hf_to_gguf.py) for the keys, the gguf package for the names.
"""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

TEMPLATE = (Path(__file__).parents[2] / "deploy" / "vllm" / "gemma3_tools.jinja").read_text(encoding="utf-8")

_WIDTH, _INNER_WIDTH = 32, 64
_HEADS, _HEAD_WIDTH = 2, 16
_LAYERS = 6
_WINDOW = 1024
"""As of Gemma 3 27B."""
_PLACES = 8192

_MARKS = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_LETTERS = ["▁", *map(chr, range(33, 127)), "\n"]
_TOKENS = [*_MARKS, *_BYTES, *_LETTERS]

START_OF_TURN = _MARKS.index("<start_of_turn>")
END_OF_TURN = _MARKS.index("<end_of_turn>")
BOS = _MARKS.index("<bos>")


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer with Gemma's marks and our chat template, every other letter a token of its own."""
    numbers = {token: number for number, token in enumerate(_TOKENS)}
    tokenizer = Tokenizer(models.BPE(numbers, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in _MARKS])
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>")
    wrapped.chat_template = TEMPLATE
    return wrapped


def make_tiny_gemma(path: Path, seed: int = 0) -> Path:
    """Write a model for llama.cpp. It never says a mark, so its replies end where they are told to."""
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.GEMMA3])
    writer.add_context_length(_PLACES)
    writer.add_embedding_length(_WIDTH)
    writer.add_feed_forward_length(_INNER_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(1)
    writer.add_key_length(_HEAD_WIDTH)
    writer.add_value_length(_HEAD_WIDTH)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_sliding_window(_WINDOW)
    writer.add_rope_freq_base(1e6)
    _add_vocabulary(writer)
    for name, weights in _weights(np.random.default_rng(seed)):
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    kinds = [gguf.TokenType.CONTROL] * len(_MARKS)
    kinds += [gguf.TokenType.BYTE] * len(_BYTES) + [gguf.TokenType.NORMAL] * len(_LETTERS)
    writer.add_tokenizer_model("llama")  # SentencePiece, as Gemma's
    writer.add_tokenizer_pre("default")
    writer.add_token_list(_TOKENS)
    writer.add_token_scores([-float(number) for number in range(len(_TOKENS))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(_MARKS.index("<eos>"))
    writer.add_eot_token_id(END_OF_TURN)
    writer.add_unk_token_id(_MARKS.index("<unk>"))
    writer.add_pad_token_id(_MARKS.index("<pad>"))
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


def _weights(chance: np.random.Generator) -> Iterator[tuple[str, NDArray[np.float32]]]:
    def matrix(outputs: int, inputs: int) -> NDArray[np.float32]:
        return chance.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32)

    embedding = matrix(len(_TOKENS), _WIDTH)
    embedding[: -len(_LETTERS)] = 0  # the likeliest token is always a letter
    yield "token_embd.weight", embedding
    yield "output_norm.weight", np.ones(_WIDTH, np.float32)
    for layer in range(_LAYERS):
        shapes = {
            "attn_q": (_HEADS * _HEAD_WIDTH, _WIDTH),
            "attn_k": (_HEAD_WIDTH, _WIDTH),
            "attn_v": (_HEAD_WIDTH, _WIDTH),
            "attn_output": (_WIDTH, _HEADS * _HEAD_WIDTH),
            "ffn_gate": (_INNER_WIDTH, _WIDTH),
            "ffn_up": (_INNER_WIDTH, _WIDTH),
            "ffn_down": (_WIDTH, _INNER_WIDTH),
        }
        for name, shape in shapes.items():
            yield f"blk.{layer}.{name}.weight", matrix(*shape)
        for name in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
            yield f"blk.{layer}.{name}.weight", np.ones(_WIDTH, np.float32)
        for name in ("attn_q_norm", "attn_k_norm"):
            yield f"blk.{layer}.{name}.weight", np.ones(_HEAD_WIDTH, np.float32)
