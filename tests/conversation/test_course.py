"""The course of a call: how it opens, what a caller may want of it, how it is left, and how it ends."""

from dataclasses import replace

import pytest
from scripts import MANNER, Script

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    ClearPlayout,
    CutBy,
    HangUp,
    Note,
    Noted,
    PlayFiller,
    Say,
    SendKeys,
    StartRecording,
    StartReply,
    Transfer,
    Turn,
)
from client_caller.conversation.events import (
    AnswererFound,
    Beeped,
    CallAnswered,
    EngineFailed,
    HangUpOrdered,
    KeyPressed,
    KeysOrdered,
    LineLost,
    LineResumed,
    SpeechPaused,
    SpeechStarted,
    TransferOrdered,
)
from client_caller.conversation.policy import Manner
from client_caller.conversation.transitions import Phase

IDENTITY = "Hello, this is Anna, the automated assistant of Brightline."
HUMAN = "+15550100003"
NAMED = replace(MANNER, identity=IDENTITY)
DIALLED = replace(
    NAMED,
    greeting="Your order is ready.",
    outbound=True,
    message="Please call us back.",
    screened="It is about an order.",
)


def said(script: Script) -> list[str]:
    """All that was handed to the voice, in order."""
    return [action.text for action in script.done if isinstance(action, Say | PlayFiller)]


def noted(script: Script) -> list[Noted]:
    return [action.what for action in script.done if isinstance(action, Note)]


def errands(script: Script) -> list[Action]:
    return [action for action in script.done if isinstance(action, SendKeys | Transfer | HangUp)]


def opened(manner: Manner) -> Script:
    script = Script(manner)
    script.answer_and_greet()
    return script


# How a call opens.


def test_who_is_calling_is_noted_once_it_was_heard_to_its_end_and_not_before() -> None:
    script = Script(NAMED)
    script.happen(CallAnswered())
    script.hear(0, 5)
    assert noted(script) == []
    script.hear_out()
    assert noted(script) == ["who is calling was heard"]
    assert said(script) == [IDENTITY, MANNER.greeting]


def test_who_breaks_into_the_name_hears_it_before_the_answer() -> None:
    script = Script(NAMED)
    script.happen(CallAnswered())
    script.hear(0, 3)
    script.caller_says("What does it cost?")
    script.wait(2.0)
    script.agent_answers("It costs thirty euros.")
    script.hear_out()
    assert said(script)[2:] in (["It costs thirty euros.", IDENTITY], [IDENTITY, "It costs thirty euros."])
    assert script.history[-1] == Turn("agent", f"{IDENTITY} It costs thirty euros.")
    script.caller_says("Thank you very much, that is all I need.")
    script.wait(4.0)
    script.agent_answers("You are welcome.")
    assert said(script)[-1] == "You are welcome.", "once heard, it is not said again"


def test_without_a_demand_the_recording_begins_with_the_call() -> None:
    script = Script()
    assert script.happen(CallAnswered())[0] == StartRecording()


def test_an_announced_recording_begins_when_the_announcement_was_heard() -> None:
    script = Script(replace(MANNER, recording="announced", recorded="This call is recorded."))
    script.happen(CallAnswered())
    script.hear(0, 2)
    assert StartRecording() not in script.done
    script.hear(0, 4, done=True)
    assert script.done[-2:] == [Note("recording allowed"), StartRecording()]


@pytest.mark.parametrize(
    ("answer", "outcome", "starts", "reply"),
    [
        ("Yes, that is fine.", "recording allowed", True, "greeting"),
        ("No, I do not want that.", "recording refused", False, "greeting"),
        ("When do you open on Saturdays?", "recording refused", False, "answer"),
    ],
)
def test_a_recording_that_is_asked_for_begins_with_a_yes_only(
    answer: str, outcome: Noted, starts: bool, reply: str
) -> None:
    script = opened(replace(MANNER, recording="asked", recorded="May we record this call?"))
    assert said(script) == ["May we record this call?"]
    script.caller_says(answer)
    script.wait(4.0)
    assert noted(script) == [outcome]
    assert (StartRecording() in script.done) is starts
    assert (said(script)[-1] == MANNER.greeting) is (reply == "greeting")
    assert any(isinstance(action, StartReply) for action in script.done[-6:]) or reply == "greeting"


def test_who_did_not_hear_the_question_about_recording_is_asked_again() -> None:
    script = Script(replace(MANNER, recording="asked", recorded="May we record this call?"))
    script.happen(CallAnswered())
    script.hear(0, 1)
    script.caller_says("What does it cost?")
    script.wait(4.0)
    assert said(script).count("May we record this call?") == 2
    assert noted(script) == []


# What a caller may want of the call.


@pytest.mark.parametrize("words", ["Please stop calling me.", "Take me off your list."])
def test_who_does_not_want_to_be_called_is_noted_told_so_and_let_go(words: str) -> None:
    script = opened(MANNER)
    script.caller_says(words)
    script.wait(4.0)
    assert noted(script) == ["opted out"]
    assert said(script)[-1] == MANNER.opted_out
    assert errands(script) == []
    script.happen(SpeechStarted(script.now))  # nothing takes it back
    script.hear_out()
    assert errands(script) == [HangUp("opted out")]
    assert Turn("caller", words) in script.history


def test_a_draft_made_meanwhile_is_never_heard_by_who_opts_out() -> None:
    script = opened(MANNER)
    script.caller_says("Please stop calling me.")
    script.agent_answers("Let me tell you about our offers.")
    script.wait(4.0)
    script.hear_out()
    assert not any("offers" in turn.text for turn in script.history)


def test_one_key_opts_out_and_another_connects_to_a_human() -> None:
    keys = replace(MANNER, opt_out_key="9", human_key="0", transfer_to=HUMAN)
    script = Script(keys)
    script.happen(CallAnswered())
    script.happen(KeyPressed("9"))
    assert noted(script) == ["opted out"]
    script = opened(keys)
    script.happen(KeyPressed("0"))
    script.hear_out()
    assert errands(script) == [Transfer(HUMAN)]


def test_other_keys_are_one_message_once_the_last_was_pressed_a_while_ago() -> None:
    script = opened(MANNER)
    for key in "402":
        script.happen(KeyPressed(key), after_s=0.8)
    assert not any(isinstance(action, StartReply) for action in script.done)
    script.wait(2.1)
    (asked,) = [action for action in script.done if isinstance(action, StartReply)]
    assert asked.history[-1] == Turn("caller", "[pressed 402]")


def test_keys_pressed_while_the_caller_speaks_belong_to_the_same_turn() -> None:
    script = opened(MANNER)
    script.happen(SpeechStarted(script.now))
    script.happen(KeyPressed("7"), after_s=0.2)
    script.wait(3.0)
    script.pauses += 1
    script.happen(SpeechPaused(script.now, 3.0))
    script.words_come("My number is on the keys.")
    script.wait(4.0)
    asked = [action for action in script.done if isinstance(action, StartReply)]
    assert asked[-1].history[-1].text.split(" [")[0] in ("My number is on the keys.", "[pressed 7]")
    assert any("[pressed 7]" in action.history[-1].text for action in asked)


def test_who_says_nothing_is_asked_once_and_then_let_go() -> None:
    script = opened(MANNER)
    script.wait(9.9)
    assert said(script)[-1] == MANNER.greeting
    script.wait(0.2)
    assert said(script)[-1] == MANNER.still_there
    script.hear_out()
    script.wait(10.1)
    assert said(script)[-1] == MANNER.farewell
    script.hear_out()
    assert errands(script) == [HangUp("the caller was silent")]


def test_a_word_after_the_question_begins_the_silence_anew() -> None:
    script = opened(MANNER)
    script.wait(10.1)
    script.hear_out()
    script.caller_says("Yes, I am here, wait a second please.")
    script.wait(4.0)
    script.agent_answers("Of course.")
    script.hear_out()
    script.wait(10.1)
    assert said(script)[-1] == MANNER.still_there
    assert errands(script) == []


def test_after_two_goodbyes_the_line_is_closed_soon() -> None:
    script = opened(MANNER)
    script.caller_says("Thank you, goodbye.")
    script.wait(2.0)
    script.agent_answers("Goodbye!")
    script.hear_out()
    script.wait(2.6)
    assert errands(script) == [HangUp("the caller said goodbye")]


# How the line is left, and come back to.


def test_a_transfer_is_announced_heard_and_then_done_whatever_the_caller_says() -> None:
    script = opened(replace(MANNER, transfer_to=HUMAN, briefly="A caller for you, who says: {words}"))
    script.caller_says("Can I speak to a human please?")
    script.wait(4.0)
    assert said(script)[-1] == MANNER.connecting
    script.happen(SpeechStarted(script.now))
    assert not any(isinstance(action, ClearPlayout | CancelReply) for action in script.done[-2:])
    script.hear_out()
    assert errands(script) == [Transfer(HUMAN, "A caller for you, who says: Can I speak to a human please?")]
    assert script.conversation.phase is Phase.RESUMING


@pytest.mark.parametrize("how", ["busy", "no-answer", "declined", "failed", ""])
def test_a_transfer_that_nobody_took_comes_back_with_a_sentence_and_goes_on(how: str) -> None:
    script = opened(MANNER)
    script.happen(TransferOrdered(HUMAN))
    script.hear_out()
    script.happen(LineLost())  # the stream that was left is no loss
    script.happen(LineResumed(how))
    assert said(script)[-1] == MANNER.not_reached
    script.hear_out()
    script.caller_says("No, thank you.")
    script.wait(4.0)
    assert isinstance(script.done[-1], StartReply | PlayFiller) or script.released()


def test_without_a_telephone_to_transfer_to_the_wish_is_answered_by_the_agent() -> None:
    script = opened(MANNER)
    script.caller_says("Can I speak to a human please?")
    script.wait(4.0)
    script.happen(TransferOrdered())
    assert errands(script) == []
    assert any(isinstance(action, StartReply) for action in script.done)


def test_keys_are_sent_at_once_and_the_conversation_goes_on_where_it_was() -> None:
    script = opened(MANNER)
    script.happen(KeysOrdered("12#"))
    assert script.done[-1] == SendKeys("12#")
    assert script.conversation.phase is Phase.RESUMING
    before = said(script)
    script.happen(LineResumed("keys"))
    assert script.conversation.phase is Phase.LISTENING
    assert said(script) == before, "nobody is told that the line dropped"


def test_what_the_agent_was_saying_when_keys_were_sent_is_said_to_its_end_afterwards() -> None:
    script = Script(MANNER)
    script.happen(CallAnswered())
    script.hear(0, 2)
    script.happen(KeysOrdered("1"))
    script.happen(LineResumed("keys"), after_s=1.0)
    assert said(script)[-1].endswith(said(script)[0].split()[-1])
    assert MANNER.dropped not in said(script)
    assert script.history[0].cut_by == "line"


def test_what_the_caller_had_asked_when_keys_were_sent_is_answered_afterwards() -> None:
    script = opened(MANNER)
    script.caller_says("When do you open?")
    script.wait(0.3)
    script.happen(KeysOrdered("1"))
    script.happen(LineResumed("keys"), after_s=1.0)
    script.agent_answers("At eight.")
    script.hear_out()
    assert script.history[-1].text == "At eight."


def test_who_orders_the_end_of_a_call_has_the_goodbye_heard_first() -> None:
    script = opened(MANNER)
    script.happen(HangUpOrdered("the operator"))
    assert said(script)[-1] == MANNER.farewell
    assert errands(script) == []
    script.hear_out()
    assert errands(script) == [HangUp("the operator")]


def test_a_goodbye_whose_voice_fails_ends_the_call_all_the_same() -> None:
    script = opened(MANNER)
    script.happen(HangUpOrdered("the operator"))
    script.happen(EngineFailed("voice", script.reply))
    assert errands(script) == [HangUp("the operator")]


@pytest.mark.parametrize("order", [TransferOrdered(HUMAN), KeysOrdered("1"), HangUpOrdered("twice")])
def test_what_is_ordered_while_the_last_word_is_said_comes_too_late(order: TransferOrdered) -> None:
    script = opened(MANNER)
    script.happen(HangUpOrdered("first"))
    script.happen(order)
    script.hear_out()
    assert errands(script) == [HangUp("first")]


# A call that we placed.


def answered(manner: Manner = DIALLED) -> Script:
    script = Script(manner)
    script.happen(CallAnswered())
    return script


def hello(script: Script, text: str, voiced_s: float = 0.5) -> None:
    """Whoever answered says this, and is quiet."""
    script.happen(SpeechStarted(script.now), after_s=0.4)
    script.wait(voiced_s)
    script.pauses += 1
    script.happen(SpeechPaused(script.now, voiced_s))
    script.wait(0.1)
    script.words_come(text)


def test_nobody_is_talked_to_before_it_is_known_who_is_there() -> None:
    script = answered()
    assert script.conversation.phase is Phase.PROBING
    assert said(script) == []


def test_a_hello_is_told_who_is_calling_within_half_a_second() -> None:
    script = answered()
    hello(script, "Hello?")
    script.wait(0.4)
    assert said(script) == [IDENTITY, DIALLED.greeting]
    assert noted(script) == ["a human answered"]
    script.hear_out()
    assert script.history[:2] == [Turn("caller", "Hello?"), Turn("agent", f"{IDENTITY} {DIALLED.greeting}")]


def test_who_waits_for_the_caller_to_speak_is_spoken_to() -> None:
    script = answered()
    script.wait(5.0)
    assert said(script) == [IDENTITY, DIALLED.greeting]
    assert noted(script) == []
    script.hear_out()
    script.caller_says("Yes, who is this please?")
    script.wait(4.0)
    assert "a human answered" in noted(script)


def greet_as_machine(script: Script) -> None:
    hello(script, "You have reached the voicemail of Ada. Please leave a message after the tone.", 5.0)


def test_a_machine_gets_its_message_after_the_beep_and_nothing_before() -> None:
    script = answered()
    greet_as_machine(script)
    script.wait(1.0)
    assert said(script) == []
    script.happen(Beeped(script.now))
    script.wait(0.5)
    assert said(script) == [IDENTITY, DIALLED.message]
    script.hear_out()
    assert errands(script) == [HangUp("a message was left")]
    assert noted(script) == ["a machine answered", "who is calling was heard", "a message was left"]


@pytest.mark.parametrize("order", [TransferOrdered(HUMAN), KeysOrdered("1"), HangUpOrdered("the operator")])
def test_what_is_ordered_while_a_message_is_left_comes_too_late(order: TransferOrdered) -> None:
    script = answered()
    script.happen(AnswererFound("machine done"), after_s=0.5)
    script.wait(2)
    script.happen(order)
    script.hear_out()
    assert errands(script) == [HangUp("a message was left")]


def test_a_machine_is_left_at_once_when_there_is_no_message() -> None:
    script = answered(replace(DIALLED, message=""))
    greet_as_machine(script)
    script.happen(Beeped(script.now), after_s=0.5)
    script.wait(0.5)
    assert errands(script) == [HangUp("a machine, and no message")]


def test_a_human_who_picks_up_while_the_message_is_left_is_talked_to() -> None:
    script = answered()
    greet_as_machine(script)
    script.happen(Beeped(script.now), after_s=0.5)
    script.wait(0.5)
    script.hear(0, 3)
    script.wait(2.0)
    hello(script, "Hello? Who is this?", 0.9)
    script.wait(0.6)
    assert said(script)[-2:] == [IDENTITY, DIALLED.greeting]
    assert script.conversation.phase is Phase.SPEAKING
    script.hear_out()
    assert errands(script) == []


def test_who_was_taken_for_a_human_and_turns_out_a_machine_gets_the_message() -> None:
    script = answered()
    hello(script, "Hello?")
    script.wait(0.4)
    script.hear(0, 2)
    script.caller_says("Please leave your message after the tone.")
    script.wait(4.0)
    assert script.conversation.phase is Phase.PROBING
    script.happen(Beeped(script.now))
    script.wait(0.5)
    assert said(script)[-1] == DIALLED.message
    script.hear_out()
    assert errands(script) == [HangUp("a message was left")]


def test_an_assistant_that_screens_calls_is_told_why_and_the_human_behind_it_who() -> None:
    script = answered()
    hello(script, "Hi, if you record your name and reason for calling, I will see if this person is available.", 4.0)
    script.wait(1.0)
    assert sorted(said(script)) == sorted([IDENTITY, DIALLED.screened])
    script.hear_out()
    script.wait(3.0)
    hello(script, "Hello?")
    script.wait(0.6)
    assert said(script)[-1] == DIALLED.greeting


def test_an_assistant_that_was_taken_for_a_human_is_told_why_we_call() -> None:
    script = answered()
    hello(script, "Hello?")
    script.wait(0.4)
    script.hear(0, 2)
    script.caller_says("Please say your name and why you are calling, and I will see if this person is available.")
    script.wait(4.0)
    assert script.conversation.phase is Phase.PROBING
    assert DIALLED.screened in said(script)


@pytest.mark.parametrize(("keys", "errand"), [("1", SendKeys("1")), ("", HangUp("a menu"))])
def test_a_menu_gets_its_key_or_is_left(keys: str, errand: Action) -> None:
    script = answered(replace(DIALLED, menu_keys=keys))
    hello(script, "Thank you for calling. For sales, press one. For support, press two.", 4.0)
    script.wait(2.0)
    assert errands(script) == [errand]
    if keys:
        script.happen(LineResumed("keys"))
        assert script.conversation.phase is Phase.PROBING
        hello(script, "Hello?")
        script.wait(0.4)
        assert said(script) == [IDENTITY, DIALLED.greeting]


def test_a_fax_is_left() -> None:
    script = answered()
    script.happen(Beeped(script.now, "fax"), after_s=2.0)
    assert errands(script) == [HangUp("a fax")]


def test_the_carriers_verdict_of_a_machine_does_not_hang_up_on_who_says_hello() -> None:
    script = answered()
    hello(script, "Hello?")
    script.wait(0.4)
    script.happen(AnswererFound("machine"))
    script.hear_out()
    assert errands(script) == []
    assert script.conversation.phase is Phase.LISTENING


def test_a_line_that_is_lost_before_anybody_was_found_is_probed_anew() -> None:
    script = answered()
    script.happen(LineLost(), after_s=1.0)
    script.happen(LineResumed(), after_s=1.0)
    assert script.conversation.phase is Phase.PROBING
    hello(script, "Hello?")
    script.wait(0.4)
    assert said(script) == [IDENTITY, DIALLED.greeting]


@pytest.mark.parametrize("cut_by", ["caller", "line"])
def test_the_name_that_a_machine_or_a_lost_line_cut_off_is_not_taken_for_heard(cut_by: CutBy) -> None:
    script = answered()
    hello(script, "Hello?")
    script.wait(0.4)
    script.hear(0, 3)
    if cut_by == "line":
        script.happen(LineLost())
        script.happen(LineResumed())
    else:
        script.caller_says("Sorry, what?")
        script.wait(4.0)
    assert noted(script) == ["a human answered"]
    assert said(script).count(IDENTITY) == 2
