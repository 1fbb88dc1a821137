"""The scripted model does as it is told."""

from client_caller.thinking.protocol import Message, ToolCall, ToolOffer
from client_caller.thinking.scripted import ScriptedModel
from virtual import run

CALL = ToolCall("look_up", "{}")
TOOLS = (ToolOffer("look_up", "Looks up.", {}),)


def said(model: ScriptedModel, text: str, max_tokens: int = 9) -> list[str | ToolCall]:
    async def main() -> list[str | ToolCall]:
        return [part async for part in model.stream([Message("user", text)], "CA1", max_tokens, TOOLS)]

    return run(main())


def test_a_reply_may_call_tools_between_its_words() -> None:
    model = ScriptedModel({"When?": ("Let me see.", CALL, "So."), "Now?": [CALL], "Hi.": "Good day."})
    assert said(model, "When?") == ["Let", " me", " see.", CALL, " So."]
    assert said(model, "When?", 4)[-1] == CALL
    assert said(model, "Now?") == [CALL]
    assert said(model, "Hi.") == ["Good", " day."]
    assert model.offered == TOOLS


def test_what_it_writes_has_a_script_of_its_own() -> None:
    model = ScriptedModel({}, writes={"Sum up.": "A refund."})
    asked = Message("user", "Sum up.")
    assert run(model.write([asked], "CA1", 9)) == "A refund."
    assert run(ScriptedModel({}, writes=lambda messages: messages[0].content).write([asked], "CA1", 9)) == "Sum up."
    assert model.to_write == [(asked,)]
