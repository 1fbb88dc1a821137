"""Calls that are typed: what the heart, the tools and the memory make of them is what they make of a telephone call."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from client_caller.agent import Agent, AgentKeys, AgentLimits, AgentOutbound, AgentRecording, AgentTransfer
from client_caller.chatting import agent_of_call, typed_call
from client_caller.errors import ConfigError, EngineCrashed
from client_caller.settings import Settings, ThinkingSettings
from client_caller.thinking.protocol import Message, ToolCall, ToolOffer
from client_caller.thinking.scripted import Reply, ScriptedModel
from client_caller.toolkit import Toolkit
from client_caller.tools.declared import DeclaredTool
from client_caller.tools.protocol import Done, Tool
from client_caller.typed import Happened, TypedCall

NOW = datetime(2026, 6, 2, 14, 0, tzinfo=UTC)
SETTINGS = Settings(_env_file=None, thinking=ThinkingSettings(base_url="http://nobody/v1"))
IDENTITY = "Hello, this is {agent}, the automated assistant of {company}."
FREE_TIMES = DeclaredTool(name="free_times", description="Free times.", url="http://127.0.0.1:9/times")
BOOK = DeclaredTool(name="book", description="Books.", method="POST", url="http://127.0.0.1:9/book")
AGENT = Agent(
    name="Anna",
    company="Maple",
    greeting="How can I help you?",
    identity=IDENTITY,
    persona="You are Anna.",
    transfer_to="+12125550102",
    transfer_briefly="A caller who says: {words}",
    transfers=(AgentTransfer(name="billing", to="+12125550105", when="invoices", briefly="It is about {words}"),),
    built_in=("hang_up", "transfer", "send_digits", "take_message", "opt_out", "schedule_callback"),
    keys=AgentKeys(opt_out="9", human="0"),
    outbound=AgentOutbound(reason="I call about your appointment, {who}.", message="Please call us."),
    tools=(FREE_TIMES, BOOK),
)


def call_of(tool: str, /, **arguments: object) -> ToolCall:
    return ToolCall(tool, json.dumps(arguments))


def told(results: Mapping[str, str], runs: list[str]) -> Callable[[Tool], Tool]:
    """The agent's own tools tell this, and note that they were called."""

    def instead(own: Tool) -> Tool:
        async def run(arguments: Mapping[str, Any], key: str) -> Done:
            runs.append(own.name)
            return Done(results[own.name])

        return replace(own, run=run)

    return instead


class Held:
    """A typed call, and all that happened in it. script: as ScriptedModel's;  results: of the agent's own tools."""

    def __init__(
        self,
        script: Mapping[str, Reply] | Callable[[Sequence[Message]], Reply],
        *,
        agent: Agent = AGENT,
        variables: Mapping[str, str] | None = None,
        results: Mapping[str, str] | None = None,
        model: Any = None,
        settings: Settings = SETTINGS,
    ) -> None:
        self.model = model or ScriptedModel(script, writes=lambda messages: "They spoke of many things.")
        self.happened: list[Happened] = []
        self.runs: list[str] = []
        outbound = variables is not None
        speaks = agent_of_call(agent, variables or {}, outbound=outbound)
        toolkit = Toolkit({}, SETTINGS.thinking, told(results or {}, self.runs))
        self.call: TypedCall = typed_call(
            speaks, self.model, settings, toolkit, lambda: NOW, self.happened.append, outbound=outbound
        )

    def run(self, *steps: str) -> "Held":
        """say it; "#5" presses; "" is silence; "<" comes back; "!" hangs up."""

        async def main() -> None:
            await self.call.begin()
            for step in steps:
                if step == "!":
                    self.call.hang_up()
                elif step == "<":
                    await self.call.come_back()
                elif step.startswith("#"):
                    await self.call.press(step[1:])
                elif step:
                    await self.call.say(step)
                else:
                    await self.call.be_silent()

        asyncio.run(main())
        return self

    @property
    def said(self) -> list[str]:
        return [one.text for one in self.happened if one.kind == "said"]

    @property
    def order(self) -> list[str]:
        """What happened after the opening, in short."""
        short = {"said": "{text}", "tool": "{name}({arguments})", "told": "{name}: {text}", "left": "-> {arguments}"}
        after = self.happened[[one.text for one in self.happened].index("who is calling was heard") + 1 :]
        return [
            short.get(one.kind, "{kind}: {text}").format(
                text=one.text, name=one.name, arguments=one.arguments, kind=one.kind
            )
            for one in after
        ]


def test_who_is_speaking_is_said_first_and_heard() -> None:
    held = Held({}).run()
    assert held.said == ["Hello, this is Anna, the automated assistant of Maple.", "How can I help you?"]
    assert not held.call.is_over


def test_a_text_is_answered_and_both_are_remembered() -> None:
    held = Held({"Are you there?": "Yes, I am. What can I do?"}).run("Are you there?")
    assert " ".join(held.order) == "Yes, I am. What can I do?"
    assert [(turn.speaker, turn.text) for turn in held.call.turns][1:] == [
        ("caller", "Are you there?"),
        ("agent", "Yes, I am. What can I do?"),
    ]


def test_each_prompt_begins_with_the_one_before() -> None:
    held = Held(lambda messages: f"Answer {len(messages)}.").run("First thing.", "Second thing.", "Third thing.")
    prompts = held.model.asked
    assert len(prompts) == 3
    for earlier, later in pairwise(prompts):
        assert later[: len(earlier)] == earlier


def test_a_tool_that_reads_is_called_and_its_answer_told_before_the_agent_goes_on() -> None:
    script = {"Is three free?": ["Let me see.", call_of("free_times")], "three": "It is free at three."}
    held = Held(script, results={"free_times": "three"}).run("Is three free?")
    assert held.order == ["free_times({})", "free_times: three", "Let me see.", "It is free at three."]
    assert [turn.speaker for turn in held.call.turns][-3:] == ["agent", "tool", "agent"]


def test_a_tool_that_changes_the_world_is_called_once_the_turn_is_over_and_once_in_all() -> None:
    script = {"Book it.": [call_of("book")], "booked": "It is booked."}
    script["book was already called with these arguments; it came to this: booked"] = "It was booked before."
    held = Held(script, results={"book": "booked"}).run("Book it.", "Book it.")
    assert held.runs == ["book"]
    assert held.said[-2:] == ["It is booked.", "It was booked before."]


def test_two_tools_of_one_reply_are_called_in_their_order() -> None:
    script = {"Book a time.": [call_of("free_times"), call_of("book")], "booked": "Done."}
    held = Held(script, results={"free_times": "three", "book": "booked"}).run("Book a time.")
    assert held.runs == ["free_times", "book"]
    assert held.said[-1] == "Done."


def test_a_tool_may_follow_upon_a_tool() -> None:
    script = {"Book a time.": [call_of("free_times")], "three": ["At three, then.", call_of("book")], "booked": "Done."}
    held = Held(script, results={"free_times": "three", "book": "booked"}).run("Book a time.")
    assert held.runs == ["free_times", "book"]
    assert held.said[-2:] == ["At three, then.", "Done."]


def test_a_tool_that_does_not_exist_is_told_to_the_model_in_a_sentence() -> None:
    def script(messages: Sequence[Message]) -> Reply:
        return [call_of("fly")] if messages[-1].role == "user" else "I cannot fly."

    held = Held(script).run("Fly.")
    assert held.order[0] == "fly({})"
    assert held.order[1].startswith("fly: There is no such tool; there is: free_times, book, hang_up")
    assert held.said[-1] == "I cannot fly."


def test_a_message_that_is_left_is_a_tool_like_any_other() -> None:
    script = {"Tell her I called.": [call_of("take_message", message="Ada called.", name="Ada")]}
    script["The message was taken and will be read."] = "I will tell her."
    held = Held(script).run("Tell her I called.")
    assert held.order[0] == 'take_message({"message": "Ada called.", "name": "Ada"})'
    assert held.said[-1] == "I will tell her."


@pytest.mark.parametrize(
    ("at", "answer"),
    [
        ("2026-06-03T09:00", "They will be called back, not before 2026-06-03T09:00."),
        (
            "2026-06-01T09:00",
            "2026-06-01T09:00 lies in the past, or too far ahead; it is 2026-06-02T14:00 now. Ask again",
        ),
    ],
)
def test_a_call_back_is_promised_by_the_clock_of_the_call(at: str, answer: str) -> None:
    def script(messages: Sequence[Message]) -> Reply:
        asked = messages[-1].role == "user"
        return [call_of("schedule_callback", at=at, about="the bill")] if asked else "Good."

    assert Held(script).run("Call me.").order[1].startswith(f"schedule_callback: {answer}")


# Transfers, and the end.


def test_the_model_transfers_and_the_caller_comes_back() -> None:
    transfer = call_of("transfer", to="billing", reason="the invoice")
    held = Held({"My invoice!": [transfer], "Then leave it.": "All right."}).run("My invoice!", "<", "Then leave it.")
    assert held.order[2:4] == ["One moment, please. I will connect you.", "-> +12125550105"]
    assert [one.text for one in held.happened if one.kind == "left"] == ["It is about the invoice"]
    assert held.order[4:] == [AGENT.phrases.not_reached, "All right."]
    assert not held.call.is_over


def test_who_wants_a_human_is_transferred_whatever_the_model_says() -> None:
    held = Held(lambda messages: "No, speak with me.").run("I want to speak with a human.", "Hello?")
    assert held.call.is_over
    assert held.call.is_left
    assert held.order == ["One moment, please. I will connect you.", "-> +12125550102"]
    assert held.happened[-1].text == "A caller who says: I want to speak with a human."


def test_after_a_goodbye_the_agent_answers_and_the_call_ends() -> None:
    held = Held({"Thanks, bye.": "Goodbye!"}).run("Thanks, bye.", "Hello?")
    assert held.order == ["Goodbye!", "over: the caller said goodbye"]
    assert held.call.is_over
    assert not held.call.is_left


def test_the_model_ends_the_call_and_says_goodbye_without_being_told() -> None:
    held = Held({"That is all.": [call_of("hang_up", reason="done")]}).run("That is all.")
    assert held.order[2:] == [AGENT.phrases.farewell, "over: the agent ended the call"]


def test_keys_are_pressed_by_the_carrier_and_the_call_comes_back() -> None:
    held = Held({"Press five.": ["I do.", call_of("send_digits", digits="5")], "And?": "Done."})
    held.run("Press five.", "And?")
    assert [one for one in held.order if one.startswith("->")] == ["-> 5"]
    assert held.said[-1] == "Done."


def test_a_caller_may_hang_up_at_any_time_and_then_nothing_happens() -> None:
    held = Held({"One.": "Two."}).run("One.", "!", "Three.", "#5", "", "<", "!")
    assert held.order == ["Two.", "over: the caller hung up"]


# What the law asks for.


@pytest.mark.parametrize("step", ["Never call me again.", "#9"])
def test_an_opt_out_is_noted_and_ends_the_call_whatever_the_model_says(step: str) -> None:
    held = Held(lambda messages: "But I would like to!").run(step)
    assert held.order == ["noted: opted out", AGENT.phrases.opted_out, "over: opted out"]


def test_an_opt_out_that_only_the_model_understood_holds_as_well() -> None:
    held = Held({"You people, enough.": [call_of("opt_out")]}).run("You people, enough.")
    assert held.order[-3:] == ["noted: opted out", AGENT.phrases.opted_out, "over: opted out"]


def test_a_call_that_we_place_begins_with_who_calls_and_why() -> None:
    held = Held({"Yes.": "Good."}, variables={"who": "Ada"}).run("Yes.")
    assert [(one.kind, one.text) for one in held.happened][:4] == [
        ("noted", "a human answered"),
        ("said", "Hello, this is Anna, the automated assistant of Maple."),
        ("said", "I call about your appointment, Ada."),
        ("noted", "who is calling was heard"),
    ]
    assert held.said[-1] == "Good."


def test_nothing_that_changes_the_world_is_done_for_an_answer_that_nobody_hears() -> None:
    held = Held(lambda messages: ["I book it.", call_of("book")], results={"book": "booked"}).run(
        "Never call me again."
    )
    assert held.runs == []
    assert held.said[-1] == AGENT.phrases.opted_out


def test_who_is_asked_whether_the_call_may_be_recorded_may_say_no() -> None:
    agent = AGENT.model_copy(update={"recording": AgentRecording(consent="asked", phrase="May we record this?")})
    recording = SETTINGS.model_copy(update={"records": SETTINGS.records.model_copy(update={"audio": True})})
    held = Held(lambda messages: "No?", agent=agent, settings=recording).run("No.")
    assert held.said[1] == "May we record this?"
    assert "noted: recording refused" in held.order
    assert held.said[-1] == "How can I help you?"


# Keys and silence.


def test_keys_are_one_message() -> None:
    assert Held({"[pressed 123]": "Thank you."}).run("#123").order == ["Thank you."]


def test_the_zero_is_a_human() -> None:
    assert Held({}).run("#0").order == ["One moment, please. I will connect you.", "-> +12125550102"]


@pytest.mark.parametrize("silence_s", [3.0, 10.0, 600.0])
def test_a_silent_caller_is_asked_and_then_let_go(silence_s: float) -> None:
    agent = AGENT.model_copy(update={"limits": AgentLimits(silence_s=silence_s, max_call_s=14_400)})
    held = Held({"Yes.": "Good."}, agent=agent).run("", "Yes.", "", "")
    phrases = agent.phrases
    assert held.order == [
        phrases.still_there,
        "Good.",
        phrases.still_there,
        phrases.farewell,
        "over: the caller was silent",
    ]


# Memory, and failures.


def test_a_long_call_is_condensed_and_what_was_said_first_is_still_known() -> None:
    agent = AGENT.model_copy(update={"limits": AgentLimits(history_tokens=300)})
    talk = [
        f"And thing number {number} is that the garden behind our house has become far too large for us to tend."
        for number in range(1, 13)
    ]
    held = Held(lambda messages: f"I see, that is number {len(messages)}, and I have understood it.", agent=agent)
    held.run("My name is Ada Lovelace and my number is 212 555 0107.", *talk)
    assert held.model.to_write, "it was asked for a summary"
    last = held.model.asked[-1]
    assert not any(message.content == talk[0] for message in last), "old turns are gone"
    assert any("They spoke of many things." in message.content for message in last)
    assert any("Ada Lovelace" in message.content for message in last)
    assert any("212 555 0107" in message.content for message in last)


class Broken:
    """A language model that fails every time."""

    async def stream(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, tools: Sequence[ToolOffer] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        raise EngineCrashed("language model", "it is gone")
        yield ""

    async def read_ahead(
        self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer] = ()
    ) -> float | None:
        return None

    async def write(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> str:
        raise EngineCrashed("language model", "it is gone")


def test_a_model_that_fails_is_shown_and_the_caller_hears_an_excuse() -> None:
    held = Held({}, model=Broken()).run("Hello?", "Hello?")
    assert "failed: language model: it is gone" in held.order
    assert [text for text in held.said[2:]] == [AGENT.phrases.trouble, AGENT.phrases.offer]
    assert not held.call.is_over


# Mistakes.


@pytest.mark.parametrize(
    ("variables", "outbound", "complaint"),
    [
        ({}, True, "the agent 'Anna' needs a value for its variable who"),
        ({"whom": "Ada"}, True, "the agent 'Anna' has no variable 'whom'; it has: who"),
    ],
)
def test_a_variable_that_is_wrong_is_named(variables: dict[str, str], outbound: bool, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        agent_of_call(AGENT, variables, outbound=outbound)


def test_an_agent_without_texts_for_it_places_no_call() -> None:
    with pytest.raises(ConfigError, match=r"has no table \[outbound\]"):
        agent_of_call(AGENT.model_copy(update={"outbound": None}), {}, outbound=True)
