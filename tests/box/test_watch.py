"""When an engine counts as hung: three misses in a row, on virtual time, and never while something gets done."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.box.vitals import ANSWER_WITHIN_S, CSM_DONE, PAGE_WITHIN_S, VLLM_DONE, Vitals, done_at
from client_caller.box.watch import EVERY_S, MISSES, until_over
from virtual import run


class Engine:
    """An engine of the mind. answers: how it does at each look, the last for ever;  ends_at: when it dies."""

    def __init__(self, answers: Iterable[str], ends_at: float = float("inf")) -> None:
        self.answers = list(answers)
        self.ends_at = ends_at
        self.looks: list[float] = []

    async def alive(self) -> str:
        self.looks.append(asyncio.get_running_loop().time())
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def ends_within(self, seconds: float) -> bool:
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, min(seconds, self.ends_at - now)))
        return now + seconds >= self.ends_at


def test_the_third_miss_in_a_row_counts() -> None:
    engine = Engine(["late", "late", "", "late", "late", "silent"])
    assert run(until_over(engine.alive, engine.ends_within)) == "silent"
    assert engine.looks == [pytest.approx(EVERY_S * number, abs=1e-3) for number in range(1, 7)]


def test_one_that_dies_by_itself_is_not_called_hung() -> None:
    assert run(until_over(Engine([""], ends_at=60.0).alive, Engine([""], ends_at=60.0).ends_within)) == ""
    just_before = Engine(["late"], ends_at=MISSES * EVERY_S)
    assert run(until_over(just_before.alive, just_before.ends_within)) == ""


@given(st.lists(st.booleans(), max_size=40))
def test_it_is_called_hung_exactly_when_three_misses_stand_in_a_row(misses: list[bool]) -> None:
    told = ["late" if miss else "" for miss in misses]
    engine = Engine([*told, ""], ends_at=EVERY_S * (len(told) + 1) - 0.1)
    three = "late,late,late" in ",".join(told)
    assert run(until_over(engine.alive, engine.ends_within)) == ("late" if three else "")


def looks(*done: float | None) -> Callable[[], Awaitable[float | None]]:
    """What the page of figures says, look after look."""
    left = list(done)

    async def look() -> float | None:
        return left.pop(0) if len(left) > 1 else left[0]

    return look


class Asked:
    """A question, and how often it was put."""

    def __init__(self, answer: str = "", after_s: float = 0.0) -> None:
        self.answer, self.after_s, self.count = answer, after_s, 0

    async def __call__(self) -> str:
        self.count += 1
        await asyncio.sleep(self.after_s)
        return self.answer


async def told(vitals: Vitals, times: int) -> list[str]:
    return [await vitals() for _ in range(times)]


def test_one_that_works_is_asked_nothing() -> None:
    asked = Asked("it should not have been asked")
    vitals = Vitals(looks(10, 12, 40, 41), asked)
    assert run(told(vitals, 1)) == [""]  # at first there is nothing to compare: asked, and it moved meanwhile
    assert asked.count == 1
    assert run(told(vitals, 2)) == ["", ""]
    assert asked.count == 1


def test_one_that_rests_is_asked_and_lives_when_it_answers() -> None:
    asked = Asked()
    assert run(told(Vitals(looks(10), asked), 3)) == ["", "", ""]
    assert asked.count == 3


def test_one_that_neither_works_nor_answers_is_doubted_within_its_time() -> None:
    async def story() -> tuple[str, float]:
        return await Vitals(looks(10), Asked(after_s=1_000.0))(), asyncio.get_running_loop().time()

    why, took_s = run(story())
    assert why == f"no answer within {ANSWER_WITHIN_S:g} s"
    assert took_s == pytest.approx(ANSWER_WITHIN_S, abs=1e-3)


def test_one_that_answers_others_while_ours_waits_is_alive() -> None:
    assert run(told(Vitals(looks(10, 55), Asked(after_s=1_000.0)), 1)) == [""]


def test_a_page_that_tells_nothing_is_no_proof_of_life_and_none_of_death() -> None:
    assert run(told(Vitals(looks(None), Asked()), 2)) == ["", ""]
    assert run(told(Vitals(looks(None), Asked("refused")), 2)) == ["refused", "refused"]
    assert run(told(Vitals(looks(5, None, 6, None), Asked("refused")), 2)) == ["refused", "refused"]


def test_a_process_that_has_begun_anew_counts_as_progress() -> None:
    assert run(told(Vitals(looks(900, 900, 3), Asked()), 2)) == ["", ""]


VLLM_PAGE = """
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="gemma-3-27b"} 1500.0
vllm:generation_tokens_total{engine="0",model_name="gemma-3-27b"} 4.2e+01
vllm:generation_tokens_created{engine="0",model_name="gemma-3-27b"} 1.7e+09
vllm:num_requests_running{engine="0",model_name="gemma-3-27b"} 3.0
"""
CSM_PAGE = "csm_calls 3\ncsm_frames 80\ncsm_refused 2\ncsm_rows_read 320\ncsm_step_s 0.01\n"


@pytest.mark.parametrize(
    ("status", "page", "counters", "done"),
    [
        (200, VLLM_PAGE, VLLM_DONE, 1542.0),
        (200, CSM_PAGE, CSM_DONE, 400.0),
        (200, "nothing of the kind\n", VLLM_DONE, None),
        (200, 'vllm:prompt_tokens_total{engine="0"} many\n', VLLM_DONE, None),
        (503, CSM_PAGE, CSM_DONE, None),
    ],
)
def test_what_the_card_has_done_is_read_from_the_page(status: int, page: str, counters: object, done: object) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert (request.url.path, request.headers["Authorization"]) == ("/metrics", "Bearer key")
        return httpx2.Response(status, text=page)

    transport = httpx2.MockTransport(answer)
    assert run(done_at("http://engine", "key", counters, transport)) == done  # type: ignore[arg-type]


def test_a_page_that_does_not_come_is_not_waited_for() -> None:
    async def silence(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(1_000.0)
        raise AssertionError

    def broken(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    async def story() -> float:
        assert await done_at("http://engine", "", VLLM_DONE, httpx2.MockTransport(broken)) is None
        assert await done_at("http://engine", "", VLLM_DONE, httpx2.MockTransport(silence)) is None
        return asyncio.get_running_loop().time()

    assert run(story()) == pytest.approx(PAGE_WITHIN_S, abs=1e-3)
