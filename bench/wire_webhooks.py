"""Webhooks while calls run: how soon are they answered, and do the calls suffer?

In:   a server that holds calls; how many requests.     Out: the latency of each, and the figures of the calls.
Rule: requests are signed beforehand and sent over connections that stay open, so that as little as can be of what is
      measured is the client's. Each is of another call. So many at once means that as many wait for an answer all the
      time. "resume" is of calls that this process has never held, the slowest case: it looks at the disk.
"""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from twilio.request_validator import RequestValidator

from client_caller.rehearsal.stage import ACCOUNT_SID, Stage
from wire_caller import NumberedCaller, Schedule, hold
from wire_calls import judge
from wire_judging import spread
from wire_parallel import APART_S, summed_up
from wire_stage import light_server, use, used_by

AIM_MS: Final = 100.0
_ENDLESS_S: Final = 3_600.0
_SETTLED_S: Final = 3.0
"""By then all calls are answered, and the first caller speaks."""

_RUNNING: Final = {"CallStatus": "in-progress", "Direction": "inbound"}
_MACHINE: Final = {"AnsweredBy": "human", "MachineDetectionDuration": "2100"}
_OVER: Final = {
    **{"CallStatus": "completed", "Direction": "inbound", "CallDuration": "61", "Duration": "2"},
    **{"SequenceNumber": "3", "CallbackSource": "call-progress-events", "SipResponseCode": "200"},
}
KINDS: Final = {
    "voice": ("/twilio/voice", _RUNNING, b"<Stream "),
    "resume": ("/twilio/resume", _RUNNING, b"<Stream "),
    "machine": ("/twilio/voice/bench/machine", _MACHINE, b""),
    "status": ("/twilio/status", _OVER, b""),
}
"""Address, form, and what a good answer holds. The calls of "status" are those of "voice": they are over then."""


@dataclass(frozen=True, slots=True)
class Answered:
    """latency_s: from the first byte of the request to the last of the answer;  good: whether it is what was wanted."""

    latency_s: float
    good: bool


def requests(stage: Stage, kind: str, call_sids: Sequence[str]) -> list[bytes]:
    """One signed request of a kind for each call, as Twilio sends it."""
    path, fields, _ = KINDS[kind]
    url, validator = stage.url + path, RequestValidator(stage.auth_token)
    return [_request(url, validator, {**_parties(call_sid), **fields}) for call_sid in call_sids]


def _parties(call_sid: str) -> dict[str, str]:
    theirs, ours = "+15550100001", "+15550100002"
    names = {"From": theirs, "Caller": theirs, "To": ours, "Called": ours}
    return {"AccountSid": ACCOUNT_SID, "ApiVersion": "2010-04-01", "CallSid": call_sid, **names}


def _request(url: str, validator: RequestValidator, form: dict[str, str]) -> bytes:
    body, parts = urlencode(form), urlsplit(url)
    lines = (
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/x-www-form-urlencoded; charset=UTF-8",
        f"Content-Length: {len(body)}",
        f"X-Twilio-Signature: {validator.compute_signature(url, form)}",
        f"i-twilio-idempotency-token: {secrets.token_hex(8)}",
    )
    return "\r\n".join((*lines, "", body)).encode("ascii")


async def ask_all(stage: Stage, kind: str, wanted: Sequence[bytes], at_once: int) -> list[Answered]:
    """Send all of them, so many at a time."""
    waiting, answers, place = iter(wanted), list[Answered](), urlsplit(stage.url)
    async with asyncio.TaskGroup() as askers:
        for _ in range(at_once):
            askers.create_task(_ask(place.hostname or "", place.port or 0, waiting, answers, KINDS[kind][2]))
    return answers


async def _ask(host: str, port: int, waiting: Iterator[bytes], answers: list[Answered], holds: bytes) -> None:
    """Send one after the other over one connection."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(host, port)
    for request in waiting:
        began_at = loop.time()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, has_length, behind = head.partition(b"content-length:")
        body = await reader.readexactly(int(behind.partition(b"\r\n")[0])) if has_length else b""
        good = head.split(b" ", 2)[1] in (b"200", b"204") and holds in body
        answers.append(Answered(loop.time() - began_at, good))
    writer.close()
    await writer.wait_closed()


async def run(
    folder: Path, count: int, calls: int = 10, at_once: Sequence[int] = (1, 20), schedule: Schedule | None = None
) -> dict[str, Any]:
    """So many requests of each kind at each concurrency, while calls run in real time."""
    callers = [NumberedCaller(_ENDLESS_S, schedule or Schedule()) for _ in range(calls)]
    rows: list[dict[str, Any]] = []
    async with (
        light_server(folder, calls_at_once=calls + 2 * count * len(at_once)) as stage,
        asyncio.TaskGroup() as line,
    ):
        holding = line.create_task(hold(stage, callers, APART_S))
        await asyncio.sleep(_SETTLED_S + calls * APART_S)
        before = used_by(stage.process_id)
        for each in at_once:
            rows += [await _measured(stage, kind, sids, each) for kind, sids in _calls_of_kinds(count)]
        server = use(before, used_by(stage.process_id))
        for caller in callers:
            caller.to_hang_up = True
    figures = [judge(each, stage.records) for each in holding.result()]
    held = {**summed_up(figures), "length_s": figures[0].length_s}
    return {"count": count, "server": server, "webhooks": rows, "calls": held, "headline": headline(rows, held, calls)}


def _calls_of_kinds(count: int) -> list[tuple[str, list[str]]]:
    voice, resume, machine = ([f"CA{secrets.token_hex(16)}" for _ in range(count)] for _ in range(3))
    return [("voice", voice), ("resume", resume), ("machine", machine), ("status", voice)]


async def _measured(stage: Stage, kind: str, call_sids: Sequence[str], at_once: int) -> dict[str, Any]:
    wanted = requests(stage, kind, call_sids)
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    answers = await ask_all(stage, kind, wanted, at_once)
    took_s = loop.time() - began_at
    return {
        "kind": kind,
        "at_once": at_once,
        "bad": sum(not answer.good for answer in answers),
        "per_s": round(len(answers) / took_s),
        "latency": spread(answer.latency_s for answer in answers),
        "latencies_ms": [round(answer.latency_s * 1_000, 2) for answer in answers],
    }


def headline(rows: Sequence[dict[str, Any]], held: dict[str, Any], calls: int) -> list[tuple[str, str, str]]:
    """What was measured, and what was wanted."""
    found = []
    for at_once in dict.fromkeys(row["at_once"] for row in rows):
        these = [row for row in rows if row["at_once"] == at_once]
        slowest = max(these, key=lambda row: row["latency"]["p95_ms"])
        name = f"webhooks, {at_once} at once: slowest kind, p95 / max"
        times = f"{slowest['kind']}, {slowest['latency']['p95_ms']} / {slowest['latency']['max_ms']} ms"
        found.append((name, times, f"< {AIM_MS:.0f} ms"))
        found.append((f"webhooks, {at_once} at once: wrong answers", str(sum(row["bad"] for row in these)), "0"))
    lost = ", ".join(str(held[name]) for name in ("lost", "doubled", "gaps", "cut_short"))
    found.append((f"the {calls} calls meanwhile: lost, doubled, gaps, cut short", lost, "0, 0, 0, 0"))
    found.append((f"the {calls} calls meanwhile: agent's frame late", f"{held['late_max_ms']} ms", "< 260 ms"))
    return found


def show(result: dict[str, Any]) -> None:
    """One table."""
    print(f"{'webhook':<10}{'at once':>9}{'n':>7}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}{'a second':>10}{'wrong':>7}")
    for row in result["webhooks"]:
        times = "".join(f"{row['latency'][key]:>9}" for key in ("p50_ms", "p95_ms", "max_ms"))
        counts = f"{row['per_s']:>10}{row['bad']:>7}"
        print(f"{row['kind']:<10}{row['at_once']:>9}{row['latency']['n']:>7}{times}{counts}")
    print(f"\nthe calls meanwhile: {result['calls']}\nserver: {result['server']}\n")
    for what, measured, aim in result["headline"]:
        print(f"{what:<62}{measured:>34}   {aim}")
