"""Replies that need tools: when a tool is run, what is said meanwhile, how it goes on, and what is remembered."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from scripts import MANNER, Script

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    ClearPlayout,
    HangUp,
    Hush,
    Note,
    PlayFiller,
    Remember,
    RunTool,
    Say,
    SendKeys,
    StartReply,
    Transfer,
    Turn,
)
from client_caller.conversation.events import (
    EngineFailed,
    HungUp,
    LineLost,
    LineResumed,
    PlayedOut,
    ReplyEnded,
    ReplyText,
    SpeechPaused,
    SpeechStarted,
    ToolAnswered,
    ToolAsked,
    Transcript,
)
from client_caller.conversation.policy import Manner
from client_caller.conversation.tool_use import AT_MOST, LATE, LOST, NOT_DONE, RUNNING
from client_caller.conversation.transitions import Phase

NURSE = "+15550100003"
QUESTION = "Can I come in tomorrow at three?"
FREE, BOOK = "free_slots", "book"
TOOLED = replace(
    MANNER,
    bridges={FREE: "I am looking at the calendar.", BOOK: "I am writing that down."},
    tool_within_s=6.0,
    fillers=("One moment, please.", "Just a second."),
)

ASKED = (Turn("agent", MANNER.greeting), Turn("caller", QUESTION))
"""The history that the question leads to."""


def asked(manner: Manner = TOOLED) -> Script:
    """A call in which the caller has asked; the reply is a draft yet."""
    script = Script(manner)
    script.answer_and_greet()
    script.caller_says(QUESTION)
    return script


def until_over(script: Script) -> None:
    """Let so much silence pass that the caller's turn is judged over."""
    while script.reply not in script.released():
        script.wait(0.05)


def thinks(script: Script, *parts: str | tuple[str, str], over: bool = True) -> None:
    """The language model gives these pieces, wants these tools with their arguments, and stops.

    Then the caller's turn is judged over, unless it was before, or is not to be.
    """
    for part in parts:
        if isinstance(part, str):
            script.happen(ReplyText(script.reply, part))
        else:
            script.happen(ToolAsked(script.reply, *part, reads_only=part[0] == FREE))
    script.happen(ReplyEnded(script.reply))
    if over:
        until_over(script)


def called(tool: str, arguments: str, result: str) -> Turn:
    return Turn("tool", result, None, tool, arguments)


def ran(script: Script) -> list[RunTool]:
    return [action for action in script.done if isinstance(action, RunTool)]


def started(script: Script) -> list[tuple[Turn, ...]]:
    """What the language model was asked to go on from, each time."""
    return [action.history for action in script.done if isinstance(action, StartReply)]


def said(actions: Sequence[Action]) -> list[str]:
    return [action.text for action in actions if isinstance(action, Say | PlayFiller)]


def errands(script: Script) -> list[Action]:
    return [action for action in script.done if isinstance(action, SendKeys | Transfer | HangUp)]


# When a tool is run.


def test_nothing_is_changed_for_a_draft_and_it_is_done_once_when_the_turn_is_over() -> None:
    script = asked()
    thinks(script, "I will book that.", (BOOK, '{"at": 3}'), over=False)
    assert ran(script) == []
    until_over(script)
    assert ran(script) == [RunTool(1, 2, BOOK, '{"at": 3}')]
    script.hear_out()
    script.wait(3.0)
    assert len(ran(script)) == 1


def test_a_draft_that_is_dropped_has_changed_nothing() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"), over=False)
    script.caller_says("Or rather at four?")
    assert CancelReply(2) in script.done
    script.wait(1.0)
    assert script.released() == [1, 3]
    assert ran(script) == []


def test_what_only_reads_is_read_for_a_draft_which_goes_on_with_it_unheard() -> None:
    script = asked()
    thinks(script, (FREE, "{}"), over=False)
    assert ran(script) == [RunTool(1, 2, FREE, "{}")]
    assert script.happen(ToolAnswered(1, "three, four")) == [StartReply(2, (*ASKED, called(FREE, "{}", "three, four")))]
    script.agent_answers("Yes, three is free.")
    assert script.released() == [1]
    until_over(script)
    script.hear_out()
    assert script.history[1:] == [
        Turn("caller", QUESTION),
        called(FREE, "{}", "three, four"),
        Turn("agent", "Yes, three is free."),
    ]


def test_what_was_read_for_a_draft_that_was_dropped_is_forgotten() -> None:
    script = asked()
    thinks(script, (FREE, "{}"), over=False)
    script.caller_says("Or rather at four?")
    assert script.happen(ToolAnswered(1, "three, four")) == []
    script.wait(1.0)
    script.agent_answers("At four.")
    script.hear_out()
    assert [turn.speaker for turn in script.history] == ["agent", "caller", "agent"]


def test_a_reply_uses_six_tools_at_most() -> None:
    script = asked()
    thinks(script, *((FREE, f'{{"day": {day}}}') for day in range(AT_MOST + 3)))
    assert [run.number for run in ran(script)] == list(range(1, AT_MOST + 1))
    for run in ran(script):
        script.happen(ToolAnswered(run.number, "nothing"))
    thinks(script, (FREE, '{"day": 99}'))
    assert len(ran(script)) == AT_MOST
    script.happen(ReplyEnded(script.reply))
    assert said(script.done)[-1] == MANNER.trouble, "it goes round in circles"


# How the reply goes on.


def test_the_reply_goes_on_with_what_the_tool_told_between_what_was_said() -> None:
    script = asked()
    thinks(script, "Let me see.", (FREE, "{}"))
    told = script.happen(ToolAnswered(1, "three, four"))
    assert told == [StartReply(2, (*ASKED, Turn("agent", "Let me see."), called(FREE, "{}", "three, four")))]
    script.agent_answers("Yes, three is free.")
    script.hear_out()
    assert script.history[1:] == [
        Turn("caller", QUESTION),
        Turn("agent", "Let me see."),
        called(FREE, "{}", "three, four"),
        Turn("agent", "Yes, three is free."),
    ]
    script.caller_says("Please book it.")
    assert started(script)[-1] == (*ASKED, *script.history[2:], Turn("caller", "Please book it."))


def test_the_next_stage_waits_for_all_tools_of_the_one_before() -> None:
    script = asked()
    thinks(script, (FREE, '{"day": 1}'), (FREE, '{"day": 2}'), (BOOK, "{}"))
    assert [run.tool for run in ran(script)] == [FREE, FREE, BOOK]
    assert script.happen(ToolAnswered(2, "four")) == []
    assert script.happen(ToolAnswered(1, "three")) == []
    (go_on,) = script.happen(ToolAnswered(3, "Booked."))
    assert isinstance(go_on, StartReply)
    assert [turn.text for turn in go_on.history[2:]] == ["three", "four", "Booked."], "in the order they were asked for"


def test_a_tool_that_answers_before_the_model_has_stopped_lets_the_reply_go_on_when_it_has() -> None:
    script = asked()
    script.happen(ToolAsked(2, FREE, "{}", reads_only=True))
    until_over(script)
    assert script.happen(ToolAnswered(1, "three")) == []
    assert script.happen(ReplyEnded(2)) == [StartReply(2, (*ASKED, called(FREE, "{}", "three")))]


def test_words_behind_a_call_stand_before_what_came_of_it() -> None:
    script = asked()
    thinks(script, (FREE, "{}"), "I am looking.")
    script.happen(ToolAnswered(1, "three"))
    between = (Turn("agent", "I am looking."), called(FREE, "{}", "three"))
    assert started(script)[-1] == (*ASKED, *between)
    script.agent_answers("Three is free.")
    script.hear_out()
    assert script.history[2:] == [*between, Turn("agent", "Three is free.")]


def test_one_tool_may_lead_to_another() -> None:
    script = asked()
    thinks(script, (FREE, "{}"))
    script.happen(ToolAnswered(1, "three"))
    thinks(script, "Three is free.", (BOOK, '{"at": 3}'))
    assert ran(script)[-1] == RunTool(2, 2, BOOK, '{"at": 3}')
    script.happen(ToolAnswered(2, "Booked."))
    assert started(script)[-1] == (
        *ASKED,
        called(FREE, "{}", "three"),
        Turn("agent", "Three is free."),
        called(BOOK, '{"at": 3}', "Booked."),
    )
    script.agent_answers("It is booked.")
    script.hear_out()
    assert [turn.text for turn in script.history[2:]] == ["three", "Three is free.", "Booked.", "It is booked."]


# What is said while it runs.


def test_a_tool_that_is_done_within_seven_tenths_of_a_second_is_not_bridged() -> None:
    script = asked()
    thinks(script, (FREE, "{}"))
    asked_at = script.now
    script.wait(0.25)
    script.happen(ToolAnswered(1, "three"))
    assert said(script.agent_answers("Three is free.")) == ["Three is free."]
    assert script.now - asked_at < TOOLED.bridge_after_s
    assert not any(isinstance(action, PlayFiller) for action in script.done)


def test_seven_tenths_of_a_second_of_silence_are_bridged_once_and_then_filled() -> None:
    script = asked()
    thinks(script, "Let me see.", (FREE, "{}"))
    script.hear_out()
    assert said(script.wait(0.69)) == []
    assert said(script.wait(0.02)) == [TOOLED.bridges[FREE]]
    script.hear_out()
    assert said(script.wait(1.09)) == []
    assert said(script.wait(0.02)) == [TOOLED.fillers[0]]
    script.hear_out()
    assert said(script.wait(1.2)) == [TOOLED.fillers[1]]


def test_each_tool_has_its_own_bridge() -> None:
    script = asked()
    thinks(script, (FREE, "{}"))
    assert said(script.wait(0.8)) == [TOOLED.bridges[FREE]]
    script.hear_out()
    script.happen(ToolAnswered(1, "three"))
    thinks(script, (BOOK, "{}"))
    assert said(script.wait(0.8)) == [TOOLED.bridges[BOOK]]


def test_a_tool_without_a_bridge_is_covered_by_a_filler() -> None:
    script = asked(replace(TOOLED, bridges={}))
    thinks(script, (FREE, "{}"))
    assert said(script.wait(0.8)) == [TOOLED.fillers[0]]


def test_a_bridge_is_part_of_what_was_said_before_the_result() -> None:
    script = asked()
    thinks(script, (FREE, "{}"))
    script.wait(0.8)
    script.hear_out()
    script.happen(ToolAnswered(1, "three"))
    between = (Turn("agent", TOOLED.bridges[FREE]), called(FREE, "{}", "three"))
    assert started(script)[-1] == (*ASKED, *between)
    script.agent_answers("Three is free.")
    script.hear_out()
    assert script.history[2:] == [*between, Turn("agent", "Three is free.")]


@pytest.mark.parametrize("stage", ["while it runs", "when it has answered"])
def test_a_bridge_whose_voice_fails_does_not_lose_the_reply(stage: str) -> None:
    script = asked()
    thinks(script, (FREE, "{}"))
    script.wait(0.8)
    if stage == "when it has answered":
        script.happen(ToolAnswered(1, "three"))
    script.happen(EngineFailed("voice", script.reply))
    script.happen(PlayedOut(script.reply, 0, 0, done=True))  # what there is of it
    if stage == "while it runs":
        script.happen(ToolAnswered(1, "three"))
    assert started(script)[-1][-1] == called(FREE, "{}", "three")
    script.agent_answers("Three is free.")
    script.hear(1, 3, done=True)
    assert script.conversation.phase is Phase.LISTENING
    assert script.history[2:] == [called(FREE, "{}", "three"), Turn("agent", "Three is free.")]


# What does not go well.


def test_a_tool_that_is_too_slow_is_given_up_and_the_model_is_told_so() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"))
    for _ in range(20):
        if started(script)[-1] != ASKED:
            break
        script.wait(0.5)
        script.hear_out()
    assert started(script)[-1][-1] == called(BOOK, "{}", LATE)
    assert len(ran(script)) == 1
    script.agent_answers("I am not sure whether it is booked.")
    script.hear_out()
    assert script.history[-1].text.endswith("I am not sure whether it is booked.")
    script.caller_says("Can you look again?")
    assert called(BOOK, "{}", LATE) in started(script)[-1]


@pytest.mark.parametrize("when", ["while the reply is made", "behind it"])
def test_a_result_that_comes_after_it_was_given_up_takes_its_place_all_the_same(when: str) -> None:
    script = asked()
    thinks(script, (BOOK, "{}"))
    for _ in range(12):
        script.wait(0.5)
        script.hear_out()
    assert started(script)[-1][-1] == called(BOOK, "{}", LATE)
    if when == "while the reply is made":
        assert script.happen(ToolAnswered(1, "Booked.", "hang up")) == []
        script.agent_answers("I am not sure whether it is booked.")
        script.hear_out()
    else:
        script.agent_answers("I am not sure whether it is booked.")
        script.hear_out()
        assert script.happen(ToolAnswered(1, "Booked.")) == [Remember(called(BOOK, "{}", "Booked."))]
    script.caller_says("Can you look again?")
    result = "Booked." if when == "behind it" else NOT_DONE
    assert called(BOOK, "{}", result) in started(script)[-1]
    assert [turn.text for turn in script.history if turn.speaker == "tool"] == [result]
    script.wait(5.0)
    assert errands(script) == [], "what it wanted of the call comes too late"


def test_a_model_that_fails_after_a_tool_is_tried_again_with_the_result_and_then_excused() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"))
    script.happen(ToolAnswered(1, "Booked."))
    again = script.happen(EngineFailed("language model", 2))
    assert again == [StartReply(2, (*ASKED, called(BOOK, "{}", "Booked.")))]
    assert said(script.happen(EngineFailed("language model", 2))) == [MANNER.trouble]
    script.hear_out()
    assert script.history[1:] == [
        Turn("caller", QUESTION),
        called(BOOK, "{}", "Booked."),
        Turn("agent", MANNER.trouble),
    ]
    assert len(ran(script)) == 1


def test_a_model_that_stalls_after_a_tool_is_tried_again_too() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"))
    script.happen(ToolAnswered(1, "Booked."))
    before = len(started(script))
    for _ in range(4):
        script.wait(1.2)
        script.hear_out()
    assert len(started(script)) == before + 1
    assert called(BOOK, "{}", "Booked.") in started(script)[-1]
    assert len(ran(script)) == 1


def test_a_model_that_fails_while_it_asks_for_a_tool_is_gone_on_with() -> None:
    script = asked()
    script.happen(ToolAsked(2, BOOK, "{}"))
    until_over(script)
    assert script.happen(EngineFailed("language model", 2)) == []
    assert script.happen(ToolAnswered(1, "Booked.")) == [StartReply(2, (*ASKED, called(BOOK, "{}", "Booked.")))]


# The caller breaks in.


def test_who_breaks_in_while_a_tool_runs_finds_it_in_the_history_and_its_result_in_its_place() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"))
    script.caller_says("And what does it cost?")
    assert CancelReply(2) in script.done
    cost = Turn("caller", "And what does it cost?")
    assert started(script)[-1] == (*ASKED, called(BOOK, "{}", RUNNING), cost)
    assert Remember(Turn("caller", QUESTION)) in script.done, "it was done because of these words"
    assert script.happen(ToolAnswered(1, "Booked.")) == [Remember(called(BOOK, "{}", "Booked."))]
    script.wait(1.0)
    script.agent_answers("Thirty euros.")
    script.hear_out()
    script.caller_says("Good.")
    script.wait(1.0)
    booked = called(BOOK, "{}", "Booked.")
    assert started(script)[-1] == (*ASKED, booked, cost, Turn("agent", "Thirty euros."), Turn("caller", "Good."))
    assert len(ran(script)) == 1


def test_who_breaks_into_the_bridge_has_heard_as_much_of_it() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"))
    script.wait(0.8)
    script.hear(0, 3)
    script.caller_says("Hold on, better at four.")
    assert script.history[1:] == [Turn("caller", QUESTION), Turn("agent", "I am writing", "caller")]
    script.happen(ToolAnswered(1, "Booked."))
    assert script.history[3:] == [called(BOOK, "{}", "Booked.")]


def test_who_breaks_in_after_a_tool_leaves_its_result_known() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"))
    script.happen(ToolAnswered(1, "Booked."))
    script.agent_answers("It is booked for tomorrow at three.")
    script.hear(0, 2)
    script.caller_says("And what does it cost?")
    booked = called(BOOK, "{}", "Booked.")
    assert script.history[1:] == [Turn("caller", QUESTION), booked, Turn("agent", "It is", "caller")]
    assert started(script)[-1] == (*ASKED, booked, Turn("agent", "It is", "caller"), started(script)[-1][-1])


def test_who_breaks_in_before_a_word_of_the_next_stage_leaves_the_result_known() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"))
    script.happen(ToolAnswered(1, "Booked."))
    script.caller_says("Hello?")
    assert started(script)[-1] == (*ASKED, called(BOOK, "{}", "Booked."), Turn("caller", "Hello?"))


def test_a_noise_while_a_tool_runs_changes_nothing() -> None:
    script = asked()
    thinks(script, "Let me see.", (FREE, "{}"))
    script.hear(0, 1)
    script.happen(SpeechStarted(script.now))
    assert Hush() in script.done
    script.happen(SpeechPaused(script.now, 0.2), after_s=0.2)
    script.happen(ToolAnswered(1, "three"))
    script.happen(Transcript(2, ""))
    script.agent_answers("Three is free.")
    script.hear_out()
    assert [turn.text for turn in script.history[1:]] == [QUESTION, "Let me see.", "three", "Three is free."]
    assert not any(isinstance(action, ClearPlayout) for action in script.done)


def test_a_noise_before_anything_was_said_of_a_tool_leaves_its_answer_due() -> None:
    script = asked()
    thinks(script, (FREE, "{}"))
    script.happen(SpeechStarted(script.now))
    script.happen(SpeechPaused(script.now, 0.2), after_s=0.2)
    script.happen(ToolAnswered(1, "three"))
    before = len(started(script))
    script.happen(Transcript(2, ""))
    assert started(script)[before:] == [(*ASKED, called(FREE, "{}", "three"))]
    script.agent_answers("Three is free.")
    script.hear_out()
    assert script.history[-1].text == "Three is free."


def test_of_a_tool_that_ran_when_the_caller_hung_up_it_is_kept_that_nobody_knows() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"))
    script.happen(HungUp())
    assert script.history[1:] == [Turn("caller", QUESTION), called(BOOK, "{}", LOST)]
    assert script.happen(ToolAnswered(1, "Booked.")) == []
    assert script.conversation.phase is Phase.ENDED


# What a tool wants of the call itself.


def test_the_agent_hangs_up_a_while_after_its_goodbye_was_heard() -> None:
    script = asked()
    thinks(script, "Goodbye then!", ("hang_up", "{}"))
    assert script.happen(ToolAnswered(1, "The call ends.", "hang up")) == []
    script.wait(0.5)
    assert errands(script) == []
    script.hear_out()
    assert errands(script) == []
    assert script.history[-2:] == [Turn("agent", "Goodbye then!"), called("hang_up", "{}", "The call ends.")]
    script.wait(2.6)
    assert errands(script) == [HangUp("the agent ended the call")]


def test_an_agent_who_hangs_up_without_a_word_says_the_farewell_of_its_file() -> None:
    script = asked()
    thinks(script, ("hang_up", "{}"))
    assert said(script.happen(ToolAnswered(1, "The call ends.", "hang up"))) == [MANNER.farewell]
    script.hear_out()
    script.wait(2.6)
    assert errands(script) == [HangUp("the agent ended the call")]


@pytest.mark.parametrize("when", ["in the goodbye", "behind it"])
def test_who_has_more_to_say_is_not_hung_up_on(when: str) -> None:
    script = asked()
    thinks(script, "Goodbye then, and thank you!", ("hang_up", "{}"))
    script.happen(ToolAnswered(1, "The call ends.", "hang up"))
    if when == "in the goodbye":
        script.hear(0, 2)
    else:
        script.hear_out()
        script.wait(1.0)
    script.caller_says("One more thing, when do you close?")
    script.wait(1.0)
    script.agent_answers("At six.")
    script.hear_out()
    script.wait(5.0)
    assert errands(script) == []
    assert script.history[-1] == Turn("agent", "At six.")


def test_an_order_to_hang_up_that_comes_when_the_caller_has_broken_in_is_not_carried_out() -> None:
    script = asked()
    thinks(script, "Goodbye then!", ("hang_up", "{}"))
    script.hear(0, 1)
    script.caller_says("Wait, what does it cost?")
    assert script.happen(ToolAnswered(1, "The call ends.", "hang up")) == [Remember(called("hang_up", "{}", NOT_DONE))]
    script.wait(1.0)
    script.agent_answers("Thirty euros.")
    script.hear_out()
    script.wait(5.0)
    assert errands(script) == []


def test_a_transfer_is_done_when_its_announcement_was_heard_whoever_speaks_meanwhile() -> None:
    script = asked()
    thinks(script, "I will put you through to the nurse.", ("transfer", "{}"))
    script.happen(ToolAnswered(1, "Connecting.", "transfer", NURSE, "Somebody wants to come in."))
    script.hear(0, 3)
    assert script.happen(SpeechStarted(script.now)) == []
    assert errands(script) == []
    script.hear(0, 8, done=True)
    assert errands(script) == [Transfer(NURSE, "Somebody wants to come in.")]
    assert script.conversation.phase is Phase.RESUMING
    script.happen(LineResumed("no-answer"), after_s=20.0)
    assert said(script.done)[-1] == MANNER.not_reached
    script.hear_out()
    script.caller_says("Then tell her that I called.")
    assert called("transfer", "{}", "Connecting.") in started(script)[-1]


def test_a_transfer_without_a_word_is_announced_and_briefed_with_the_callers_own() -> None:
    script = asked(replace(TOOLED, briefly="A caller for you: {words}"))
    thinks(script, ("transfer", "{}"))
    assert said(script.happen(ToolAnswered(1, "Connecting.", "transfer", NURSE))) == [MANNER.connecting]
    script.hear_out()
    assert errands(script) == [Transfer(NURSE, f"A caller for you: {QUESTION}")]


@pytest.mark.parametrize("order", ["transfer", "keys"])
def test_an_order_that_comes_when_the_caller_has_broken_in_is_not_carried_out(order: str) -> None:
    script = asked()
    thinks(script, "One moment.", (order, "{}"))
    script.caller_says("No, wait, please do not.")
    script.happen(ToolAnswered(1, "It is done.", order, NURSE))  # type: ignore[arg-type]
    script.wait(1.0)
    script.agent_answers("All right.")
    script.hear_out()
    script.wait(5.0)
    assert errands(script) == []
    assert called(order, "{}", NOT_DONE) in script.history


def test_keys_are_pressed_when_what_was_said_before_was_heard_and_at_once_when_nothing_was() -> None:
    script = asked()
    thinks(script, "I am pressing one.", ("send_digits", "{}"))
    script.happen(ToolAnswered(1, "They are pressed.", "keys", "1w2"))
    assert errands(script) == []
    script.hear_out()
    assert errands(script) == [SendKeys("1w2")]
    script = asked()
    thinks(script, ("send_digits", "{}"))
    script.happen(ToolAnswered(1, "They are pressed.", "keys", "1w2"))
    assert errands(script) == [SendKeys("1w2")]
    script.happen(LineResumed("keys"), after_s=1.0)
    assert script.conversation.phase is Phase.LISTENING
    assert started(script)[-1] == ASKED


@pytest.mark.parametrize("broken_in", [False, True])
def test_who_is_found_not_to_want_calls_is_noted_at_once_whatever_they_say_meanwhile(broken_in: bool) -> None:
    script = asked()
    thinks(script, "I understand.", ("opt_out", "{}"))
    if broken_in:
        script.caller_says("Did you hear me?")
    told = script.happen(ToolAnswered(1, "Never again.", "opt out"))
    assert Note("opted out") in told
    assert said(told) == [MANNER.opted_out]
    script.hear_out()
    assert errands(script) == [HangUp("opted out")]
    assert called("opt_out", "{}", "Never again.") in script.history


def test_a_wish_not_to_be_called_outdoes_a_transfer_that_was_wanted_before() -> None:
    script = asked()
    thinks(script, ("transfer", "{}"), ("opt_out", "{}"))
    script.happen(ToolAnswered(1, "Connecting.", "transfer", NURSE))
    assert Note("opted out") in script.happen(ToolAnswered(2, "Never again.", "opt out"))
    script.hear_out()
    assert errands(script) in ([HangUp("opted out")], [Transfer(NURSE, "")])


# The line is lost, and found.


def test_a_tool_that_ran_when_the_line_was_lost_is_not_known_to_be_done_and_the_question_is_answered() -> None:
    script = asked()
    thinks(script, "Let me see.", (BOOK, "{}"))
    script.hear(0, 2)
    script.happen(LineLost())
    lost = called(BOOK, "{}", LOST)
    assert script.history[2:] == [Turn("agent", "Let me", "line"), lost]
    assert script.happen(ToolAnswered(1, "Booked.")) == [], "nobody waits for it any more"
    resumed = script.happen(LineResumed(), after_s=2.0)
    assert said(resumed) == [MANNER.dropped]
    assert started(script)[-1] == (*ASKED, Turn("agent", "Let me", "line"), lost)
    script.agent_answers("I do not know whether it is booked.")
    script.hear_out()
    assert script.history[4:] == [Turn("agent", f"{MANNER.dropped} I do not know whether it is booked.")]
    assert len(ran(script)) == 1


def test_what_a_tool_had_told_when_the_line_was_lost_is_told_on_the_fresh_one() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"))
    script.happen(ToolAnswered(1, "Booked."))
    script.happen(LineLost())
    script.happen(LineResumed(), after_s=2.0)
    assert started(script)[-1] == (*ASKED, called(BOOK, "{}", "Booked."))
    assert len(ran(script)) == 1


def test_a_draft_that_waits_for_a_tool_when_the_line_is_lost_leaves_no_trace() -> None:
    script = asked()
    thinks(script, (BOOK, "{}"), over=False)
    script.happen(LineLost())
    script.happen(LineResumed(), after_s=2.0)
    assert ran(script) == []
    assert started(script)[-1] == ASKED
