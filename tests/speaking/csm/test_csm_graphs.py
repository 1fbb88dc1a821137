"""Frames as CUDA graphs: on a stand-in for torch.cuda wherever the tests run, and on a GPU where there is one."""

import cuda_double
import numpy as np
import pytest
import tiny_csm
import torch
from csm_driver import Request, new_model, run, step, take, text_rows
from torch import Tensor

from client_caller.speaking.csm.graphs import GpuLane
from client_caller.speaking.csm.model import CsmModel

LENGTHS = (16, 24)
"""Contexts that all of the requests outgrow."""


def requests() -> list[Request]:
    """Three that join one after another, so that they run in batches of 1, 2, 3 and 2."""
    return [
        Request(text_rows([256, *range(5, 15 + 3 * slot), 257]), slot, joins=slot, frames=8, seed=slot)
        for slot in range(3)
    ]


@pytest.mark.parametrize("are_warm", [True, False])
def test_replayed_graphs_say_what_the_frame_itself_says(monkeypatch: pytest.MonkeyPatch, are_warm: bool) -> None:
    """Graphs may also be captured when they are first needed: in the middle of what others say."""
    expected, replayed = requests(), requests()
    run(new_model(lengths=LENGTHS), *expected)
    cuda_double.install(monkeypatch)
    model, lane = new_model(lengths=LENGTHS), GpuLane(torch.device("cpu"))
    model._lane = lane
    if are_warm:
        model.warm_up()
    waits = lane.stream.waits
    run(model, *replayed)
    for ours, theirs in zip(replayed, expected, strict=True):
        assert np.array_equal(ours.codes, theirs.codes)
        assert np.array_equal(ours.sound, theirs.sound)
    if are_warm:
        assert lane.stream.waits == waits + 3 + 10  # what was read, and the steps: nothing else is waited for


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_on_a_gpu_it_says_what_it_says_on_the_cpu() -> None:
    device, own = torch.device("cuda:0"), take()

    def brought(name: str, shape: tuple[int, ...]) -> Tensor:
        return own(name, shape).to(device)

    gpu = CsmModel(tiny_csm.our_config(), brought, brought, 3, device, batch=4, lengths=LENGTHS)
    cpu = new_model(lengths=LENGTHS)
    ours, theirs = requests(), requests()
    run(gpu, *ours)
    run(cpu, *theirs)
    gpu.warm_up()
    for model, said in ((gpu, ours), (cpu, theirs)):
        step(model, said)
    for our, their in zip(ours, theirs, strict=True):
        assert np.array_equal(our.codes, their.codes)
        assert np.allclose(our.sound, their.sound, atol=0.02 * np.std(their.sound))  # convolutions may use TF32
