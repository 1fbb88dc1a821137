from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from client_caller.line import twiml

printable = st.text(st.characters(codec="utf-8", exclude_categories=["C"]))


def test_a_stream_that_ends_asks_what_is_next_whether_or_not_the_verb_reports() -> None:
    document = ElementTree.fromstring(twiml.connect("wss://a/b", "https://a/resume"))
    assert [verb.tag for verb in document] == ["Connect", "Redirect"]
    assert document[0].attrib["action"] == document[1].text == "https://a/resume"
    assert document[0][0].attrib == {"url": "wss://a/b"}


@given(printable)
def test_any_sentence_is_said_as_it_is_written(sentence: str) -> None:
    document = ElementTree.fromstring(twiml.say_and_hang_up(sentence))
    assert [verb.tag for verb in document] == ["Say", "Hangup"]
    assert (document[0].text or "") == sentence
