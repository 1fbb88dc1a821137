"""The memory plan: what does not fit is refused, with the sum."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.box.launch_file import LaunchFile, read_launch_file
from client_caller.box.memory import BITS, Sums, misfit, sums_of
from client_caller.errors import ConfigError

ROOT = Path(__file__).parents[2]
W4A16 = read_launch_file(ROOT / "deploy" / "vllm" / "gemma-3-27b-a100-w4a16.yaml")


def on_card(card_gib: float, slots: int = 16, **changes: float) -> Sums:
    return sums_of(W4A16.model_copy(update=changes), "w4a16", slots, card_gib)


def test_on_its_card_it_fits() -> None:
    assert misfit(on_card(79.1), 16, 79.1) == ""


def test_a_card_of_40_gb_is_refused_with_the_sum_of_vllms_share() -> None:
    assert misfit(on_card(39.4), 16, 39.4) == (
        "vLLM's share of 31.5 GiB is too small: weights 16.0 + 16 calls' histories 17.9 + CUDA and graphs 3.0 = "
        "36.9 GiB"
    )


def test_a_card_in_use_is_refused_with_the_sum_of_all() -> None:
    assert misfit(on_card(79.1), 16, 60.0) == (
        "vLLM's share 63.3 + voice 5.7 + ears 3.0 = 72.0 GiB, and 60.0 of the card's 79.1 GiB are free"
    )


def test_more_calls_than_the_engines_are_set_up_for_are_refused() -> None:
    assert misfit(on_card(79.1), 17, 79.1) == "17 calls at once, and vLLM is set up for 16 and the voice for 16"
    assert misfit(on_card(79.1, slots=8), 16, 79.1) == "16 calls at once, and vLLM is set up for 16 and the voice for 8"


def test_weights_of_a_kind_that_nobody_knows_are_refused() -> None:
    with pytest.raises(ConfigError, match="int3"):
        sums_of(W4A16, "int3", 16, 79.1)


@given(
    kind=st.sampled_from(sorted(BITS)),
    card_gib=st.floats(8, 200),
    used_gib=st.floats(0, 50),
    slots=st.integers(1, 64),
    requests=st.integers(2, 128),
    share=st.floats(0.05, 1),
)
def test_what_is_not_refused_never_needs_more_than_is_free(
    kind: str, card_gib: float, used_gib: float, slots: int, requests: int, share: float
) -> None:
    launch: LaunchFile = W4A16.model_copy(update={"requests": requests, "share": share})
    sums = sums_of(launch, kind, slots, card_gib)
    free_gib = card_gib - used_gib
    if misfit(sums, 1, free_gib) == "":
        assert sums.fits
        assert sums.share + sums.voice + sums.ears <= free_gib
        assert sums.weights + sums.histories + sums.rest <= sums.share


@given(slots=st.integers(1, 200), more=st.integers(1, 50))
def test_each_further_voice_takes_64_mib(slots: int, more: int) -> None:
    difference = on_card(79.1, slots + more).voice - on_card(79.1, slots).voice
    assert difference == pytest.approx(more * 64 / 1024)
