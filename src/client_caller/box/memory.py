"""The memory plan: what a card must hold when Gemma 3 27B by vLLM, the voice (CSM) and the ears (Whisper) share it.

In:   what the launch file says, how the weights are kept, how many voices speak at once, the size of the card.
Out:  the sums, in GiB, and a sentence with all of them when they do not fit.
Rule: pure. What the architectures tell is computed; what only a running card tells is planned, and says so.
      `deploy/vllm/memory.py` prints these sums for all launch files.
"""

import math
from dataclasses import dataclass
from typing import Final

from client_caller.box.launch_file import LaunchFile
from client_caller.errors import ConfigError

GIB: Final = 2**30

# Gemma 3 27B. Source: transformers, models/gemma3/convert_gemma3_weights.py, the variant gemma3_27b; the last layer of
# every six looks at everything (`_sliding_window_pattern` of Gemma3TextConfig); 64 tokens for images come on top.
VOCABULARY: Final = 262_144 + 64
WIDTH: Final = 5_376
INNER_WIDTH: Final = 21_504
LAYERS: Final = 62
HEADS, KEY_HEADS, HEAD_WIDTH = 32, 16, 128
WINDOW: Final = 1_024
GLOBAL_LAYERS: Final = LAYERS // 6
LOCAL_LAYERS: Final = LAYERS - GLOBAL_LAYERS
LOCAL_GROUPS: Final = math.ceil(LOCAL_LAYERS / GLOBAL_LAYERS)

BITS: Final = {"w4a16": 4.5, "fp8": 8.0, "bf16": 16.0}
"""Of a weight in a linear layer. 4.5: four, and a scale of 16 bits per 32 weights, the finest grouping in use (Q4_0 of
Google's QAT weights); checkpoints that group by 128 take 0.4 less. Embeddings stay in 16 bits in all of them."""

# vLLM 0.33.0, v1/core/kv_cache_planning.py and v1/kv_cache_interface.py.
BLOCK: Final = 16
BATCHES_IN_FLIGHT: Final = 2
REQUESTS_A_CALL: Final = 2
"""A call has a reply under way and perhaps a summary of its older turns; both read the same cached history."""

VLLM_REST_GIB: Final = 3.0
"""Planned: CUDA context, activations of one batch, captured graphs. vLLM prints what it took when it starts."""

# CSM-1B. Source: transformers, CsmConfig and CsmDepthDecoderConfig, whose defaults are those of sesame/csm-1b.
CSM_POSITIONS: Final = 2_048
MIMI_PARAMETERS: Final = 96_000_000
"""Source: the model card of kyutai/mimi. They are kept in 32 bits."""
CSM_REST_GIB: Final = 1.5
"""Planned: CUDA context, graphs and work space."""

WHISPER_PARAMETERS: Final = 809_000_000
"""large-v3-turbo. Source: the table in the README of openai/whisper. Kept in 16 bits."""
WHISPER_REST_GIB: Final = 1.5
"""Planned: CUDA context and the work space of a batch."""


@dataclass(frozen=True, slots=True)
class Sums:
    """One plan, in GiB unless it says otherwise.

    calls: at once;  tokens: of each, at most;  slots: voices at once;  kept: calls.
    """

    calls: int
    tokens: int
    slots: int
    weights: float
    histories: float
    rest: float
    share: float
    voice: float
    ears: float
    card: float
    kept: int

    @property
    def left_in_share(self) -> float:
        """For the prefix cache, beyond what the calls at once need."""
        return self.share - self.weights - self.histories - self.rest

    @property
    def total(self) -> float:
        """Of the card, when everything runs."""
        return self.share + self.voice + self.ears

    @property
    def free(self) -> float:
        """Of the card, beside all that."""
        return self.card - self.total

    @property
    def fits(self) -> bool:
        """Both the share and the card hold what they must."""
        return self.left_in_share >= 0 and self.free >= 0


def sums_of(launch: LaunchFile, kind: str, slots: int, card_gib: float) -> Sums:
    """The plan of a launch file. kind: a key of BITS;  slots: of the voice. Raises ConfigError for an unknown kind."""
    if kind not in BITS:
        raise ConfigError(
            f"CLIENT_CALLER_BOX__VLLM: nothing is known of weights kept as {kind!r}; the file's name must end in "
            f"-{', -'.join(BITS)}"
        )
    calls = launch.requests // REQUESTS_A_CALL
    being_read = LOCAL_GROUPS * math.ceil(BATCHES_IN_FLIGHT * launch.batched_tokens / BLOCK)
    share = launch.share * card_gib
    weights = gemma_weights(BITS[kind])
    whole = (1 + LOCAL_GROUPS) * math.ceil(launch.tokens / BLOCK)
    return Sums(
        calls=calls,
        tokens=launch.tokens,
        slots=slots,
        weights=weights,
        histories=(calls * history_blocks(launch.tokens) + being_read) * block_gib(),
        rest=VLLM_REST_GIB,
        share=share,
        voice=csm(slots),
        ears=2 * WHISPER_PARAMETERS / GIB + WHISPER_REST_GIB,
        card=card_gib,
        kept=max(0, int((share - weights - VLLM_REST_GIB) / block_gib()) // whole),
    )


def misfit(sums: Sums, calls: int, free_gib: float) -> str:
    """Why the machine cannot be started so, with the sum; empty if it can.

    calls: that will be held at once;  free_gib: of the card, before anything of ours runs.
    """
    if sums.left_in_share < 0:
        return (
            f"vLLM's share of {sums.share:.1f} GiB is too small: weights {sums.weights:.1f} + {sums.calls} calls' "
            f"histories {sums.histories:.1f} + CUDA and graphs {sums.rest:.1f} = "
            f"{sums.share - sums.left_in_share:.1f} GiB"
        )
    if sums.total > free_gib:
        return (
            f"vLLM's share {sums.share:.1f} + voice {sums.voice:.1f} + ears {sums.ears:.1f} = {sums.total:.1f} GiB, "
            f"and {free_gib:.1f} of the card's {sums.card:.1f} GiB are free"
        )
    if calls > min(sums.calls, sums.slots):
        return f"{calls} calls at once, and vLLM is set up for {sums.calls} and the voice for {sums.slots}"
    return ""


def gemma_weights(bits: float) -> float:
    """GiB of the text model; vLLM leaves out the vision tower where no image is allowed."""
    attention = 2 * WIDTH * HEADS * HEAD_WIDTH + 2 * WIDTH * KEY_HEADS * HEAD_WIDTH
    linear = LAYERS * (attention + 3 * WIDTH * INNER_WIDTH)
    return (linear * bits / 8 + VOCABULARY * WIDTH * 2) / GIB


def block_gib() -> float:
    """One block of the KV cache: vLLM sorts the layers into groups of as many as look at everything."""
    per_layer = 2 * KEY_HEADS * HEAD_WIDTH * 2
    return GLOBAL_LAYERS * BLOCK * per_layer / GIB


def history_blocks(tokens: int) -> int:
    """Of one call: all of it in the global layers, the window in the local ones and the block that it begins in."""
    return math.ceil(tokens / BLOCK) + LOCAL_GROUPS * (math.ceil(min(WINDOW, tokens) / BLOCK) + 1)


def csm(slots: int) -> float:
    """GiB of the voice with so many slots."""
    width, inner, depth_width = 2_048, 8_192, 1_024
    backbone = 16 * (2 * width * width + 2 * width * 512 + 3 * width * inner)
    depth = 4 * (2 * depth_width * depth_width + 2 * depth_width * 256 + 3 * depth_width * inner)
    embeddings = 128_256 * width + 32 * 2_051 * width
    heads = width * depth_width + 31 * depth_width * 2_051 + width * 2_051
    cache = slots * CSM_POSITIONS * 16 * 2 * 8 * 64 * 2
    parameters = backbone + depth + embeddings + heads
    return (2 * parameters + 4 * MIMI_PARAMETERS + cache) / GIB + CSM_REST_GIB
