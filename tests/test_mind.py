"""What a call thinks with: that errands are run in order, and none is lost for what nobody waits for."""

import asyncio
from collections.abc import Mapping
from typing import Any

from calls import AGENT
from client_caller.conversation.actions import RunTool, StartReply, Turn
from client_caller.conversation.events import Event, ReplyEnded, ToolAnswered, ToolAsked
from client_caller.mind import Brief, Mind
from client_caller.thinking.protocol import ToolCall
from client_caller.thinking.scripted import ScriptedModel
from client_caller.tools.arguments import arguments_model
from client_caller.tools.protocol import Done, Tool
from client_caller.tools.toolbox import Toolbox
from virtual import run

LONG = tuple(Turn(("caller", "agent")[at % 2], f"{at} " + "word " * 40) for at in range(21))
"""More than the 300 tokens of history that are left in so small a room."""


def box(*names: str) -> Toolbox:
    def tool(name: str) -> Tool:
        async def do(arguments: Mapping[str, Any], key: str) -> Done:
            return Done(f"{name} is done")

        return Tool(name, name, arguments_model([]), do)

    return Toolbox([tool(name) for name in names], "CA1")


class SlowWriter(ScriptedModel):
    async def write(self, *asked: Any, **more: Any) -> str:
        await asyncio.sleep(10)
        return "They talked."


def test_no_tool_waits_for_a_summary_and_none_is_lost_for_it() -> None:
    happened: list[Event] = []

    async def call() -> None:
        model = SlowWriter(lambda messages: "Yes.")
        brief = Brief(AGENT, box("one", "other"), room_tokens=600)
        mind = Mind("CA1", model, brief, happened.append, lambda name, **fields: None)
        tasks = [asyncio.create_task(task()) for task in mind.tasks]
        await mind.reply(StartReply(1, LONG))
        await asyncio.sleep(1)  # a summary is being written by now
        mind.order(RunTool(1, 1, "one", "{}"))
        mind.order(RunTool(2, 1, "other", "{}"))
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()

    run(call())
    answered = [event for event in happened if isinstance(event, ToolAnswered)]
    assert [(event.number, event.text) for event in answered] == [(1, "one is done"), (2, "other is done")]


def test_what_a_model_says_behind_its_wish_for_a_tool_is_not_said() -> None:
    happened: list[Event] = []
    model = ScriptedModel(lambda messages: ["Let me see.", ToolCall("one", "{}"), "It is free, I suppose."])
    mind = Mind("CA1", model, Brief(AGENT, box("one")), happened.append, lambda name, **fields: None)
    run(mind.reply(StartReply(1, (Turn("caller", "Is it free?"),))))
    assert [type(event) for event in happened][-2:] == [ToolAsked, ReplyEnded]
