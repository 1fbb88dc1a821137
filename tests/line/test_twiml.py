from urllib.parse import parse_qs, urldefrag
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from client_caller.line import twiml

printable = st.text(st.characters(codec="utf-8", exclude_categories=["C"]))


def test_a_stream_that_ends_asks_what_is_next_whether_or_not_the_verb_reports() -> None:
    document = ElementTree.fromstring(twiml.connect("wss://a/b", "https://a/resume"))
    assert [verb.tag for verb in document] == ["Connect", "Redirect"]
    assert document[0].attrib["action"] == document[1].text == "https://a/resume" + twiml.PERSISTENTLY
    assert document[0][0].attrib == {"url": "wss://a/b"}


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
