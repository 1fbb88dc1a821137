"""What one A100 of 80 GB must hold: Gemma 3 27B by vLLM, beside the voice (CSM) and the ears (Whisper).

    python deploy/vllm/memory.py

In:   the launch files beside this one.     Out: a table in GiB, the one in docs/gemma.md.
Rule: what the architectures tell is computed; what only a running card tells is planned, and says so.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import yaml

GIB = 2**30
FOLDER = Path(__file__).parent
VARIANTS = {
    "w4a16": FOLDER / "gemma-3-27b-a100-w4a16.yaml",
    "fp8": FOLDER / "gemma-3-27b-a100-fp8.yaml",
    "bf16": FOLDER / "gemma-3-27b-a100-bf16.yaml",
}

CARD_GIB = 79.1
"""Of 80 GB cards CUDA reports 79.1 GiB (in the texts of out-of-memory errors: "a total capacity of 79.14 GiB")."""

# Gemma 3 27B. Source: transformers, models/gemma3/convert_gemma3_weights.py, the variant gemma3_27b; the last layer of
# every six looks at everything (`_sliding_window_pattern` of Gemma3TextConfig); 64 tokens for images come on top.
VOCABULARY = 262_144 + 64
WIDTH = 5_376
INNER_WIDTH = 21_504
LAYERS = 62
HEADS, KEY_HEADS, HEAD_WIDTH = 32, 16, 128
WINDOW = 1_024
GLOBAL_LAYERS = LAYERS // 6
LOCAL_LAYERS = LAYERS - GLOBAL_LAYERS

BITS = {"w4a16": 4.5, "fp8": 8.0, "bf16": 16.0}
"""Of a weight in a linear layer. 4.5: four, and a scale of 16 bits per 32 weights, the finest grouping in use (Q4_0 of
Google's QAT weights); checkpoints that group by 128 take 0.4 less. Embeddings stay in 16 bits in all of them."""

# vLLM 0.33.0, v1/core/kv_cache_planning.py and v1/kv_cache_interface.py.
BLOCK = 16
BATCHES_IN_FLIGHT = 2
REQUESTS_A_CALL = 2
"""A call has a reply under way and perhaps a summary of its older turns; both read the same cached history."""

VLLM_REST_GIB = 3.0
"""Planned: CUDA context, activations of one batch, captured graphs. vLLM prints what it took when it starts."""

# CSM-1B. Source: transformers, CsmConfig and CsmDepthDecoderConfig, whose defaults are those of sesame/csm-1b.
CSM_SLOTS = 16
CSM_POSITIONS = 2_048
MIMI_PARAMETERS = 96_000_000
"""Source: the model card of kyutai/mimi. They are kept in 32 bits."""
CSM_REST_GIB = 1.5
"""Planned: CUDA context, graphs and work space."""

WHISPER_PARAMETERS = 809_000_000
"""large-v3-turbo. Source: the table in the README of openai/whisper. Kept in 16 bits."""
WHISPER_REST_GIB = 1.5
"""Planned: CUDA context and the work space of a batch."""


@dataclass(frozen=True)
class Sums:
    """One variant, in GiB unless it says otherwise. calls: at once;  tokens: of each, at most;  kept: calls."""

    calls: int
    tokens: int
    weights: float
    histories: float
    rest: float
    share: float
    voice: float
    ears: float
    kept: int

    @property
    def left_in_share(self) -> float:
        """For the prefix cache, beyond what the calls at once need."""
        return self.share - self.weights - self.histories - self.rest

    @property
    def free(self) -> float:
        """Of the card, when everything runs."""
        return CARD_GIB - self.share - self.voice - self.ears

    @property
    def fits(self) -> bool:
        """Both the share and the card hold what they must."""
        return self.left_in_share >= 0 and self.free >= 0


def gemma_weights(bits: float) -> float:
    """GiB of the text model; vLLM leaves out the vision tower where no image is allowed."""
    attention = 2 * WIDTH * HEADS * HEAD_WIDTH + 2 * WIDTH * KEY_HEADS * HEAD_WIDTH
    linear = LAYERS * (attention + 3 * WIDTH * INNER_WIDTH)
    return (linear * bits / 8 + VOCABULARY * WIDTH * 2) / GIB


def block_gib() -> float:
    """One block of the KV cache: vLLM sorts the layers into groups of as many as look at everything."""
    per_layer = 2 * KEY_HEADS * HEAD_WIDTH * 2
    return GLOBAL_LAYERS * BLOCK * per_layer / GIB


LOCAL_GROUPS = math.ceil(LOCAL_LAYERS / GLOBAL_LAYERS)


def history_blocks(tokens: int) -> int:
    """Of one call: all of it in the global layers, the window in the local ones and the block that it begins in."""
    return math.ceil(tokens / BLOCK) + LOCAL_GROUPS * (math.ceil(min(WINDOW, tokens) / BLOCK) + 1)


def csm() -> float:
    """GiB of the voice with all its slots."""
    width, inner, depth_width = 2_048, 8_192, 1_024
    backbone = 16 * (2 * width * width + 2 * width * 512 + 3 * width * inner)
    depth = 4 * (2 * depth_width * depth_width + 2 * depth_width * 256 + 3 * depth_width * inner)
    embeddings = 128_256 * width + 32 * 2_051 * width
    heads = width * depth_width + 31 * depth_width * 2_051 + width * 2_051
    cache = CSM_SLOTS * CSM_POSITIONS * 16 * 2 * 8 * 64 * 2
    parameters = backbone + depth + embeddings + heads
    return (2 * parameters + 4 * MIMI_PARAMETERS + cache) / GIB + CSM_REST_GIB


def sums(name: str) -> Sums:
    """The sums of one launch file."""
    settings = yaml.safe_load(VARIANTS[name].read_text(encoding="utf-8"))
    calls = settings["max-num-seqs"] // REQUESTS_A_CALL
    tokens = settings["max-model-len"]
    being_read = LOCAL_GROUPS * math.ceil(BATCHES_IN_FLIGHT * settings["max-num-batched-tokens"] / BLOCK)
    share = settings["gpu-memory-utilization"] * CARD_GIB
    weights = gemma_weights(BITS[name])
    whole = (1 + LOCAL_GROUPS) * math.ceil(tokens / BLOCK)
    return Sums(
        calls=calls,
        tokens=tokens,
        weights=weights,
        histories=(calls * history_blocks(tokens) + being_read) * block_gib(),
        rest=VLLM_REST_GIB,
        share=share,
        voice=csm(),
        ears=2 * WHISPER_PARAMETERS / GIB + WHISPER_REST_GIB,
        kept=int((share - weights - VLLM_REST_GIB) / block_gib()) // whole,
    )


def table() -> str:
    """All variants side by side, as Markdown."""
    columns = [sums(name) for name in VARIANTS]
    rows: list[tuple[str, list[str]]] = [
        ("calls at once", [str(each.calls) for each in columns]),
        ("tokens of each at most", [str(each.tokens) for each in columns]),
        ("weights", [f"{each.weights:.1f}" for each in columns]),
        ("KV cache of these calls, full to the last token", [f"{each.histories:.1f}" for each in columns]),
        ("CUDA context, activations, graphs (planned)", [f"{each.rest:.1f}" for each in columns]),
        ("left in vLLM's share for prefixes of calls that rest", [f"{each.left_in_share:.1f}" for each in columns]),
        ("**vLLM's share**", [f"**{each.share:.1f}**" for each in columns]),
        (f"CSM with {CSM_SLOTS} slots, Mimi (partly planned)", [f"{each.voice:.1f}" for each in columns]),
        ("Whisper large-v3-turbo (partly planned)", [f"{each.ears:.1f}" for each in columns]),
        (f"**free of {CARD_GIB}**", [f"**{each.free:.1f}**" for each in columns]),
        ("histories kept whole, if no layer forgets", [str(each.kept) for each in columns]),
    ]
    lines = [f"| GiB | {' | '.join(VARIANTS)} |", f"|---|{'---:|' * len(VARIANTS)}"]
    return "\n".join(lines + [f"| {what} | {' | '.join(values)} |" for what, values in rows])


if __name__ == "__main__":
    print(table())
