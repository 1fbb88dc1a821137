"""Once a call is over what it came to is kept: once, whatever fails meanwhile, and of every call with a record."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from calls import AGENT
from client_caller.afterwords import Afterwords, turns_of
from client_caller.agent.shelf import AgentShelf
from client_caller.agent.tables import AgentSummary, SummaryField
from client_caller.conversation.actions import Remember, Turn
from client_caller.conversation.events import CallAnswered
from client_caller.errors import ConfigError, EngineCrashed
from client_caller.ledger.database import LedgerFailed
from client_caller.ledger.entries import CallSummed, Entry, KeptCall, Unsummed, settle
from client_caller.records.flight import FlightRecord, Header
from client_caller.records.summary import keep_summary
from client_caller.settings import ThinkingSettings
from client_caller.thinking.llamacpp import LlamaServer
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.protocol import LanguageModel, Message
from virtual import run

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TURNS = (Turn("agent", "Hello, this is Anna."), Turn("caller", "this is ada i want to come on tuesday"))
ASKING = AGENT.model_copy(
    update={
        "summary": AgentSummary(
            outcomes=("booked", "not booked"),
            fields=(
                SummaryField(name="caller_name", description="Who called"),
                SummaryField(name="telephone", description="Their number"),
                SummaryField(name="visit", type="date", description="When they come"),
                SummaryField(name="people", type="number", description="How many come"),
                SummaryField(name="in_pain", type="boolean", description="Whether it hurts"),
                SummaryField(name="about", description="What it is about", choices=("tooth", "bill")),
            ),
        )
    }
)
ANSWER = {
    "summary": "Ada wants to come on Tuesday.",
    "outcome": "booked",
    "fields": {"caller_name": "Ada", "visit": "2026-11-24", "telephone": "5550199"},
}
FOUND = {
    **{"caller_name": "Ada", "visit": "2026-11-24"},
    **dict.fromkeys(("telephone", "people", "in_pain", "about")),
}


class Ledger:
    """As much of a ledger as is needed, in memory. away: how often it fails at first."""

    def __init__(self, left: Sequence[Unsummed] = (), away: int = 0) -> None:
        self.noted: list[Entry] = []
        self.since: list[datetime] = []
        self.deleted: set[str] = set()
        self._left = list(left)
        self._away = away

    def note(self, entry: Entry) -> None:
        self.noted.append(entry)

    async def call(self, call_id: str) -> KeptCall | None:
        return None if call_id in self.deleted else KeptCall(call_id, NOON, agent="Anna")

    async def calls_without_summary(self, since: datetime) -> list[Unsummed]:
        self.since.append(since)
        if len(self.since) <= self._away:
            raise LedgerFailed("away")
        return self._left


class Writer:
    """A language model that only writes: each of `answers` in turn, the last one for ever."""

    def __init__(self, *answers: str | Exception, then: Callable[[], None] = lambda: None) -> None:
        self.asked: list[tuple[Sequence[Message], str, Mapping[str, Any] | None]] = []
        self._answers = list(answers) or [json.dumps(ANSWER)]
        self._then = then

    stream = read_ahead = None

    async def write(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> str:
        self.asked.append((messages, call_id, schema))
        await asyncio.sleep(1)
        self._then()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def afterwords(ledger: Ledger, model: object, folder: Path, **more: Any) -> Afterwords:
    def model_of() -> LanguageModel | None:
        return model  # type: ignore[return-value]

    return Afterwords(ledger, more.pop("model_of", model_of), AgentShelf(folder), now=lambda: NOON, **more)


async def worked(at_work: Afterwords, seconds: float = 500.0) -> None:
    """Let it work for so long. Work on threads takes no virtual time, so it is waited for beside that."""
    running = asyncio.ensure_future(at_work.run())
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await running
    assert running.cancelled()


@pytest.fixture(autouse=True)
def nothing_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual time knows no threads: what is done on one is done at once."""

    async def at_once(work: Callable[..., Any], *args: Any, **more: Any) -> Any:
        return work(*args, **more)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


def record(folder: Path, turns: Sequence[Turn] = TURNS) -> Path:
    """The folder, now with the flight record of a call."""
    flight = FlightRecord(folder / "record.jsonl", Header("CA1", "2026-11-23T12:00:00Z", "Anna"))
    flight.event(0.0, CallAnswered())
    for turn in turns:
        flight.action(1.0, Remember(turn))
    flight.close()
    return folder


def test_a_call_that_is_over_is_summed_up_in_the_ledger_and_beside_its_record(tmp_path: Path) -> None:
    ledger, model, folder = Ledger(), Writer(), record(tmp_path / "call")
    at_work = afterwords(ledger, model, tmp_path)
    at_work.over("CA1", ASKING, folder)
    run(worked(at_work))
    (noted,) = ledger.noted
    assert isinstance(noted, CallSummed)
    assert (noted.call_id, noted.at, noted.outcome) == ("CA1", NOON, "booked")
    assert noted.summary == "Ada wants to come on Tuesday."
    assert json.loads(noted.fields) == FOUND, "the number that nobody said is none"
    kept = json.loads((folder / "summary.json").read_text())
    assert (kept["call"], kept["outcome"], kept["fields"]) == ("CA1", "booked", FOUND)
    messages, call_id, schema = model.asked[0]
    assert call_id == "CA1"
    assert "this is ada" in messages[-1].content
    assert schema is not None
    assert schema["properties"]["outcome"]["enum"] == ["booked", "not booked"]


def test_the_turns_of_a_call_are_those_of_its_record(tmp_path: Path) -> None:
    assert turns_of(record(tmp_path)) == TURNS
    with pytest.raises(ConfigError, match="cannot be read"):
        turns_of(tmp_path / "gone")


def test_what_a_crash_left_is_taken_up_at_the_start_with_its_agents_wishes(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("name =")
    (tmp_path / "anna.toml").write_text(
        'name = "Anna"\ncompany = "Brightline"\ngreeting = "Hello."\npersona = "You are Anna."\n'
        '[summary]\noutcomes = ["booked"]\n'
    )
    folder = str(record(tmp_path / "call"))
    left = [Unsummed("CA1", folder, "Anna"), Unsummed("CA2", folder, "somebody else")]
    ledger, model = Ledger(left, away=2), Writer()
    run(worked(afterwords(ledger, model, tmp_path)))
    assert [entry.call_id for entry in ledger.noted if isinstance(entry, CallSummed)] == ["CA1", "CA2"]
    assert ledger.since == 3 * [NOON - timedelta(days=7)]
    assert "booked" in model.asked[0][0][0].content
    assert "one or two words" in model.asked[1][0][0].content


def test_a_call_in_which_nobody_spoke_is_left_alone(tmp_path: Path) -> None:
    ledger, model = Ledger(), Writer()
    at_work = afterwords(ledger, model, tmp_path)
    at_work.over("CA1", ASKING, record(tmp_path / "one", TURNS[:1]))
    at_work.over("CA2", ASKING, record(tmp_path / "two", (TURNS[0], Turn("caller", " "))))
    run(worked(at_work))
    assert (ledger.noted, model.asked) == ([], [])


@pytest.mark.parametrize("wrong", [EngineCrashed("language model", "gone"), "no JSON at all"])
def test_a_failure_is_tried_again_twice_and_others_go_on(
    tmp_path: Path, wrong: str | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    good = json.dumps(ANSWER)
    ledger, model = Ledger(), Writer(wrong, good, wrong, wrong, good)
    at_work = afterwords(ledger, model, tmp_path)
    for call_id in ("CA1", "CA2", "CA3"):
        at_work.over(call_id, ASKING, record(tmp_path))
    run(worked(at_work))
    assert [call_id for _, call_id, _ in model.asked] == ["CA1", "CA2", "CA3", "CA1", "CA3", "CA1"]
    assert [entry.call_id for entry in ledger.noted if isinstance(entry, CallSummed)] == ["CA2", "CA3", "CA1"]
    assert "ada" not in caplog.text.lower()


def test_what_fails_three_times_is_left_to_the_next_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger, model = Ledger(), Writer("no JSON")
    at_work = afterwords(ledger, model, tmp_path)
    at_work.over("CA1", ASKING, record(tmp_path))
    run(worked(at_work))
    assert (len(model.asked), ledger.noted) == (3, [])
    assert caplog.messages == ["a call is not summed up before the next start"]


def test_a_record_that_cannot_be_read_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    at_work = afterwords(ledger, Writer(), tmp_path)
    at_work.over("CA1", ASKING, tmp_path / "gone")
    at_work.over("CA2", ASKING, record(tmp_path))
    run(worked(at_work))
    assert caplog.messages == ["a call cannot be summed up"]
    assert [entry.call_id for entry in ledger.noted if isinstance(entry, CallSummed)] == ["CA2"]


def test_a_number_that_was_deleted_meanwhile_is_not_brought_back(tmp_path: Path) -> None:
    ledger = Ledger()
    model = Writer(then=lambda: ledger.deleted.add("CA1"))
    at_work = afterwords(ledger, model, tmp_path)
    at_work.over("CA1", ASKING, record(tmp_path))
    run(worked(at_work))
    at_work = afterwords(ledger, model, tmp_path)
    at_work.over("CA1", ASKING, record(tmp_path))
    run(worked(at_work))
    assert (len(model.asked), ledger.noted) == (1, [])
    assert not [*tmp_path.rglob("summary.json")]


def test_it_waits_for_engines_and_while_calls_are_running(tmp_path: Path) -> None:
    ledger, model = Ledger(), Writer()

    async def main() -> list[float]:
        clock = asyncio.get_running_loop().time
        at_work = afterwords(
            *(ledger, model, tmp_path),
            model_of=lambda: model if clock() > 60 else None,
            is_idle=lambda: clock() > 90,
        )
        at_work.over("CA1", ASKING, record(tmp_path))
        await worked(at_work, 89)
        before = len(model.asked)
        await worked(at_work, 10)
        return [before, len(model.asked)]

    assert run(main()) == [0, 1]


def test_of_too_many_calls_the_oldest_is_left_to_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, folder = Writer(), record(tmp_path)
    at_work = afterwords(Ledger(), model, tmp_path)
    for number in range(1_001):
        at_work.over(f"CA{number}", ASKING, folder)
        at_work.over(f"CA{number}", ASKING, folder)
    run(worked(at_work, 3))
    assert [call_id for _, call_id, _ in model.asked][:2] == ["CA1", "CA2"]
    assert caplog.messages == ["too many calls wait to be summed up"]


def test_a_summary_file_is_whole_and_a_deleted_folder_stays_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep_summary(tmp_path, {"summary": "one"})
    keep_summary(tmp_path, {"summary": "zwei – ü"})
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8")) == {"summary": "zwei – ü"}
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
    keep_summary(tmp_path / "deleted", {"summary": "one"})
    assert not (tmp_path / "deleted").exists()
    assert caplog.messages == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "summary.json").mkdir()
    keep_summary(tmp_path / "full", {"summary": "one"})
    assert caplog.messages == ["a summary cannot be written"]


SAID = (
    Turn("agent", "Hello, this is Anna of Brightline. How can I help you?"),
    Turn("caller", "hi my name is ada lovelace i have a terrible toothache and there are two of us"),
    Turn("agent", "I am sorry to hear that. Can you come on Tuesday at three?"),
    Turn("caller", "yes tuesday at three is fine my number is five five five oh one two three"),
    Turn("agent", "It is booked. Goodbye."),
)


@pytest.mark.models
@pytest.mark.long
def test_the_embedded_model_keeps_to_the_schema_and_nothing_invented_is_kept(
    models: Callable[[str], Path], tmp_path: Path
) -> None:
    """What such a small model makes of a call is not judged; only that it can be read, and that all was said."""
    ledger = Ledger()

    async def main() -> None:
        patient = ThinkingSettings(slots=1, write_within_s=120)
        server = LlamaServer(models("SmolLM2-135M-Instruct.Q4_1.gguf"), patient)
        await server.start()
        model = OpenAIModel(server.base_url, server.api_key, patient, embedded=True)
        at_work = afterwords(ledger, model, tmp_path, budget_tokens=1_000)
        at_work.over("CA1", ASKING, record(tmp_path, SAID))
        running = asyncio.ensure_future(at_work.run())
        try:
            async with asyncio.timeout(150):
                while not ledger.noted and not running.done():
                    await asyncio.wait([running], timeout=0.1)
        finally:
            running.cancel()
            await model.close()
            await server.stop()

    asyncio.run(main())
    (noted,) = ledger.noted
    assert isinstance(noted, CallSummed)
    assert settle("CA1", [noted]).summary
    assert noted.outcome in ("booked", "not booked")
    fields = json.loads(noted.fields)
    assert [*fields] == sorted(FOUND)
    said = " ".join(turn.text.lower() for turn in SAID)
    assert fields["caller_name"] is None or all(word in said for word in fields["caller_name"].lower().split())
    digits = "".join(filter(str.isdecimal, fields["telephone"] or ""))
    assert digits in "5550123"
    assert fields["people"] in (None, 2, 3), "two of them, at three"
    assert fields["visit"] in (None, "2026-11-24", "2026-12-01", "2026-11-17")
    assert fields["in_pain"] in (None, True, False)
    assert fields["about"] in (None, "tooth", "bill")
