"""Runs requests on a model as the engine does: prefill, then a frame at a time, joining and leaving at any step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import tiny_csm
import torch
from tiny_mimi import published

from client_caller.speaking.csm.model import CsmModel
from client_caller.speaking.csm.protocol import RANKS, TEXTLESS, Batch, Codes, FrameModel, Rows
from client_caller.speaking.csm.taking import Take


@cache
def take(codebooks: int = 8) -> Take:
    """The reference's tensors by their published names; of the tied embedding, the backbone's only."""
    tensors = published(tiny_csm.reference(codebooks))
    shared = tensors.pop("depth_decoder.model.embed_tokens.weight")
    tensors["backbone_model.embed_tokens.embed_audio_tokens.weight"] = shared

    def give(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        assert tensors[name].shape == shape, name
        return tensors[name]

    return give


def new_model(codebooks: int = 8, slots: int = 3, batch: int = 4, lengths: Sequence[int] = (32, 64)) -> CsmModel:
    """The reference's twin. Its lengths are short, so that a test crosses from one to the next."""
    own = take(codebooks)
    config = tiny_csm.our_config(codebooks)
    return CsmModel(config, own, own, slots, torch.device("cpu"), batch, lengths)


def text_rows(ids: Sequence[int], codebooks: int = 8) -> Rows:
    rows = np.zeros((len(ids), 1 + codebooks), np.int32)
    rows[:, 0] = ids
    return rows


def sound_rows(codes: Codes) -> Rows:
    return np.insert(codes, 0, TEXTLESS, axis=1).astype(np.int32)


@dataclass
class Request:
    """rows: its prompt;  slot: where it runs;  joins: the step at which it does;  frames: how many it wants."""

    rows: Rows
    slot: int
    joins: int = 0
    frames: int = 10
    temperature: float = 1.0
    top_k: int = RANKS
    seed: int | None = None
    end_bias: float = 0.0
    codes: list[Codes] = field(default_factory=list)
    sound: list[np.ndarray] = field(default_factory=list)

    @property
    def position(self) -> int:
        """Where its last row goes."""
        return len(self.rows) - 1

    def noise(self, codebooks: int) -> np.ndarray:
        """Zeros without a seed; else other noise at each position, and the same at the same one."""
        if self.seed is None:
            return np.zeros((codebooks, RANKS), np.float32)
        return np.random.default_rng((self.seed, self.position)).gumbel(size=(codebooks, RANKS)).astype(np.float32)


def step(model: FrameModel, requests: Sequence[Request]) -> None:
    """One frame for each."""
    frames = model.step(
        Batch(
            slots=np.array([each.slot for each in requests], np.int64),
            positions=np.array([each.position for each in requests], np.int64),
            rows=np.stack([each.rows[-1] for each in requests]),
            temperature=np.array([each.temperature for each in requests], np.float32),
            top_k=np.array([each.top_k for each in requests], np.int64),
            end_bias=np.array([each.end_bias for each in requests], np.float32),
            noise=np.stack([each.noise(model.codebooks) for each in requests]),
            fresh=np.array([not each.codes for each in requests]),
        )
    )
    for each, codes, sound in zip(requests, frames.codes, frames.sound, strict=True):
        each.codes.append(codes)
        each.sound.append(sound)
        each.rows = np.concatenate((each.rows, sound_rows(codes[None])))


def run(model: FrameModel, *requests: Request) -> list[Codes]:
    """Run all to their end; the codes of each, (frames, codebooks)."""
    for now in range(max(each.joins + each.frames for each in requests)):
        for each in requests:
            if each.joins == now:
                model.prefill(each.slot, 0, each.rows[:-1])
        step(model, [each for each in requests if each.joins <= now < each.joins + each.frames])
    return [np.stack(each.codes) for each in requests]
