"""What documents make of a call that comes in."""

from typing import Any

import pytest
from fastapi import Response

from client_caller.twin.carried import CarriedCall
from client_caller.twin.numbers import Number
from client_caller.twin.people import KeyPress, Person, colleague, talking
from twin.far_end import OURS, PUBLIC, FarEnd, document, held


def called(end: FarEnd, person: Person | None = None, **options: Any) -> CarriedCall:
    who = person or Person(next_frame=talking(0.0, 60.0))
    return held(end, lambda twin: twin.call_in(who, OURS), **options)


def states(call: CarriedCall) -> list[str]:
    return [each.state for each in call.states]


def length_s(call: CarriedCall) -> float:
    return call.states[-1].at - call.states[0].at


def test_words_are_heard_for_as_long_as_they_take() -> None:
    call = called(FarEnd({"/voice": document("<Say>one two  three</Say>")}))
    assert call.announcements == ["one two three"]
    assert length_s(call) == pytest.approx(0.9, abs=0.01)
    assert len(call.sent) == len(call.played) == 160 * 45
    assert b"\xff" * 160 not in bytes(call.played)
    assert call.hung_up_by == "document"
    assert states(call) == ["ringing", "in-progress", "completed"]


def test_a_twin_without_a_voice_takes_as_long_and_is_not_heard() -> None:
    call = called(FarEnd({"/voice": document("<Say>one two three</Say>")}), voice=None)
    assert length_s(call) == pytest.approx(0.9, abs=0.01)
    assert call.played == b""


def test_a_person_hangs_up_in_the_middle_of_a_sentence() -> None:
    call = called(FarEnd({"/voice": document("<Say>" + "word " * 100 + "</Say>")}), Person(next_frame=talking(1.0)))
    assert call.hung_up_by_caller
    assert length_s(call) == pytest.approx(1.0, abs=0.11)
    assert len(call.sent) == 160 * 50


def test_pauses_and_redirects_are_followed_relative_to_the_document() -> None:
    end = FarEnd(
        {
            "/voice": document('<Pause length="2"/><Redirect>there/again?x=1</Redirect>'),
            "/there/again": document("<Hangup/><Say>never</Say>"),
        }
    )
    call = called(end)
    assert [each.path for each in end.seen] == ["/voice", "/there/again", "/status"]
    assert length_s(call) == pytest.approx(2.0, abs=0.01)
    assert call.announcements == []


def test_a_rejected_call_was_never_answered() -> None:
    end = FarEnd({"/voice": document('<Reject reason="busy"/>')})
    assert states(called(end)) == ["ringing", "busy"]
    assert end.forms("/status")[0]["CallDuration"] == "0"
    assert states(called(FarEnd({"/voice": document("<Reject/>")}))) == ["ringing", "no-answer"]


def test_the_number_is_told_of_the_end() -> None:
    end = FarEnd({"/voice": document("<Say>one two three four</Say>")})
    called(end)
    (told,) = end.forms("/status")
    assert told["CallStatus"] == "completed"
    assert (told["CallDuration"], told["Duration"]) == ("1", "1")
    assert told["SequenceNumber"] == "0"
    assert told["CallbackSource"] == "call-progress-events"
    assert told["Timestamp"].endswith("+0000")
    assert told["SipResponseCode"] == "200"


def test_keys_that_are_played_reach_the_person_with_their_pauses() -> None:
    heard: list[str] = []
    call = called(
        FarEnd({"/voice": document('<Play digits="ww12W#"/>')}),
        Person(next_frame=talking(0, 60), hears_key=heard.append),
    )
    assert call.keys_heard == "12#"
    assert heard == ["1", "2", "#"]
    assert length_s(call) == pytest.approx(2 * 0.5 + 1.0 + 3 * 0.2, abs=0.01)


def test_a_sound_file_is_noted_as_often_as_it_is_played() -> None:
    call = called(FarEnd({"/voice": document('<Play loop="2">https://example.com/a.mp3</Play>')}))
    assert call.announcements == ["https://example.com/a.mp3"] * 2


GATHER = '<Gather numDigits="2" action="/keys" timeout="3"><Say>Press two keys</Say></Gather><Say>none</Say>'


def test_keys_pressed_in_a_prompt_end_it_and_go_to_the_action() -> None:
    end = FarEnd({"/voice": document(GATHER), "/keys": document("<Hangup/>")})
    keys = (KeyPress(0.3, "4"), KeyPress(0.6, "2"))
    call = called(end, Person(next_frame=talking(0, 60), keys=keys))
    assert end.forms("/keys")[0]["Digits"] == "42"
    assert length_s(call) < 0.9


def test_who_presses_nothing_hears_the_next_verb() -> None:
    end = FarEnd({"/voice": document(GATHER)})
    call = called(end)
    assert call.announcements == ["Press two keys", "none"]
    assert length_s(call) == pytest.approx(0.9 + 3.0 + 0.3, abs=0.01)


def test_a_key_may_finish_and_a_person_may_respond_to_what_was_said() -> None:
    end = FarEnd({"/voice": document('<Gather action="/keys"><Say>Press 1</Say></Gather>')})
    person = Person(next_frame=talking(0, 60), responds=lambda said: "9#" if said == "Press 1" else "")
    called(end, person)
    assert end.forms("/keys")[0] | {"Digits": "9", "FinishedOnKey": "#"} == end.forms("/keys")[0]


def test_a_colleague_accepts_by_a_key_or_not_at_all() -> None:
    for accepts in (True, False):
        end = FarEnd({"/voice": document('<Gather numDigits="1" action="/keys"/>')})
        called(end, colleague(accepts=accepts))
        assert len(end.forms("/keys")) == accepts


def test_a_message_is_recorded_until_the_person_is_silent() -> None:
    verb = '<Record action="/kept" timeout="2" recordingStatusCallback="/recording"/><Say>none</Say>'
    end = FarEnd({"/voice": document(verb), "/kept": document("<Hangup/>")})
    called(end, Person(next_frame=talking(4.0, 60.0)))
    (kept,) = end.forms("/kept")
    assert kept["RecordingDuration"] in {"5", "6"}  # what was said after the beep, and two seconds of silence
    assert kept["RecordingUrl"].endswith(kept["RecordingSid"])
    (told,) = end.forms("/recording")
    assert told["RecordingStatus"] == "completed"
    assert told["RecordingSource"] == "RecordVerb"
    silent = FarEnd({"/voice": document(verb)})
    assert called(silent).announcements == ["none"]


def test_a_recording_ends_with_a_key_or_at_its_greatest_length() -> None:
    end = FarEnd({"/voice": document('<Record action="/kept" playBeep="false"/>'), "/kept": ""})
    called(end, Person(next_frame=talking(60.0), keys=(KeyPress(2.0, "#"),)))
    assert end.forms("/kept")[0]["Digits"] == "#"
    end = FarEnd({"/voice": document('<Record action="/kept" maxLength="3"/>'), "/kept": ""})
    called(end, Person(next_frame=talking(60.0)))
    assert end.forms("/kept")[0]["RecordingDuration"] == "3"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("<Response><Say>", 12100),
        ("<Answer/>", 12102),
        (document("<Sing>la</Sing>"), 12200),
        (document("<Connect/>"), 12200),
        (Response("{}", media_type="application/json"), 12300),
        (Response("gone", status_code=404), 11200),
    ],
)
def test_a_document_that_cannot_be_followed_ends_the_call_with_an_error(answer: object, code: int) -> None:
    call = called(FarEnd({"/voice": answer}))
    assert call.codes == [code]
    assert call.hung_up_by == "fault"
    assert call.announcements == ["We are sorry, an application error has occurred. Goodbye."]


def test_a_fallback_is_asked_when_the_document_fails() -> None:
    end = FarEnd({"/voice": "not a document", "/fallback": document("<Say>sorry</Say>")})
    number = Number(OURS, f"{PUBLIC}/voice", voice_fallback_url=f"{PUBLIC}/fallback")
    call = called(end, number=number)
    assert call.announcements == ["sorry"]
    asked = end.forms("/fallback")[0]
    assert (asked["ErrorCode"], asked["ErrorUrl"]) == ("12100", f"{PUBLIC}/voice")
    assert call.codes == [12100]


def test_a_loop_of_redirects_ends() -> None:
    call = called(FarEnd({"/voice": document("<Redirect>/voice</Redirect>")}))
    assert call.codes == [12100]
    assert len(call.asked("voice")) == 50


def test_a_webhook_may_be_asked_by_get() -> None:
    end = FarEnd({"/voice": document("<Hangup/>")})
    called(end, number=Number(OURS, f"{PUBLIC}/voice?tenant=1", voice_method="GET"))
    assert end.forms("/voice")[0]["tenant"] == "1"
    assert end.forms("/voice")[0]["To"] == OURS
