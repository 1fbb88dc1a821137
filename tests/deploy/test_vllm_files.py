"""The launch files for vLLM hold only what vLLM knows, with a reason for each value, and fit on the card."""

import importlib.util
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from client_caller.box import memory as plan
from client_caller.settings import ServerSettings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "vllm"
FILES = sorted(FOLDER.glob("*.yaml"))
EVERY_FILE = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)

ARGUMENTS = {
    line
    for line in (Path(__file__).parent / "vllm_serve_arguments.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
}

TELL_APART = {"model", "max-model-len", "max-num-seqs"}
"""What may differ from variant to variant; all else is the same."""

GEMMA_READS = 131_072
"""Tokens. Source: Gemma3TextConfig, max_position_embeddings."""

HOLDS: dict[str, Callable[[Any], bool]] = {
    "model": lambda name: name.count("/") == 1,
    "served-model-name": lambda name: name == "gemma-3-27b",
    "host": lambda host: host == "127.0.0.1",
    "port": lambda port: 1024 <= port <= 65535 and port != ServerSettings.model_fields["port"].default,
    "dtype": lambda kind: kind == "bfloat16",
    "gpu-memory-utilization": lambda share: 0.5 <= share <= 0.9,
    "max-model-len": lambda tokens: 4096 <= tokens <= GEMMA_READS,
    "max-num-seqs": lambda requests: 2 <= requests <= 64 and requests % 2 == 0,
    "max-num-batched-tokens": lambda tokens: 256 <= tokens <= 2048,
    "enable-chunked-prefill": lambda on: on is True,
    "enable-prefix-caching": lambda on: on is True,
    "disable-hybrid-kv-cache-manager": lambda off: off is False,
    "limit-mm-per-prompt": lambda limits: limits == {"image": 0},
    "chat-template": lambda path: (ROOT / path).is_file(),
    "chat-template-content-format": lambda form: form == "string",
    "enable-auto-tool-choice": lambda on: on is True,
    "tool-call-parser": lambda parser: parser == "pythonic",
    "generation-config": lambda source: source == "vllm",
    "max-logprobs": lambda tokens: tokens >= 20,
    "enable-prompt-tokens-details": lambda on: on is True,
    "enable-log-requests": lambda on: on is False,
    "enable-log-outputs": lambda on: on is False,
}
"""Every key that a file must have, and what its value must be."""


def settings_of(file: Path) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return settings


@pytest.fixture(scope="module")
def memory() -> ModuleType:
    """deploy/vllm/memory.py, which is a script and no part of the package."""
    spec = importlib.util.spec_from_file_location("memory_of_the_card", FOLDER / "memory.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_there_is_a_file_for_each_way_of_keeping_the_weights(memory: ModuleType) -> None:
    assert set(memory.VARIANTS.values()) == set(FILES)


@EVERY_FILE
def test_every_key_is_an_argument_of_vllm(file: Path) -> None:
    assert set(settings_of(file)) <= ARGUMENTS


@EVERY_FILE
def test_every_value_is_what_a_telephone_needs(file: Path) -> None:
    settings = settings_of(file)
    assert settings.keys() == HOLDS.keys()
    assert [key for key, holds in HOLDS.items() if not holds(settings[key])] == []
    assert settings["max-num-batched-tokens"] >= settings["max-num-seqs"], "vLLM refuses it otherwise"


@EVERY_FILE
def test_every_value_has_its_reason(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if line and not line.startswith("#"):
            assert before.startswith("# "), line


@EVERY_FILE
def test_no_file_holds_a_key(file: Path) -> None:
    assert "api-key" not in settings_of(file)
    assert "VLLM_API_KEY=" in file.read_text(encoding="utf-8")
    assert f"--config {file.relative_to(ROOT)}" in file.read_text(encoding="utf-8")


def test_the_files_differ_in_the_weights_and_in_what_room_these_leave() -> None:
    common = [{key: value for key, value in settings_of(file).items() if key not in TELL_APART} for file in FILES]
    assert common[1:] == common[:-1]


@pytest.mark.parametrize("variant", ["w4a16", "fp8", "bf16"])
def test_it_fits_on_the_card_beside_the_voice_and_the_ears(memory: ModuleType, variant: str) -> None:
    sums = memory.sums(variant)
    assert sums.fits
    assert sums.free >= 2, "room for what was planned too small"


def test_the_sums_are_those_of_the_architecture(memory: ModuleType) -> None:
    """Against figures that others published, to a twentieth."""
    billion = 1e9 / plan.GIB
    assert plan.gemma_weights(16) == pytest.approx(2 * 27.0 * billion, rel=0.05)  # "27B"
    assert plan.gemma_weights(4.5) == pytest.approx(17.2 * billion, rel=0.05)  # Google's Q4_0 file, 17.2 GB
    assert (plan.csm(memory.CSM_SLOTS) - plan.CSM_REST_GIB) == pytest.approx((3.1 + 0.4) * billion + 1.0, rel=0.05)
    assert (plan.LOCAL_LAYERS, plan.GLOBAL_LAYERS) == (52, 10)


def test_it_does_not_fit_when_a_share_is_too_small_or_too_large(
    memory: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for share in (0.7, 0.95):
        wrong = tmp_path / "wrong.yaml"
        wrong.write_text(yaml.safe_dump(settings_of(memory.VARIANTS["bf16"]) | {"gpu-memory-utilization": share}))
        monkeypatch.setitem(memory.VARIANTS, "bf16", wrong)
        assert not memory.sums("bf16").fits


def test_the_table_in_the_documents_is_what_the_script_prints(memory: ModuleType) -> None:
    assert memory.table() in (ROOT / "docs" / "gemma.md").read_text(encoding="utf-8")
