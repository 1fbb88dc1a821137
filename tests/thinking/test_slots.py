"""Which slot makes a reply."""

from client_caller.thinking.protocol import Message
from client_caller.thinking.slots import Slots


def chat(*texts: str) -> list[Message]:
    return [Message("user" if index % 2 else "assistant", text) for index, text in enumerate(texts)]


def test_a_conversation_stays_in_its_slot() -> None:
    slots = Slots(2)
    one, other = slots.choose(chat("opening", "a")), slots.choose(chat("different", "b"))
    assert one != other
    assert slots.choose(chat("opening", "a", "c", "d")) == one
    assert slots.choose(chat("different", "b", "e")) == other


def test_a_question_asked_again_after_a_cancel_goes_where_it_was_asked() -> None:
    slots = Slots(4)
    first = slots.choose(chat("opening", "what does it"))
    assert slots.choose(chat("opening", "what does it cost")) == first


def test_a_new_conversation_takes_the_slot_that_rested_longest() -> None:
    slots = Slots(3)
    order = [slots.choose(chat(text)) for text in "abc"]
    assert sorted(order) == [0, 1, 2]
    slots.choose(chat("a", "x"))
    assert slots.choose(chat("new")) == order[1]
