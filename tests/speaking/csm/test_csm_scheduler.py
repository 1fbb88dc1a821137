"""The order of work: rules one by one, then whole evenings of calls on a virtual clock."""

import random
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from client_caller.speaking.csm.protocol import FRAME_S
from client_caller.speaking.csm.scheduler import LOOK_AHEAD_S, TARGET_S, Scheduler, SlotNeed, Work


def running(slot: int, ahead_s: float, unread: int = 0) -> SlotNeed:
    return SlotNeed(slot, ahead_s, unread, begun=True)


def waiting(slot: int, unread: int = 0) -> SlotNeed:
    return SlotNeed(slot, 0.0, unread, begun=False)


def measured(batch: int = 4, step_s: float = 0.010, row_s: float = 0.0001) -> Scheduler:
    """One whose steps always take so long, and whose reading so long a row."""
    scheduler = Scheduler(batch)
    for size in range(11):
        scheduler.measured_prefill(1 << size, row_s * (1 << size))
    for size in range(batch.bit_length()):
        scheduler.measured_step(1 << size, step_s)
    return scheduler


def test_without_slots_there_is_nothing_to_wait_for() -> None:
    assert measured().plan([]) == Work(wait_s=inf)


def test_while_all_have_enough_in_hand_the_engine_rests_until_one_has_not() -> None:
    work = measured().plan([running(0, 0.40), running(1, 0.30)])
    assert work.wait_s == pytest.approx(0.06)
    assert measured().plan([running(0, 0.40), running(1, TARGET_S)]).frames == (1, 0)


def test_when_one_needs_a_frame_all_who_have_room_get_one() -> None:
    work = measured().plan([running(0, LOOK_AHEAD_S - 0.01), running(1, 0.50), running(2, 0.20)])
    assert work == Work(frames=(2, 1))


def test_of_more_slots_than_a_batch_has_places_the_most_urgent_get_them() -> None:
    needs = [running(slot, 0.20 + 0.05 * slot) for slot in range(5)]
    assert measured(batch=2).plan(needs[::-1]).frames == (0, 1)


def test_who_waits_for_a_first_frame_comes_before_those_who_only_need_one_soon() -> None:
    assert measured().plan([running(0, 0.20), running(1, 0.30), waiting(2)]).frames == (2, 0, 1)


def test_but_not_before_a_voice_that_would_fall_silent() -> None:
    assert measured(batch=1).plan([waiting(2), running(0, 0.08)]).frames == (0,)


def test_the_first_to_wait_is_the_first_to_begin() -> None:
    scheduler = measured(batch=1)
    assert scheduler.plan([waiting(3)]).frames == (3,)
    assert scheduler.plan([waiting(1), waiting(2), waiting(3)]).frames == (3,)
    assert scheduler.plan([waiting(2), waiting(1), running(3, 0.5)]).frames == (1,)


def test_prompts_are_read_in_the_order_in_which_they_came() -> None:
    scheduler = measured()
    assert scheduler.plan([waiting(2, 600)]).prefill == (2, 512)
    assert scheduler.plan([waiting(1, 40), waiting(2, 88)]).prefill == (2, 88)
    assert scheduler.plan([waiting(1, 240), waiting(2)]).frames == (2,)


def test_who_could_begin_waits_for_prompts_that_are_read_sooner_than_a_batch_is_made_but_not_for_long() -> None:
    scheduler = measured(batch=16)
    needs = [waiting(slot, 64) for slot in range(12)]
    read = []
    while (work := scheduler.plan(needs)).prefill:
        read.append(work.prefill)
        needs[work.prefill[0]] = waiting(work.prefill[0])
    assert read == [(slot, 64) for slot in range(7)]  # one, and six of 6.4 ms
    assert work.frames == (0, 1, 2, 3, 4, 5, 6)


def test_a_chunk_is_no_longer_than_running_voices_can_spare() -> None:
    spare_s = TARGET_S - FRAME_S - 0.010  # 150 ms
    assert measured(row_s=spare_s / 130).plan([running(0, TARGET_S), waiting(1, 500)]).prefill == (
        1,
        64,
    )  # 80 ms at most
    assert measured(row_s=spare_s / 33).plan([running(0, TARGET_S), waiting(1, 500)]).prefill == (1, 32)


def test_when_they_can_spare_nothing_they_are_served_first_though_not_yet_due() -> None:
    scheduler = measured(row_s=0.30 / 32)
    assert scheduler.plan([running(0, 0.30), waiting(1, 500)]).frames == (0,)
    assert scheduler.plan([running(0, 0.50), waiting(1, 500)]).prefill == (1, 32)


def test_a_running_voice_whose_next_clause_is_unread_is_read_before_it_falls_silent() -> None:
    scheduler = measured()
    assert scheduler.plan([waiting(1, 500), running(0, 0.20, 30)]).prefill == (0, 30)
    assert scheduler.plan([waiting(1, 500), running(0, 0.60, 30)]).prefill == (1, 500)
    assert scheduler.plan([running(0, 0.50, 30)]).prefill == (0, 30)


def test_a_voice_that_would_not_last_over_a_batch_without_it_is_read_first_if_the_others_can_wait() -> None:
    scheduler = measured(step_s=0.040, batch=4)
    assert scheduler.plan([running(0, 0.08), running(1, 0.08, 30)]).prefill == (1, 30)
    assert scheduler.plan([running(0, 0.08), running(1, 0.30, 30)]).frames == (0,)
    assert scheduler.plan([running(0, 0.03), running(1, 0.08, 30)]).frames == (0,)


def test_who_has_nothing_to_say_is_read_when_nobody_else_wants_the_time() -> None:
    scheduler, idle = measured(), SlotNeed(0, 0.0, 50, begun=False, idle=True)
    assert scheduler.plan([idle, waiting(1, 40)]).prefill == (1, 40)
    assert scheduler.plan([idle, waiting(1, 400)]).prefill == (1, 400)
    assert scheduler.plan([idle, running(1, 0.08)]).frames == (1,)
    assert scheduler.plan([idle, running(1, 0.4)]).prefill == (0, 50)
    assert scheduler.plan([SlotNeed(0, 0.0, 0, begun=False, idle=True)]) == Work(wait_s=inf)


def test_what_has_never_been_measured_is_read_in_the_smallest_chunk() -> None:
    assert Scheduler(4).plan([waiting(0, 500)]).prefill == (0, 32)


def test_an_engine_that_is_too_slow_still_lets_the_newcomer_begin() -> None:
    scheduler = measured(step_s=0.2)
    works = [scheduler.plan([running(0, -1.0), waiting(1, 100)]) for _ in range(40)]
    assert 1 <= sum(work.prefill is not None for work in works) <= 3
    full = measured(batch=1, step_s=0.2)
    works = [full.plan([running(0, -1.0), waiting(1)]) for _ in range(40)]
    assert 1 <= sum(work.frames == (1,) for work in works) <= 3


def test_a_voice_is_admitted_while_a_step_keeps_to_its_share_of_a_frame() -> None:
    scheduler = Scheduler(8)
    assert scheduler.admits(0)  # nothing is known
    scheduler.measured_step(1, 0.020)
    assert scheduler.admits(1)  # at worst two steps of one: 40 ms of 80
    assert not scheduler.admits(2)
    scheduler.measured_step(4, 0.030)
    assert scheduler.predicted_step_s(2) == pytest.approx(0.040)
    assert scheduler.admits(3)
    assert not scheduler.admits(4)
    scheduler.measured_step(8, 0.040)
    assert scheduler.admits(7)
    assert not scheduler.admits(8)  # a second batch


def test_a_slower_gpu_is_noticed_in_sizes_that_are_not_used_as_well() -> None:
    scheduler = measured(batch=8)
    for _ in range(60):
        scheduler.measured_step(4, 0.060)
    assert scheduler.predicted_step_s(4) == pytest.approx(0.060, rel=0.01)
    assert scheduler.predicted_step_s(8) > 0.030
    assert not scheduler.admits(3)
    for _ in range(120):
        scheduler.measured_step(4, 0.010)
    assert scheduler.admits(3)


def test_one_step_that_took_forever_changes_little() -> None:
    scheduler = measured()
    scheduler.measured_step(2, 5.0)
    assert scheduler.predicted_step_s(2) < 0.014


@dataclass
class Voice:
    """One utterance on its way: what a caller of it would notice."""

    slot: int
    arrived_at: float
    unread: int
    frames: int
    made: int = 0
    began_at: float | None = None
    clause: int = 0  # rows to be read in the middle of it
    wait_s: float = 0.0

    def ahead_s(self, now: float) -> float:
        return 0.0 if self.began_at is None else self.made * FRAME_S - (now - self.began_at)

    def need(self, now: float) -> SlotNeed:
        return SlotNeed(self.slot, self.ahead_s(now), self.unread, self.began_at is not None)


@dataclass
class Evening:
    """Calls that come and go on a virtual clock, on a machine whose work takes a random time around a known one."""

    seed: int
    batch: int
    step_s: float
    per_slot_s: float
    row_s: float
    slots: int = 24
    now: float = 0.0
    voices: list[Voice] = field(default_factory=list)
    done: list[Voice] = field(default_factory=list)
    least_ahead_s: float = inf
    most_ahead_s: float = -inf
    batches: int = 0
    rested_s: float = 0.0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.scheduler = Scheduler(self.batch)
        for size in range(11):
            self.scheduler.measured_prefill(1 << size, self.reading_s(1 << size))
        for size in range(self.batch.bit_length()):
            self.scheduler.measured_step(1 << size, self.stepping_s(1 << size))

    def stepping_s(self, count: int) -> float:
        return self.step_s + self.per_slot_s * count

    def reading_s(self, rows: int) -> float:
        return 0.002 + self.row_s * rows

    def takes(self, usual_s: float) -> float:
        return usual_s * self.chance.uniform(0.75, 1.25)

    def run(self, until: float) -> None:
        next_at = 0.0
        while self.now < until or self.voices:
            while next_at <= self.now and next_at < until:
                self.arrive()
                next_at += self.chance.expovariate(1 / 0.15) if self.chance.random() < 0.9 else 0.0
            plan = self.scheduler.plan([voice.need(self.now) for voice in self.voices])
            self.work(plan, next_at if next_at < until else inf)

    def arrive(self) -> None:
        free = set(range(self.slots)) - {voice.slot for voice in self.voices}
        if free and self.scheduler.admits(len(self.voices)):
            clause = self.chance.choice([0, 0, 30])
            unread, frames = self.chance.randint(0, 300), self.chance.randint(1, 80)
            self.voices.append(Voice(self.chance.choice(sorted(free)), self.now, unread, frames, clause=clause))

    def work(self, work: Work, next_at: float) -> None:
        assert (work.prefill is None) + (not work.frames) + (work.wait_s is None) == 2
        if work.frames:
            self.step(work.frames)
        elif work.prefill:
            self.read(*work.prefill)
        else:
            assert work.wait_s is not None
            assert all(voice.began_at is not None and not voice.unread for voice in self.voices)
            assert all(voice.ahead_s(self.now) > TARGET_S for voice in self.voices)
            rest_s = min(work.wait_s, next_at - self.now)
            self.rested_s += rest_s
            self.now += rest_s

    def step(self, slots: tuple[int, ...]) -> None:
        batch = [voice for voice in self.voices if voice.slot in slots]
        assert len(batch) == len(slots) == len(set(slots)) <= self.batch
        took_s = self.takes(self.stepping_s(len(slots)))
        assert all(not voice.unread for voice in batch)
        for voice in batch:
            self.most_ahead_s = max(self.most_ahead_s, voice.ahead_s(self.now) + FRAME_S)
        self.now += took_s
        self.batches += 1
        self.scheduler.measured_step(len(slots), took_s)
        for voice in batch:
            if voice.began_at is None:
                voice.began_at, voice.wait_s = self.now, self.now - voice.arrived_at
            self.least_ahead_s = min(self.least_ahead_s, voice.ahead_s(self.now))
            voice.made += 1
            if voice.made == voice.frames // 2:
                voice.unread = voice.clause
        self.done += [voice for voice in self.voices if voice.made == voice.frames]
        self.voices = [voice for voice in self.voices if voice.made < voice.frames]

    def read(self, slot: int, rows: int) -> None:
        voice = next(voice for voice in self.voices if voice.slot == slot)
        assert 0 < rows <= voice.unread
        voice.unread -= rows
        took_s = self.takes(self.reading_s(rows))
        self.now += took_s
        self.scheduler.measured_prefill(rows, took_s)


evenings = st.builds(
    Evening,
    seed=st.integers(0, 2**32),
    batch=st.sampled_from([1, 2, 4, 8, 16, 32]),
    step_s=st.floats(0.002, 0.030),
    per_slot_s=st.floats(0.0, 0.003),
    row_s=st.floats(0.000005, 0.0002),
)


@settings(max_examples=20, deadline=None)
@given(evenings)
@example(Evening(seed=38948614, batch=8, step_s=0.03, per_slot_s=0.0017579943966045616, row_s=0.00012363421310567714))
def test_no_voice_falls_silent_and_everyone_begins_in_time(evening: Evening) -> None:
    evening.run(until=6.0)
    assert evening.done
    assert evening.least_ahead_s >= 0
    assert evening.most_ahead_s <= LOOK_AHEAD_S + 1e-9
    assert max(voice.wait_s for voice in evening.done) <= 1.0


def test_batches_are_shared_and_the_gpu_rests_in_between() -> None:
    evening = Evening(seed=1, batch=32, step_s=0.010, per_slot_s=0.0, row_s=0.00001)
    for slot in range(16):
        evening.voices.append(Voice(slot, 0.0, 40, 125))
    evening.run(until=0.0)
    assert evening.batches < 1.15 * 125
    assert evening.rested_s > 0.8 * 125 * (FRAME_S - 0.010)
    assert max(voice.wait_s for voice in evening.done) < 0.08
