"""Who has the floor, turn by turn."""

import pytest
from scripts import MANNER, Script

from client_caller.conversation.actions import (
    CancelReply,
    ClearPlayout,
    CloseTurn,
    GoOn,
    HangUp,
    Hush,
    PlayFiller,
    ReadAhead,
    Release,
    Remember,
    Say,
    ScoreTurn,
    StartRecording,
    StartReply,
    Transcribe,
    Turn,
)
from client_caller.conversation.events import (
    CallAnswered,
    EngineFailed,
    HungUp,
    Interim,
    KeyPressed,
    PlayedOut,
    ReplyEnded,
    ReplyText,
    SpeechPaused,
    SpeechStarted,
    Transcript,
    TurnScored,
    WordsScored,
)
from client_caller.conversation.machine import Conversation
from client_caller.conversation.policy import Manner
from client_caller.conversation.transitions import Phase
from client_caller.errors import LocalProtocolError


def test_the_greeting_is_said_at_once() -> None:
    script = Script()
    assert script.happen(CallAnswered()) == [StartRecording(), Say(1, 0, MANNER.greeting), Release(1)]


def test_a_pause_asks_for_the_words_at_once_and_a_little_later_for_verdicts() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    assert script.happen(SpeechPaused(script.now, 0.8)) == [Transcribe(1)]
    history = (Turn("agent", MANNER.greeting), Turn("caller", "the red"))
    assert script.happen(Transcript(1, "the red"), after_s=0.1) == [ReadAhead(history)]
    script.happen(WordsScored("the red", 0.05))
    assert script.wait(0.1) == [ScoreTurn(1)]


def test_the_sound_is_judged_when_the_words_are_late() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    script.happen(SpeechPaused(script.now, 0.8))
    assert script.wait(0.29) == []
    assert script.wait(0.02) == [ScoreTurn(1)]


def test_words_that_settle_it_need_no_verdict_on_the_sound() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    script.happen(SpeechPaused(script.now, 0.8))
    script.happen(Transcript(1, "my name is"))
    assert ScoreTurn(1) not in script.wait(1.0)


def test_a_draft_is_made_at_the_pause_and_not_heard_before_the_turn_is_over() -> None:
    script = Script()
    script.answer_and_greet()
    actions = script.caller_says("what are your opening hours")
    history = (Turn("agent", MANNER.greeting), Turn("caller", "what are your opening hours"))
    assert StartReply(2, history) in actions
    assert script.agent_answers("From nine to five.") == [Say(2, 0, "From nine to five.")]
    assert script.released() == [1]
    assert script.wait(1.0)[-2:] == [CloseTurn(), Release(2)]


def test_a_surely_finished_turn_is_answered_at_once_and_an_unfinished_one_is_waited_for() -> None:
    waits = {}
    for text in ("goodbye", "what are your opening hours", "my name is"):
        script = Script()
        script.answer_and_greet()
        script.caller_says(text)
        paused_at = script.now - 0.164
        script.happen(TurnScored(1, 0.9), after_s=0.05)
        while 2 not in script.released():
            script.wait(0.01)
            if StartReply in {type(action) for action in script.done} and not any(
                isinstance(a, Say) and a.reply == 2 for a in script.done
            ):
                script.agent_answers("Yes.")
        waits[text] = script.now - paused_at
    assert waits["goodbye"] < 0.3
    assert waits["what are your opening hours"] < 0.45
    assert waits["my name is"] > 3.0


def test_a_draft_is_dropped_without_trace_when_the_caller_goes_on() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("I would like to book a table")
    script.agent_answers("Certainly.")
    assert script.happen(SpeechStarted(script.now)) == []
    read = (Turn("agent", MANNER.greeting), Turn("caller", "I would like to book a table for"))
    assert script.happen(Interim("I would like to book a table for")) == [CancelReply(2), ReadAhead(read)]
    script.happen(SpeechPaused(script.now + 1, 0.9), after_s=1.0)
    script.pauses += 1
    started = script.words_come("I would like to book a table for two")
    said = (Turn("agent", MANNER.greeting), Turn("caller", "I would like to book a table for two"))
    assert started == [ReadAhead(said), StartReply(3, said)]
    script.agent_answers("For when?")
    script.wait(3.5)
    script.hear_out()
    assert script.released() == [1, 3]
    assert script.history[1:] == [Turn("caller", "I would like to book a table for two"), Turn("agent", "For when?")]


def test_a_draft_outlives_a_noise_that_changes_no_word() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("What are your opening hours?")
    script.agent_answers("From nine to five.")
    assert script.happen(SpeechStarted(script.now)) == []
    assert script.happen(Interim("what are your opening hours")) == []
    script.happen(SpeechPaused(script.now, 0.1), after_s=0.1)
    assert script.happen(Transcript(2, "what are your opening hours")) == []
    assert Release(2) in script.wait(1.0)


def test_a_draft_of_words_that_look_unfinished_waits_until_the_silence_does_not() -> None:
    script = Script()
    script.answer_and_greet()
    assert StartReply not in {type(action) for action in script.caller_says("I want to book the", p_end=0.001)}
    assert StartReply not in {type(action) for action in script.wait(0.5)}
    assert StartReply in {type(action) for action in script.wait(3.0)}


def test_a_language_model_that_has_no_verdict_does_not_keep_the_caller_waiting() -> None:
    for verdict in (WordsScored("what are your opening hours", None), EngineFailed("language model", 0)):
        script = Script()
        script.answer_and_greet()
        script.happen(SpeechStarted(script.now))
        script.happen(SpeechPaused(script.now, 0.9))
        script.happen(Transcript(1, "what are your opening hours"))
        assert StartReply in {type(action) for action in script.happen(verdict)}
        script.agent_answers("From nine to five.")
        script.happen(TurnScored(1, 0.9), after_s=0.2)
        assert Release(2) in script.wait(0.6)


def test_verdicts_that_do_not_come_are_waited_for_less_than_half_a_second() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    script.happen(SpeechPaused(script.now, 0.9))
    script.happen(Transcript(1, "what are your opening hours"))
    script.wait(0.35)
    script.agent_answers("From nine to five.")
    assert Release(2) in script.wait(0.5)


def test_at_most_three_drafts_are_made_in_one_turn_and_the_answer_still_comes() -> None:
    script = Script()
    script.answer_and_greet()
    for count in range(5):
        script.caller_says("one more thing " * (count + 1))
    assert sum(isinstance(action, StartReply) for action in script.done) == 3
    script.wait(4.0)
    script.agent_answers("I see.")
    script.hear_out()
    assert script.history[-1] == Turn("agent", f"{MANNER.fillers[0]} I see.")


def test_speech_before_the_first_heard_word_merges_the_turns() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what does it cost")
    script.wait(1.0)
    script.agent_answers("Sixty euros.")
    assert script.happen(SpeechStarted(script.now)) == [Hush()]
    script.happen(SpeechPaused(script.now + 0.8, 0.7), after_s=0.8)
    script.pauses += 1
    said = (Turn("agent", MANNER.greeting), Turn("caller", "what does it cost for a child"))
    assert script.words_come("for a child") == [
        ClearPlayout(),
        CancelReply(2),
        ReadAhead(said),
        StartReply(3, said),
    ]
    script.wait(1.0)
    script.agent_answers("Thirty euros.")
    script.hear_out()
    assert script.history[1:] == [Turn("caller", "what does it cost for a child"), Turn("agent", "Thirty euros.")]


def test_a_barge_in_silences_the_agent_and_only_what_was_heard_is_remembered() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    script.agent_answers("We are open from nine to five.", "On Saturdays until noon.")
    script.hear(0, 3)
    cut = (
        Turn("agent", MANNER.greeting),
        Turn("caller", "what are your opening hours"),
        Turn("agent", "We are open", cut_by="caller"),
        Turn("caller", ""),
    )
    assert script.happen(SpeechStarted(script.now)) == [Hush(), ReadAhead(cut)]
    assert script.conversation.phase is Phase.HUSHED
    assert script.history[-1].speaker == "caller", "nothing is settled yet"
    assert script.happen(Interim("no I mean"), after_s=0.5) == [
        ClearPlayout(),
        CancelReply(2),
        Remember(Turn("agent", "We are open", cut_by="caller")),
        ReadAhead(
            (
                Turn("agent", MANNER.greeting),
                Turn("caller", "what are your opening hours"),
                Turn("agent", "We are open", cut_by="caller"),
                Turn("caller", "no I mean"),
            )
        ),
    ]
    assert script.conversation.phase is Phase.LISTENING


def test_words_while_the_caller_speaks_are_read_ahead_and_change_nothing() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(2.0))
    history = (Turn("agent", MANNER.greeting), Turn("caller", "what are your"))
    assert script.happen(Interim("what are your")) == [ReadAhead(history)]
    script.happen(SpeechPaused(3.0, 0.9))
    assert script.happen(Interim("too late")) == []


def test_late_news_of_a_cancelled_reply_is_dropped() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    script.happen(ReplyText(2, "We are open."))
    script.hear(0, 1)
    script.happen(SpeechStarted(script.now))
    assert script.happen(ReplyText(2, "Until five.")) == [Say(2, 1, "Until five.")], "it may yet be heard"
    script.happen(Interim("wait"), after_s=0.5)
    assert script.happen(ReplyText(2, "Or six.")) == []
    assert script.happen(ReplyEnded(2)) == []
    assert script.happen(PlayedOut(2, 0, 3, done=True)) == []
    assert script.happen(EngineFailed("voice", 2)) == []


def test_news_of_an_earlier_pause_is_dropped() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(2.0))
    script.happen(SpeechPaused(3.0, 0.9))
    script.happen(SpeechStarted(3.2))
    script.happen(SpeechPaused(4.0, 0.9))
    assert script.happen(Transcript(1, "too late")) == []
    assert script.happen(TurnScored(1, 0.99)) == []
    assert script.happen(EngineFailed("transcriber", 1)) == []


def test_a_noise_does_not_start_a_reply() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    assert script.happen(SpeechPaused(script.now + 0.3, 0.3), after_s=0.4) == [Transcribe(1)]
    assert script.happen(Transcript(1, "")) == []
    assert script.wait(5.0) == []
    assert script.conversation.phase is Phase.LISTENING


def test_a_voice_in_which_no_word_was_found_is_asked_once_to_repeat() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("")
    assert Say(2, 0, MANNER.repeat) in script.wait(1.5)
    script.hear_out()
    script.caller_says("")
    assert script.wait(5.0) == []
    script.caller_says("what are your opening hours")
    script.agent_answers("From nine to five.")
    script.wait(1.0)
    script.hear_out()
    script.caller_says("")
    assert Say(4, 0, MANNER.repeat) in script.wait(1.5), "words have been understood since"


def test_words_that_were_there_while_they_were_spoken_and_are_then_gone_are_asked_for_again() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    script.happen(Interim("yes please"), after_s=0.5)
    script.happen(SpeechPaused(script.now, 0.5))
    assert script.happen(Transcript(1, ""), after_s=0.1) == []
    assert Say(2, 0, MANNER.repeat) in script.wait(1.5)


def test_after_a_noise_the_agent_goes_on_from_the_first_unheard_word() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    script.agent_answers("We are open from nine to five.", "On Saturdays until noon.")
    script.hear(0, 3)
    assert script.happen(SpeechStarted(script.now))[0] == Hush()
    script.happen(SpeechPaused(script.now + 0.2, 0.2), after_s=0.3)
    assert script.happen(Transcript(2, ""), after_s=0.1) == [CloseTurn(), GoOn(2)]
    script.hear_out()
    assert script.history[2:] == [Turn("agent", "We are open from nine to five. On Saturdays until noon.")]


def test_a_noise_while_the_agent_thinks_does_not_lose_the_question() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    assert script.conversation.phase is Phase.THINKING
    actions = script.caller_says("")
    assert actions[0] == CancelReply(2)
    assert actions[-1] == Release(3)
    assert script.conversation.phase is Phase.THINKING


def test_the_words_may_come_later_than_the_end_of_the_turn() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(2.0))
    script.now = 3.0
    script.happen(SpeechPaused(2.95, 0.9))
    script.wait(1.5)
    assert StartReply in map(type, script.happen(Transcript(1, "yes")))
    script.agent_answers("Fine.")
    assert 2 in script.released()


def test_a_turn_stays_open_while_nothing_of_its_answer_could_be_heard() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what does it cost")
    script.wait(0.5)
    assert 2 not in script.released()
    assert script.happen(SpeechStarted(script.now)) == [], "there is nothing to take back"
    script.happen(SpeechPaused(script.now + 1, 0.9), after_s=1.0)
    script.pauses += 1
    said = (Turn("agent", MANNER.greeting), Turn("caller", "what does it cost for a child"))
    assert StartReply(3, said) in script.words_come("what does it cost for a child")
    script.wait(0.9)
    assert 3 in script.released(), "but a model that is slow does not keep it open"


def test_a_turn_that_goes_on_after_its_commit_is_judged_as_a_whole() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("What does it cost?")
    script.agent_answers("Sixty euros.")
    script.wait(1.0)
    script.happen(SpeechStarted(script.now))
    script.happen(SpeechPaused(script.now + 1, 0.9), after_s=1.0)
    script.pauses += 1
    script.words_come("no", p_end=0.001)
    assert 3 not in script.released() + [action.reply for action in script.wait(0.6) if isinstance(action, Release)]


def test_words_that_never_come_are_asked_for_again() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    script.happen(SpeechPaused(script.now + 0.9, 0.9), after_s=1.0)
    script.happen(EngineFailed("transcriber", 1))
    assert Say(2, 0, MANNER.repeat) in script.wait(1.5)


def test_a_transcriber_that_says_nothing_at_all_is_given_up() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    script.happen(SpeechPaused(script.now + 0.9, 0.9), after_s=1.0)
    assert Say(2, 0, MANNER.repeat) in script.wait(10.0)


def test_a_failed_turn_model_does_not_matter() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    script.happen(SpeechPaused(script.now + 0.9, 0.9), after_s=1.0)
    script.happen(EngineFailed("turn model", 1))
    script.happen(Transcript(1, "what are your opening hours"))
    assert Release(2) in script.wait(1.5)


def test_a_failed_reply_is_tried_once_more_and_then_excused() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    again = script.happen(EngineFailed("language model", 2))
    said = (Turn("agent", MANNER.greeting), Turn("caller", "what are your opening hours"))
    assert again == [StartReply(2, said)]
    assert script.happen(EngineFailed("language model", 2)) == [Say(2, 0, MANNER.trouble)]
    script.hear_out()
    assert script.conversation.phase is Phase.LISTENING


def test_a_failed_draft_is_made_anew_when_the_turn_is_over() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    assert script.happen(EngineFailed("language model", 2)) == [CancelReply(2)]
    actions = script.wait(1.0)
    assert [type(action) for action in actions] == [CloseTurn, StartReply, Release]


def test_a_model_that_fails_in_mid_reply_has_said_what_it_said() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    script.happen(ReplyText(2, "From nine to five."))
    script.happen(EngineFailed("language model", 2))
    script.hear_out()
    assert script.history[-1] == Turn("agent", "From nine to five.")
    assert script.conversation.phase is Phase.LISTENING


def test_a_language_model_that_says_nothing_is_replaced_by_an_apology_in_the_end() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    said: list[str] = []
    while not said or said[-1] in MANNER.fillers:
        said += [action.text for action in script.wait(1.2) if isinstance(action, Say | PlayFiller)]
        script.hear_out()
    assert said[-1] == MANNER.trouble
    assert len(said) > 3
    assert script.now < 15.0


def test_a_broken_voice_is_excused_from_the_bank_and_then_gives_the_floor_back_and_never_hangs_up() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    script.happen(ReplyText(2, "From nine to five."))
    excuse = [CancelReply(2), Release(3), PlayFiller(3, 0, MANNER.trouble)]
    assert script.happen(EngineFailed("voice", 2)) == excuse
    assert script.happen(EngineFailed("voice", 3)) == [CancelReply(3)]
    assert script.conversation.phase is Phase.LISTENING


def test_a_voice_cannot_fail_at_a_reply_that_has_no_word_yet() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    assert script.happen(EngineFailed("voice", 2)) == []
    assert script.conversation.phase is Phase.THINKING


def test_the_call_ends_after_its_longest_time_when_the_goodbye_was_heard() -> None:
    script = Script(Manner("Hello.", "Again?", "Sorry.", "Goodbye now.", max_call_s=60.0, silence_s=90.0))
    script.answer_and_greet()
    assert Say(2, 0, "Goodbye now.") in script.wait(60.0)
    assert script.happen(SpeechStarted(60.0)) == []
    assert script.hear(0, 2, done=True) == [Remember(Turn("agent", "Goodbye now.")), HangUp(_REASON)]
    assert script.conversation.deadline is None


def test_a_goodbye_that_is_never_heard_ends_the_call_all_the_same() -> None:
    script = Script(Manner("Hello.", "Again?", "Sorry.", "Goodbye now.", max_call_s=60.0))
    script.answer_and_greet()
    assert HangUp(_REASON) in script.wait(100.0)


def test_a_hang_up_settles_the_last_words_of_both() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("thank you goodbye")
    script.happen(HungUp())
    assert script.history[-1] == Turn("caller", "thank you goodbye")
    assert script.happen(SpeechStarted(9.0)) == []
    assert script.conversation.deadline is None


def test_a_key_is_taken_in_any_phase() -> None:
    script = Script()
    script.answer_and_greet()
    assert script.happen(KeyPressed("1")) == []


def test_an_impossible_event_is_our_own_bug() -> None:
    with pytest.raises(LocalProtocolError, match="SpeechPaused cannot happen while ringing"):
        Conversation(MANNER).handle(SpeechPaused(1.0, 0.5), now=1.0)


_REASON = "the call lasted as long as it may"


def test_words_are_written_as_before_so_that_the_model_reads_only_what_is_new() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    script.happen(Interim("Hold on, I have a question."))
    script.happen(SpeechPaused(script.now, 0.9))
    (read,) = script.happen(Transcript(1, "Hold on. I have a Question about my order."))
    assert read == ReadAhead(
        (Turn("agent", MANNER.greeting), Turn("caller", "Hold on, I have a Question about my order."))
    )


def test_a_full_stop_after_a_word_that_ends_no_sentence_is_not_believed() -> None:
    script = Script()
    script.answer_and_greet()
    script.happen(SpeechStarted(script.now))
    (read,) = script.happen(Interim("It was the best of. Times. It was"))
    assert read == ReadAhead((Turn("agent", MANNER.greeting), Turn("caller", "It was the best of Times. It was")))


def test_a_sound_that_was_known_to_be_assent_nearly_to_its_end_is_not_waited_for() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    script.agent_answers("We are open from nine to five.")
    script.hear(0, 3)
    script.happen(SpeechStarted(script.now))
    assert script.happen(Interim("yeah"), after_s=0.3) == []
    assert script.happen(SpeechPaused(script.now + 0.05, 0.35), after_s=0.1) == [Transcribe(2), GoOn(2)]
    assert script.happen(Transcript(2, "yeah")) == [CloseTurn()]
    assert script.conversation.phase is Phase.SPEAKING


def test_assent_that_turns_out_to_be_a_sentence_interrupts_although_the_agent_speaks_again() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    script.agent_answers("We are open from nine to five.")
    script.hear(0, 3)
    script.happen(SpeechStarted(script.now))
    script.happen(Interim("yeah"), after_s=0.3)
    script.happen(SpeechPaused(script.now + 0.05, 0.35), after_s=0.1)
    assert script.happen(Transcript(2, "yes but when"))[:2] == [ClearPlayout(), CancelReply(2)]
    assert script.conversation.phase is Phase.PAUSED


def test_who_goes_on_after_a_sound_of_assent_silences_the_agent_again() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    script.agent_answers("We are open from nine to five.")
    script.hear(0, 3)
    script.happen(SpeechStarted(script.now))
    script.happen(Interim("yeah"), after_s=0.3)
    script.happen(SpeechPaused(script.now + 0.05, 0.35), after_s=0.1)
    assert script.happen(SpeechStarted(script.now), after_s=0.05)[0] == Hush()
    assert script.happen(Transcript(2, "yeah")) == [], "the caller is speaking again"
    assert script.happen(Interim("yeah but when"), after_s=0.5)[0] == ClearPlayout()
    assert script.conversation.phase is Phase.LISTENING


def test_a_fragment_of_a_word_may_acquit_a_sound_but_not_convict_it() -> None:
    script = Script()
    script.answer_and_greet()
    script.caller_says("what are your opening hours")
    script.wait(1.0)
    script.agent_answers("We are open from nine to five.")
    script.hear(0, 3)
    script.happen(SpeechStarted(script.now))
    assert script.happen(Interim("Oh, K"), after_s=0.15) == []
    assert script.conversation.phase is Phase.HUSHED
    script.happen(SpeechPaused(script.now + 0.2, 0.4), after_s=0.3)
    assert script.happen(Transcript(2, "okay")) == [CloseTurn(), GoOn(2)]
