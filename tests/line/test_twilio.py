"""The webhooks: who is answered, and with what."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep
from xml.etree import ElementTree

import pytest
from exchange import (
    ACCOUNT,
    CALL,
    PUBLIC,
    TOKEN,
    ListeningDesk,
    connected,
    exchange,
    media_token,
    settings,
    sign,
    start,
)
from fastapi import FastAPI
from fastapi.testclient import TestClient

from client_caller.errors import ConfigError
from client_caller.line.protocol import Past, Phrases
from client_caller.line.twilio import twilio_router


def verbs(document: str) -> list[str]:
    return [verb.tag for verb in ElementTree.fromstring(document)]


def test_a_call_is_connected_to_a_stream_of_its_own() -> None:
    with exchange() as line:
        answer = line.post("/twilio/voice")
        connect, redirect = ElementTree.fromstring(answer.text)
        assert answer.headers["content-type"].startswith("text/xml")
        assert connect[0].attrib["url"].startswith("wss://voice.example.com/twilio/media/")
        assert connect.attrib["action"] == redirect.text == PUBLIC + "/twilio/resume#rc=5&rp=all&ct=5000&rt=15000"
        assert line.token(CallSid="CA" + "9" * 32) != media_token(answer.text)


def test_ten_copies_of_one_webhook_get_one_and_the_same_stream() -> None:
    with exchange() as line, ThreadPoolExecutor(10) as many:
        tokens = set(many.map(lambda _: line.token(), range(10)))
        assert len(tokens) == 1


def test_a_caller_for_whom_there_is_no_room_is_told_so() -> None:
    desk = ListeningDesk()
    desk.room = False
    with exchange(desk) as line:
        document = line.post("/twilio/voice").text
        assert verbs(document) == ["Say", "Hangup"]
        assert "All lines are taken." in document


def test_a_repeated_webhook_keeps_its_stream_though_the_room_is_gone() -> None:
    with exchange() as line:
        token = line.token()
        line.desk.room = False
        assert line.token() == token


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/resume"])
def test_a_forged_webhook_is_refused_with_one_line_in_the_log(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with exchange() as line:
        answer = line.post(path, signed_by="another token")
        assert answer.status_code == 403
        assert len(answer.content) < 100
    assert [(record.levelname, record.exc_info) for record in caplog.records if "line" in record.name] == [
        ("WARNING", None)
    ]


def test_a_signature_covers_every_field() -> None:
    with exchange() as line:
        form = {"AccountSid": ACCOUNT, "CallSid": CALL}
        headers = {"X-Twilio-Signature": sign(PUBLIC + "/twilio/voice", form)}
        forged = line.client.post("/twilio/voice", data=form | {"CallSid": "CA7"}, headers=headers)
        more = line.client.post("/twilio/voice", data=form | {"Later": "field"}, headers=headers)
        assert [forged.status_code, more.status_code] == [403, 403]


def test_fields_given_twice_and_a_query_are_part_of_what_is_signed() -> None:
    with exchange() as line:
        form = {"AccountSid": ACCOUNT, "CallSid": CALL, "Digits": ""}
        headers = {"X-Twilio-Signature": sign(PUBLIC + "/twilio/voice?a=b%20c", form)}
        assert line.client.post("/twilio/voice?a=b%20c", data=form, headers=headers).status_code == 200


def test_while_a_token_is_rotated_either_signs() -> None:
    app = FastAPI()
    app.include_router(twilio_router(settings(tokens="old, new"), ListeningDesk()))
    form = {"AccountSid": ACCOUNT, "CallSid": CALL}
    with TestClient(app) as client:
        for token, status in (("old", 200), ("new", 200), ("other", 403)):
            headers = {"X-Twilio-Signature": sign(PUBLIC + "/twilio/voice", form, token)}
            assert client.post("/twilio/voice", data=form, headers=headers).status_code == status


def test_another_account_is_refused_though_its_signature_holds() -> None:
    with exchange() as line:
        assert line.post("/twilio/voice", AccountSid="AC" + "9" * 32).status_code == 403


@pytest.mark.parametrize("call", ["", "../../etc/passwd", "CA 1", "C" * 129, "CA\n1"])
def test_a_call_whose_name_cannot_be_a_file_name_is_refused(call: str) -> None:
    with exchange() as line:
        assert line.post("/twilio/voice", CallSid=call).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"), [(b"a" * 65_537, 413), (b"\xff\xfe", 400), (b"a=b&" * 501, 400), (b"", 403)]
)
def test_a_body_that_is_no_form_is_refused(body: bytes, status: int) -> None:
    with exchange() as line:
        assert line.client.post("/twilio/voice", content=body).status_code == status


def test_a_resume_webhook_may_be_signed_with_what_stands_behind_its_address_or_without() -> None:
    with exchange() as line:
        form = {"AccountSid": ACCOUNT, "CallSid": CALL}
        for end, status in (("", 200), ("#rc=5&rp=all&ct=5000&rt=15000", 200), ("#rc=1", 403)):
            headers = {"X-Twilio-Signature": sign(PUBLIC + "/twilio/resume" + end, form)}
            assert line.client.post("/twilio/resume", data=form, headers=headers).status_code == status


def test_a_broken_stream_is_replaced_three_times_and_then_apologised_for() -> None:
    with exchange() as line:
        tokens = {line.token()}
        for _ in range(3):
            token = line.token("/twilio/resume")
            with line.socket(token) as socket:
                socket.send_text(connected())
            tokens.add(token)
        assert len(tokens) == 3  # the first was never used and is given again
        document = line.post("/twilio/resume").text
        assert verbs(document) == ["Say", "Hangup"]
        assert "Something is broken here." in document
        assert verbs(line.post("/twilio/resume").text) == ["Hangup"]


def test_a_call_that_breaks_now_and_then_is_never_given_up() -> None:
    with exchange(resume_window_s=1e-3) as line:
        for _ in range(10):
            assert verbs(line.post("/twilio/resume").text) == ["Connect", "Redirect"]
            sleep(2e-3)


def test_where_there_is_somebody_to_ring_up_the_caller_is_put_through() -> None:
    desk = ListeningDesk()
    desk.phrases = Phrases("", "", "One moment.", "+15550100009")
    with exchange(desk, resume_attempts=0) as line:
        said, dialled, ended = ElementTree.fromstring(line.post("/twilio/resume").text)
        assert [said.text, dialled.tag, dialled.text, ended.tag] == ["One moment.", "Dial", "+15550100009", "Hangup"]


@pytest.mark.parametrize(
    ("lost_s_ago", "verb"), [((50, 40, 30), "Say"), ((50, 40), "Connect"), ((90, 80, 70), "Connect")]
)
def test_losses_in_another_process_count_as_well(lost_s_ago: tuple[float, ...], verb: str) -> None:
    desk = ListeningDesk()
    desk.pasts[CALL] = Past(over=False, lost_s_ago=lost_s_ago)
    with exchange(desk) as line:
        assert verbs(line.post("/twilio/resume").text)[0] == verb


def test_a_call_that_another_process_ended_is_over() -> None:
    desk = ListeningDesk()
    desk.pasts[CALL] = Past(over=True)
    with exchange(desk) as line:
        assert verbs(line.post("/twilio/resume").text) == ["Hangup"]
        assert verbs(line.post("/twilio/voice").text) == ["Hangup"]


def test_a_call_that_another_process_held_needs_no_room() -> None:
    desk = ListeningDesk()
    desk.room = False
    desk.pasts[CALL] = Past(over=False)
    with exchange(desk) as line:
        with line.socket(line.token("/twilio/resume")) as socket:
            socket.send_text(connected())
            socket.send_text(start())
        assert verbs(line.post("/twilio/resume", CallSid="CA2").text) == ["Say", "Hangup"]
        assert line.desk.answered == [CALL]


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/voice/order-7", "/twilio/resume"])
def test_a_desk_that_takes_no_lines_has_calls_ask_again_and_counts_nothing(path: str) -> None:
    desk = ListeningDesk()
    with exchange(desk) as line:
        token = line.token("/twilio/resume")
        desk.ask_again_s = 3
        for _ in range(10):
            say, pause, redirect = ElementTree.fromstring(line.post(path).text)
            assert say.text == desk.phrases.wait
            assert [pause.tag, pause.attrib["length"]] == ["Pause", "3"]
            assert (redirect.text or "").startswith(PUBLIC + path + "#")
        with line.socket(token) as socket:
            socket.send_text(start())
            assert socket.receive()["code"] == 1008
        desk.ask_again_s = 0
        assert verbs(line.post("/twilio/resume").text) == ["Connect", "Redirect"]


def test_a_repeated_resume_counts_once() -> None:
    with exchange() as line:
        documents = [line.post("/twilio/resume", retry="the same").text for _ in range(5)]
        assert len(set(documents)) == 1
        assert verbs(documents[0]) == ["Connect", "Redirect"]


@pytest.mark.parametrize("status", ["completed", "canceled"])
def test_a_finished_call_is_neither_begun_nor_resumed(status: str) -> None:
    with exchange() as line:
        for path in ("voice", "voice/order-7", "fallback", "resume"):
            assert verbs(line.post(f"/twilio/{path}", CallStatus=status).text) == ["Hangup"]


def test_a_call_we_hung_up_is_over_whatever_is_asked_again() -> None:
    with exchange(ListeningDesk(words=1)) as line:
        with line.socket(line.token()) as socket:
            socket.send_text(connected())
            socket.send_text(start())
            socket.send_text('{"event":"dtmf","streamSid":"MZ' + "2" * 32 + '","dtmf":{"digit":"1"}}')
            assert socket.receive() == {"type": "websocket.close", "code": 1000, "reason": ""}
        assert verbs(line.post("/twilio/resume").text) == ["Hangup"]
        assert verbs(line.post("/twilio/voice").text) == ["Hangup"]


def test_without_a_token_to_check_by_the_server_does_not_start() -> None:
    with pytest.raises(ConfigError, match="TWILIO_AUTH_TOKEN"):
        twilio_router(settings(tokens=""), ListeningDesk())


@pytest.mark.parametrize("public", ["", "http://voice.example.com", "voice.example.com"])
def test_an_address_that_twilio_cannot_use_is_refused_by_name(public: str) -> None:
    with pytest.raises(ConfigError, match="CLIENT_CALLER_PUBLIC_URL"):
        twilio_router(settings(public=public), ListeningDesk())


def test_on_this_machine_a_call_needs_neither_token_nor_address() -> None:
    app = FastAPI()
    app.include_router(twilio_router(settings(account="", public="", tokens=""), ListeningDesk(), insecure=True))
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        document = client.post("/twilio/voice", data={"CallSid": CALL}).text
        assert "ws://127.0.0.1:8080/twilio/media/" in document


def test_a_trial_insecure_server_still_checks_when_it_has_a_token() -> None:
    app = FastAPI()
    app.include_router(twilio_router(settings(tokens=TOKEN), ListeningDesk(), insecure=True))
    with TestClient(app) as client:
        assert client.post("/twilio/voice", data={"CallSid": CALL}).status_code == 403
