"""How many replicas are wanted: by requests, and by how long callers wait."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray_parts import policy, telling

from virtual import run

AIM_S = 0.5


def wanted(replicas: int, requests: float, *waits: float) -> float:
    seen = SimpleNamespace(
        current_num_replicas=replicas,
        total_num_requests=requests,
        aggregated_metrics={telling.P95: dict(enumerate(waits))} if waits else {},
        config=SimpleNamespace(get_target_ongoing_requests=lambda: 2),
    )
    number, remembered = policy.ByLatency(AIM_S)(seen)
    assert remembered == {}
    return number


def test_while_nobody_waits_for_long_requests_decide() -> None:
    assert wanted(3, 8) == wanted(3, 8, 0.1, 0.2) == 4
    assert wanted(3, 0) == 0  # Serve keeps the least


def test_who_waits_too_long_gets_more_than_requests_ask_for() -> None:
    assert wanted(2, 2, 0.1, 0.75) == pytest.approx(3)


def test_one_decision_at_most_doubles() -> None:
    assert wanted(2, 2, 60.0) == 4


def test_near_the_aim_none_is_taken_away() -> None:
    assert wanted(3, 2, 0.45) == 3


@given(st.integers(1, 50), st.floats(0, 200), st.lists(st.floats(0, 100), max_size=5))
def test_there_are_never_fewer_than_requests_ask_for(replicas: int, requests: float, waits: list[float]) -> None:
    number = wanted(replicas, requests, *waits)
    assert requests / 2 <= number <= max(requests / 2, 2 * replicas)
    if max(waits, default=0) > AIM_S:
        assert number >= replicas


def test_only_what_was_waited_for_of_late_counts() -> None:
    async def scene() -> list[dict[str, float]]:
        import asyncio

        loop, waits = asyncio.get_running_loop(), telling.Waits(recent_s=20.0)
        found = [waits.figures()]
        began_at = loop.time()
        await asyncio.sleep(2.0)
        waits.note(began_at)
        with waits.noting():
            await asyncio.sleep(1.0)
        found.append(waits.figures())
        await asyncio.sleep(19.5)
        found.append(waits.figures())
        await asyncio.sleep(1.0)
        return [*found, waits.figures()]

    never, both, one, none = (each[telling.P95] for each in run(scene()))
    assert (never, none) == (0.0, 0.0)
    assert both == pytest.approx(2.0)
    assert one == pytest.approx(1.0)


def test_a_wait_that_ended_in_an_error_is_none() -> None:
    async def scene() -> Any:
        waits = telling.Waits()
        with pytest.raises(ValueError, match="broken"), waits.noting():
            raise ValueError("broken")
        return waits.figures()

    assert run(scene()) == {telling.P95: 0.0}
