"""Every request we make of Twilio is one that its OpenAPI file allows.

Two judges: Prism, which is not ours, serves the file and refuses what it does not allow; and since Prism passes over
fields it has never heard of, each field is also looked up in the file itself.
"""

import asyncio
import hashlib
import inspect
import json
import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread, Timer
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from client_caller.errors import CarrierFailed
from client_caller.line.control import DialOrder, OwnNumber
from client_caller.line.twilio_control import TwilioControl

SPECIFICATION = Path(__file__).parents[3] / "shared/twilio/twilio_api_v2010.json"
"""`spec/json/twilio_api_v2010.json` of github.com/twilio/twilio-oai; too large to be kept here."""

PRISM = Path(__file__).parent / "prism"
UP_WITHIN_S = 60
NO_REGISTRY = re.compile("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|SOCKET_TIMEOUT|E50[0-9]")

ACCOUNT, CALL = "AC" + "a" * 32, "CA" + "a" * 32
NUMBER = OwnNumber("PN" + "a" * 32, "+15550100002", "", "", "")
FORM = "application/x-www-form-urlencoded"

EVERYTHING: dict[str, Callable[[TwilioControl], Awaitable[Any]]] = {
    "dial": lambda control: control.dial(DialOrder("o-17", "+15550100003", "+15550100002", record=True)),
    "placed": lambda control: control.placed("+15550100003", datetime(2026, 11, 26, 9, 30, tzinfo=UTC)),
    "look_up": lambda control: control.look_up(CALL),
    "hang_up": lambda control: control.hang_up(CALL),
    "lead_to": lambda control: control.lead_to(CALL, "https://voice.example.com/twilio/keys/17"),
    "record": lambda control: control.record(CALL),
    "numbers": lambda control: control.numbers(),
    "point": lambda control: control.point(NUMBER, "https://a.example/twilio/voice", "https://a.example/twilio/status"),
}
each = pytest.mark.parametrize("ask", EVERYTHING.values(), ids=EVERYTHING)


def test_everything_that_can_be_asked_is_held_against_the_file() -> None:
    asks = {name for name, _ in inspect.getmembers(TwilioControl, inspect.iscoroutinefunction) if name[0] != "_"}
    assert asks - {"close"} == set(EVERYTHING)


def asked(ask: Callable[[TwilioControl], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        control = TwilioControl(ACCOUNT, "secret", "https://voice.example.com", **options)
        try:
            return await ask(control)
        finally:
            await control.close()

    return asyncio.run(main())


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    if not SPECIFICATION.is_file():
        pytest.skip(f"Twilio's OpenAPI file is not at {SPECIFICATION}")
    read = json.loads(SPECIFICATION.read_bytes())
    for operations in read["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict) and "responses" in operation:
                _complete(operation)
    return read


def _complete(operation: dict[str, Any]) -> None:
    """Say what the file leaves unsaid: a list in a form is a field given several times, and a list of records ends."""
    body = operation.get("requestBody", {}).get("content", {}).get(FORM, {})
    for name, field in body.get("schema", {}).get("properties", {}).items():
        if field.get("type") == "array":
            body.setdefault("encoding", {})[name] = {"style": "form", "explode": True}
    for answer in operation["responses"].values():
        for example in answer.get("content", {}).get("application/json", {}).get("examples", {}).values():
            if "next_page_uri" in example["value"]:
                example["value"]["next_page_uri"] = None


class Reader:
    """Answers requests with the examples of the file, and keeps what the file has no word for.

    refusing: an update that has this value is refused, for the call still rings.
    """

    def __init__(self, specification: dict[str, Any], refusing: str = "") -> None:
        self._paths = [
            (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)) + "$"), operations)
            for template, operations in specification["paths"].items()
        ]
        self._refusing = refusing
        self.unknown: set[str] = set()
        self.forms: list[dict[str, list[str]]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        [operations] = [operations for path, operations in self._paths if path.match(request.url.path)]
        operation = operations[request.method.lower()]
        self._look_up(operation, request)
        if [self._refusing] in self.forms[-1].values():
            return httpx2.Response(400, json={"code": 21220, "message": "Call is not in-progress", "status": 400})
        status, answer = next(iter(operation["responses"].items()))
        example = next(iter(answer["content"]["application/json"]["examples"].values()))
        return httpx2.Response(int(status), json=example["value"] | ({"status": "ringing"} if self._refusing else {}))

    def _look_up(self, operation: dict[str, Any], request: httpx2.Request) -> None:
        body = operation.get("requestBody", {}).get("content", {}).get(FORM, {}).get("schema", {})
        fields, form = body.get("properties", {}), parse_qs(request.content.decode(), keep_blank_values=True)
        parameters = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
        self.forms.append(form)
        self.unknown |= (set(form) - set(fields)) | (set(request.url.params) - parameters)
        self.unknown |= {f"no {name}" for name in body.get("required", ()) if name not in form}
        repeated = {name for name, values in form.items() if len(values) > 1}
        self.unknown |= {f"several of {name}" for name in repeated if fields[name].get("type") != "array"}


@each
def test_every_field_we_send_is_in_the_file(
    ask: Callable[[TwilioControl], Awaitable[Any]], specification: dict[str, Any]
) -> None:
    reader = Reader(specification)
    asked(ask, transport=httpx2.MockTransport(reader))
    assert reader.forms
    assert not reader.unknown


def test_the_other_way_to_end_a_call_is_in_the_file_too(specification: dict[str, Any]) -> None:
    reader = Reader(specification, refusing="completed")
    asked(EVERYTHING["hang_up"], transport=httpx2.MockTransport(reader))
    assert reader.forms == [{"Status": ["completed"]}, {}, {"Status": ["canceled"]}]
    assert not reader.unknown
    assert {"completed", "canceled"} <= set(specification["components"]["schemas"]["call_enum_update_status"]["enum"])


def test_a_field_that_is_not_in_the_file_is_noticed(specification: dict[str, Any]) -> None:
    reader = Reader(specification)
    form = {"To": "1", "Ring": "2", "From": ["3", "4"], "StatusCallbackEvent": ["a", "b"]}
    url = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls.json?Loud=1"
    reader(httpx2.Request("POST", url, data=form))
    assert reader.unknown == {"Ring", "Loud", "several of From"}


@pytest.fixture(scope="module")
def prism(specification: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Prism, serving the file."""
    program = installed_prism()
    file = tmp_path_factory.mktemp("prism") / "twilio.json"
    file.write_text(json.dumps(specification))
    command = [program, "mock", "-h", "127.0.0.1", "-p", "0", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        too_late = Timer(UP_WITHIN_S, process.kill)
        too_late.start()
        said = deque[str](maxlen=20)
        try:
            for line in process.stdout:
                said.append(line)
                if address := re.search(r"listening on (http://\S+)", line):
                    break
            else:
                pytest.fail(f"Prism did not come up:\n{''.join(said)}")
            too_late.cancel()
            Thread(target=said.extend, args=(process.stdout,), daemon=True).start()  # or it would block on a full pipe
            yield address[1]
        finally:
            too_late.cancel()
            process.terminate()


def installed_prism() -> str:
    """The program, installed as the lock file says, once, outside of the repository."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed, and Prism needs them")
    lock = hashlib.sha256((PRISM / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = Path("~/.cache/client-caller").expanduser() / f"prism-{lock}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        half_done = Path(mkdtemp(prefix="prism-", dir=folder.parent))
        try:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(PRISM / name, half_done)
            command = [npm, "ci", "--no-audit", "--no-fund", "--fetch-retries=1"]
            done = subprocess.run(command, cwd=half_done, capture_output=True, text=True, check=False)
            if done.returncode and NO_REGISTRY.search(done.stderr):
                pytest.skip("npm's registry cannot be reached, and Prism is not installed yet")
            assert done.returncode == 0, done.stderr
            os.rename(half_done, folder)
        finally:
            shutil.rmtree(half_done, ignore_errors=True)
    return str(folder / "node_modules/.bin/prism")


@each
def test_prism_allows_every_request(ask: Callable[[TwilioControl], Awaitable[Any]], prism: str) -> None:
    asked(ask, api_url=prism)


def test_prism_refuses_what_the_file_does_not_allow_so_it_does_check(prism: str) -> None:
    calls = f"{prism}/2010-04-01/Accounts/{ACCOUNT}/Calls"
    order = {"To": "+15550100003", "From": "+15550100002", "Url": "https://voice.example.com/"}
    forms = [
        (f"/{CALL}.json", {"Status": "canceled"}, 200),
        (f"/{CALL}.json", {"Status": "gone"}, 422),
        (".json", order, 201),
        (".json", {**order, "Timeout": "soon"}, 422),
        (".json", {"To": order["To"]}, 422),
    ]
    with httpx2.Client(auth=(ACCOUNT, "secret"), trust_env=False) as http:
        for path, form, status in forms:
            assert http.post(calls + path, data=form).status_code == status, form
    with pytest.raises(CarrierFailed, match="request is not valid"):
        asked(lambda control: control.look_up("not a SID"), api_url=prism)
