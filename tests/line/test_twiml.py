from urllib.parse import parse_qs, urldefrag
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from client_caller.line import twiml

printable = st.text(st.characters(codec="utf-8", exclude_categories=["C"]))


def test_a_stream_that_ends_asks_what_is_next_whether_or_not_the_verb_reports() -> None:
    document = ElementTree.fromstring(twiml.connect("wss://a/b", "https://a/resume", "https://a/stream"))
    assert [verb.tag for verb in document] == ["Connect", "Redirect"]
    assert document[0].attrib["action"] == document[1].text == "https://a/resume" + twiml.PERSISTENTLY
    assert document[0][0].attrib == {"url": "wss://a/b", "statusCallback": "https://a/stream"}


@given(printable)
def test_any_sentence_is_said_as_it_is_written(sentence: str) -> None:
    document = ElementTree.fromstring(twiml.say_and_hang_up(sentence))
    assert [verb.tag for verb in document] == ["Say", "Hangup"]
    assert (document[0].text or "") == sentence


def test_what_stands_behind_the_address_is_within_what_twilio_allows() -> None:
    url, overrides = urldefrag("https://a/resume" + twiml.PERSISTENTLY)
    assert url == "https://a/resume"
    assert parse_qs(overrides) == {"rc": ["5"], "rp": ["all"], "ct": ["5000"], "rt": ["15000"]}


@given(printable)
def test_a_caller_is_told_before_being_put_through(sentence: str) -> None:
    document = ElementTree.fromstring(twiml.say_and_dial(sentence, "+15550100002"))
    assert [verb.tag for verb in document] == ["Say", "Dial", "Hangup"]
    assert [document[0].text or "", document[1].text] == [sentence, "+15550100002"]


def test_who_is_to_ask_again_is_told_so_and_waits() -> None:
    document = ElementTree.fromstring(twiml.ask_again("https://a/resume", 1, "A moment <please>."))
    told = [(verb.tag, verb.attrib) for verb in document]
    assert told == [("Say", {}), ("Pause", {"length": "1"}), ("Redirect", {})]
    assert document[0].text == "A moment <please>."
    assert document[2].text == "https://a/resume" + twiml.PERSISTENTLY


def test_who_waits_in_a_queue_is_told_where_to_ask_and_where_to_go() -> None:
    said, queue = ElementTree.fromstring(twiml.enqueue("We are busy.", "a & b", "https://a/wait", "https://a/queue"))
    asked = {"waitUrl": "https://a/wait" + twiml.PERSISTENTLY, "action": "https://a/queue" + twiml.PERSISTENTLY}
    assert [said.text, queue.text, queue.attrib] == ["We are busy.", "a & b", asked]
    assert [verb.tag for verb in ElementTree.fromstring(twiml.wait("Hold on.", 5))] == ["Say", "Pause"]
    assert [verb.tag for verb in ElementTree.fromstring(twiml.leave())] == ["Leave"]


@given(printable)
def test_a_colleague_is_asked_for_one_key_twice(sentence: str) -> None:
    once, again, then = ElementTree.fromstring(twiml.ask_for_a_key(sentence, 8, "https://a/choice"))
    assert once.attrib == again.attrib
    assert [once.attrib["numDigits"], once.attrib["timeout"], once.attrib["action"]] == ["1", "8", then.text]
    assert [once[0].text or "", again[0].text or ""] == [sentence, sentence]


def test_who_joins_a_conference_starts_it_and_whoever_leaves_ends_it() -> None:
    waits = ElementTree.fromstring(twiml.hold("room 1", "https://a/held"))[0]
    joins = ElementTree.fromstring(twiml.join("room 1"))[0]
    assert waits.attrib == {"action": "https://a/held" + twiml.PERSISTENTLY}
    assert waits[0].text == joins[0].text == "room 1"
    assert [side[0].attrib["startConferenceOnEnter"] for side in (waits, joins)] == ["false", "true"]
    assert {side[0].attrib["endConferenceOnExit"] for side in (waits, joins)} == {"true"}


def test_of_a_number_that_is_rung_up_only_what_is_asked_for_is_said() -> None:
    plain = ElementTree.fromstring(twiml.dial("+15550100002", 25, "https://a/dialled?a=b&c=d"))[0]
    shown = ElementTree.fromstring(twiml.dial("+15550100002", 25, "https://a/dialled", "+15550100003"))[0]
    assert plain.attrib["action"] == "https://a/dialled?a=b&c=d" + twiml.PERSISTENTLY
    assert [plain.attrib.get("callerId"), shown.attrib.get("callerId")] == [None, "+15550100003"]
