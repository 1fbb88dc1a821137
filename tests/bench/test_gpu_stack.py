"""The benchmark of the whole stack: how late speech comes, and models that are made up in the sizes they say."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoTokenizer

from client_caller.box import memory
from client_caller.box.launch_file import read_launch_file, weights_kind
from client_caller.hearing.plausible import holds_voice
from client_caller.hearing.whisper import WhisperBatches
from client_caller.settings import HearingSettings
from gpu_stack_calls import HEARD_S, Heard, conversation, heard, speech
from gpu_stack_models import SAID, TINY, dummy_launch_file, make_gemma, make_whisper

LAUNCH = Path(__file__).parents[2] / "deploy" / "vllm" / "gemma-3-27b-a100-w4a16.yaml"


def test_speech_that_comes_in_time_is_not_late() -> None:
    assert heard([(5.0, 0.08), (5.01, 0.08), (5.16, 0.08)]) == Heard(5.0, 3, 0, 0.0)


def test_the_player_waits_for_what_is_late_and_what_follows_is_due_later() -> None:
    found = heard([(5.0, 0.1), (5.3, 0.1), (5.4, 0.1), (5.55, 0.1)])
    assert (found.frames, found.late) == (4, 2)
    assert found.late_s == pytest.approx(0.2 + 0.05)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 0.2)), min_size=1, max_size=30))
def test_silence_in_speech_is_what_its_playing_takes_beyond_its_length(steps: Sequence[tuple[float, float]]) -> None:
    arrivals, at = [], 1.0
    for wait_s, length_s in steps:
        at += wait_s
        arrivals.append((at, length_s))
    ends = arrivals[0][0]
    for came, length_s in arrivals:
        ends = max(ends, came) + length_s
    found = heard(arrivals)
    assert found.late_s == pytest.approx(ends - arrivals[0][0] - sum(length_s for _, length_s in arrivals), abs=1e-6)


def test_what_the_caller_says_would_be_decoded() -> None:
    assert holds_voice(speech(), 16_000)
    assert len(speech()) == HEARD_S * 16_000


def test_a_conversation_has_its_words_and_is_no_other_calls() -> None:
    first, second = conversation(1, 300), conversation(2, 300)
    assert 300 <= sum(len(message.content.split()) for message in first) < 340
    assert first[0] != second[0]
    assert [message.role for message in first[:3]] == ["system", "user", "assistant"]


def test_a_whisper_that_is_made_up_says_as_much_as_three_seconds_hold(tmp_path: Path) -> None:
    folder = make_whisper(tmp_path / "whisper", TINY)
    ears = WhisperBatches(HearingSettings(whisper_model=str(folder), whisper_device="cpu", workers=1), "en")
    lengths: list[int] = []
    words = ears._words

    def counted(result: object) -> str:
        lengths.append(len(result.sequences_ids[0]))  # type: ignore[attr-defined]
        return words(result)

    ears._words = counted  # type: ignore[method-assign]
    try:
        ears._decode([speech(), np.roll(speech(), 1_000)])
    finally:
        ears.close()
    assert lengths == [SAID, SAID]


@pytest.mark.long
def test_a_gemma_that_is_made_up_has_the_shape_by_which_memory_is_planned(tmp_path: Path) -> None:
    folder = make_gemma(tmp_path / "gemma", {"Hello,", "hours?"})
    config = AutoConfig.from_pretrained(folder)
    assert (config.hidden_size, config.intermediate_size, config.num_hidden_layers) == (5_376, 21_504, memory.LAYERS)
    assert config.layer_types.count("full_attention") == memory.GLOBAL_LAYERS
    assert json.loads((folder / "config.json").read_text())["quantization_config"]["config_groups"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) == memory.VOCABULARY
    assert len(tokenizer.encode("Hello, hours? Hello,", add_special_tokens=False)) == 3


def test_the_launch_file_for_it_is_the_published_one_but_for_the_weights(tmp_path: Path) -> None:
    file = dummy_launch_file(LAUNCH, tmp_path / LAUNCH.name)
    assert read_launch_file(file) == read_launch_file(LAUNCH)
    assert weights_kind(file) == "w4a16"
    assert "load-format: dummy" in file.read_text()
