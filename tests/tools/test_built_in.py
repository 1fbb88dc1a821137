"""The built-in tools: what the model may choose, and what comes of it."""

import asyncio
import json
from typing import Any

import pytest

from client_caller.errors import ConfigError, ToolFailed
from client_caller.tools.built_in import Target, built_in_tools
from client_caller.tools.look_up import LookUp
from client_caller.tools.protocol import Done
from client_caller.tools.toolbox import Toolbox

ALL = ("hang_up", "transfer", "send_digits", "take_message", "opt_out", "schedule_callback", "look_up")
TARGETS = (
    Target("billing", "+15550100003", "for questions about a bill", "A caller asks: {words}"),
    Target("the nurse", "+15550100004", "for pain and emergencies."),
)


class Drawer:
    """A desk that keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, ...]] = []

    def take_message(self, message: str, name: str, number: str) -> None:
        self.kept.append((message, name, number))

    def schedule_callback(self, at: str, number: str, about: str) -> str:
        if at.startswith("2020"):
            raise ToolFailed("That time is past.")
        self.kept.append((at, number, about))
        return "They will be called."


def box(desk: Drawer | None = None) -> Toolbox:
    passages = LookUp(["Parking is free."])
    return Toolbox(built_in_tools(ALL, TARGETS, desk or Drawer(), passages), "CA1")


def done(tool: str, desk: Drawer | None = None, /, **arguments: Any) -> Done:
    return asyncio.run(box(desk).run(1, tool, json.dumps(arguments)))


def test_a_transfer_goes_to_the_number_of_a_named_target_and_to_no_other():
    assert done("transfer", to="billing", reason="my bill is wrong") == Done(
        "The caller is connected to billing once you have told them so.",
        "transfer",
        "+15550100003",
        "A caller asks: my bill is wrong",
    )
    assert done("transfer", to="the nurse", reason="pain").briefing == ""
    refused = done("transfer", to="+15559999999", reason="x")
    assert refused == Done("transfer was not called: to must be one of 'billing' or 'the nurse'.")


def test_what_concerns_the_call_is_asked_of_the_call():
    assert done("hang_up", reason="said goodbye").then == "hang up"
    assert done("opt_out").then == "opt out"
    pressed = done("send_digits", digits="1w2#")
    assert (pressed.then, pressed.to) == ("keys", "1w2#")


@pytest.mark.parametrize("digits", ["", "12a", "1" * 33, "1, 2", "call"])
def test_only_keys_are_pressed(digits):
    assert done("send_digits", digits=digits).text.startswith("send_digits was not called: digits must be keys only")


def test_a_message_is_kept_with_what_the_caller_gave():
    desk = Drawer()
    done("take_message", desk, message="Call me.", name="", number="555 0100")
    done("take_message", desk, message="Call me.", name="Anna")
    assert desk.kept == [("Call me.", "", "555 0100"), ("Call me.", "Anna", "")]
    assert "number must be a telephone number" in done("take_message", desk, message="x", number="soon").text


def test_a_call_back_is_promised_for_a_time_of_the_calendar_or_soon():
    desk = Drawer()
    assert done("schedule_callback", desk, at="2026-11-27T15:30", about="a bill").text == "They will be called."
    assert done("schedule_callback", desk, at="", number="+1 555 010 0002", about="a bill")
    assert desk.kept == [("2026-11-27T15:30", "", "a bill"), ("", "+15550100002", "a bill")]
    assert done("schedule_callback", at="2020-01-01T10:00", about="x").text == "That time is past."
    for at in ("tomorrow", "2026-02-30T10:00", "2026-11-27"):
        assert "not called: at " in done("schedule_callback", desk, at=at, about="x").text
    assert len(desk.kept) == 2


def test_looking_up_finds_what_the_agent_may_know():
    assert done("look_up", query="parking") == Done("- Parking is free.")


def test_only_opting_out_needs_no_argument():
    needed = {offer.name: offer.schema.get("required", []) for offer in box().offers}
    assert [name for name, required in needed.items() if not required] == ["opt_out"]
    assert tuple(needed) == ALL


def test_the_model_is_told_of_each_when_to_use_it_and_when_not():
    for offer in box().offers:
        assert " Use it " in offer.description
        assert ", not " in offer.description or ", never " in offer.description or " not for " in offer.description
    transfer = box().offers[1].schema["properties"]["to"]
    assert transfer["enum"] == ["billing", "the nurse"]
    assert transfer["description"] == (
        "Whom to. billing: for questions about a bill. the nurse: for pain and emergencies."
    )


def test_only_looking_up_changes_nothing():
    assert [name for name in ALL if box().reads_only(name)] == ["look_up"]


def test_what_concerns_the_call_may_be_asked_again():
    async def twice() -> list[Done]:
        tools = box()
        return [await tools.run(at, "transfer", '{"to": "billing", "reason": "x"}') for at in (1, 2)]

    first, second = asyncio.run(twice())
    assert first == second


def test_an_agent_cannot_offer_what_it_lacks():
    with pytest.raises(ConfigError, match="no built-in tool 'refund'; there is: hang_up"):
        built_in_tools(["refund"], (), Drawer(), None)
    with pytest.raises(ConfigError, match="somebody to transfer to"):
        built_in_tools(["transfer"], (), Drawer(), None)
    with pytest.raises(ConfigError, match="something to look in"):
        built_in_tools(["look_up"], (), Drawer(), None)
    with pytest.raises(ConfigError, match="the same name"):
        built_in_tools(["transfer"], (TARGETS[0], TARGETS[0]), Drawer(), None)
