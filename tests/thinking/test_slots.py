"""Which slot makes the replies of a call."""

from client_caller.thinking.slots import Slots


def test_a_call_keeps_its_slot() -> None:
    slots = Slots(2)
    one, other = slots.of("one"), slots.of("other")
    assert one != other
    assert [slots.of("one"), slots.of("other"), slots.of("one")] == [one, other, one]


def test_a_new_call_takes_the_slot_that_rested_longest() -> None:
    slots = Slots(3)
    numbers = [slots.of(call) for call in ("a", "b", "c")]
    assert sorted(numbers) == [0, 1, 2]
    slots.of("a")
    assert slots.of("d") == numbers[1]


def test_more_calls_than_slots_share_them() -> None:
    slots = Slots(1)
    assert [slots.of("a"), slots.of("b"), slots.of("a")] == [0, 0, 0]
