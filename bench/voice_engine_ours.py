"""Our CSM engine, timed: frames of many streams, the first sound of a piece, what a cancelled one costs.

In:   a model's sizes and a device.     Out: rows.
Rule: every time ends with the sound on the host, where the network takes it.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from client_caller.rehearsal.figures import percentile
from client_caller.speaking.csm.config import CsmConfig, LlamaConfig
from client_caller.speaking.csm.engine import Engine
from client_caller.speaking.csm.model import CsmModel
from client_caller.speaking.csm.prompts import VoicePrompt
from client_caller.speaking.csm.protocol import FRAME_S, HZ, RANKS, TEXTLESS, Batch
from client_caller.speaking.csm.random_weights import random_take
from client_caller.speaking.csm.tokenizer import ByteTokenizer
from client_caller.speaking.csm.turns import CallerTurn, Manner, OwnTurn, Utterance
from client_caller.speaking.csm.worker import OpenCall, Worker

VOICE: Final = VoicePrompt(
    "random", "This is the voice in which all that follows is said.", np.zeros(4 * HZ, np.float32)
)
SENTENCE: Final = "Thank you for waiting. Your appointment is on Tuesday at ten."
ANSWER_S: Final = 3.0


class Shelf:
    """One voice, for who asks for any."""

    def load(self, name: str) -> VoicePrompt:
        """The voice."""
        return VOICE


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of `streams` at once: milliseconds of one batch, and how much of what memory allows is used."""

    streams: int
    p50_ms: float
    p95_ms: float
    real_time_factor: float
    bandwidth_share: float | None


def model_of(config: CsmConfig, device: torch.device, slots: int, batch: int) -> CsmModel:
    """A model of these sizes with random weights."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = CsmModel(
        config,
        random_take(config, device, dtype, 0),
        random_take(config, device, torch.float32, 0),
        slots,
        device,
        batch,
    )
    model.warm_up()
    return model


def frames(
    model: CsmModel, config: CsmConfig, streams: Sequence[int], context: int, count: int, bandwidth: float | None
) -> Iterator[Frames]:
    """`count` frames for each number of streams, each behind `context` rows. bandwidth: bytes a second, if known."""
    random = np.random.default_rng(0)
    rows = random.integers(1, config.vocabulary - 3, (context, 1 + config.codebooks), np.int32)
    rows[:, 0] = TEXTLESS
    for slot in range(max(streams)):
        model.prefill(slot, 0, rows[:-1])
    for number in streams:
        took = []
        row = np.repeat(rows[-1:], number, axis=0)
        for step in range(count + 3):
            batch = Batch(
                np.arange(number),
                np.full(number, context - 1 + step),
                row,
                np.full(number, 0.9, np.float32),
                np.full(number, 50),
                np.zeros(number, np.float32),
                random.gumbel(size=(number, config.codebooks, RANKS)).astype(np.float32),
                np.full(number, step == 0),
            )
            began = time.perf_counter()
            made = model.step(batch)
            took.append(time.perf_counter() - began)
            row = np.pad(made.codes, ((0, 0), (1, 0)), constant_values=TEXTLESS)
        took = took[3:]
        p50 = statistics.median(took)
        share = frame_bytes(config, number, context) / bandwidth / p50 if bandwidth else None
        yield Frames(number, 1000 * p50, 1000 * (percentile(took, 0.95) or 0), p50 / FRAME_S, share)


def frame_bytes(config: CsmConfig, streams: int, context: int) -> float:
    """What a batch must read at least in bfloat16: weights once, those of the depth decoder once a codebook, and KV."""
    head = config.backbone.width * config.vocabulary
    depth = (config.codebooks - 1) * (_layers(config.depth) + config.depth.width * config.vocabulary)
    cache = streams * context * config.backbone.layers * 2 * config.backbone.kv_heads * config.backbone.head_width
    return 2 * (_layers(config.backbone) + head + depth + cache)


def _layers(llama: LlamaConfig) -> float:
    heads = 2 * llama.heads + 2 * llama.kv_heads
    return llama.layers * llama.width * (heads * llama.head_width + 3 * llama.inner)


async def of_pieces(model: CsmModel, config: CsmConfig, beside: int, repeats: int) -> dict[str, list[float]]:
    """Seconds, in a call that goes on for `repeats` turns beside so many voices that never stop.

    first audio: from a piece's words, with the caller's turn of ANSWER_S before them, to its first sound; what it takes
    to encode that turn and to read all that is new lies within;  cancel: until the slot is free for another piece.
    """
    worker = Worker(
        lambda: Engine(model, ByteTokenizer(config.bos, config.eos), Shelf(), time.perf_counter),
        time.perf_counter,
        lambda: None,
    )
    await worker.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            others = [tasks.create_task(_talk_on(await worker.open(VOICE.name, Manner()))) for _ in range(beside)]
            call = await worker.open(VOICE.name, Manner())
            times = await _converse(call, repeats)
            for other in others:
                other.cancel()
        return times
    finally:
        await worker.stop()


async def _converse(call: OpenCall, repeats: int) -> dict[str, list[float]]:
    clock, made, turns = time.perf_counter, call.made(), list[OwnTurn | str]()
    first, freed = [], []
    for number in range(repeats):
        caller, name = f"c{number}", f"a{number}"
        began = clock()
        await call.hear(CallerTurn(caller, "Yes, on Tuesday, please.", np.zeros(round(ANSWER_S * HZ), np.float32)))
        await call.speak(Utterance(name, SENTENCE, (*turns[-6:], caller)))
        async for some in made:
            if len(some.sound) or some.ended:
                break
        first.append(clock() - began)
        began = clock()
        await call.cancel(name)
        async for some in made:
            if some.ended:
                break
        freed.append(clock() - began)
        turns += [caller, OwnTurn(name, FRAME_S, "Thank you")]
    return {"first audio": first, "cancel to free slot": freed}


async def _talk_on(call: OpenCall) -> None:
    """Say one piece after another, as they are played."""
    for number in itertools.count():
        await call.speak(Utterance(f"o{number}", SENTENCE))
        async for some in call.made():
            if some.ended:
                break
