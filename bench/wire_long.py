"""One long call: is every frame heard, and does the recording keep time?

In:   a server of its own; minutes.     Out: the figures of the call, and what the server used.
"""

from pathlib import Path
from typing import Any, Final

from wire_caller import NumberedCaller, Schedule, hold
from wire_calls import CallFigures, judge
from wire_stage import light_server, use, used_by

_LEAST_DRIFT_MS: Final = 20.0


async def run(folder: Path, minutes: float, schedule: Schedule | None = None) -> dict[str, Any]:
    """Hold it in real time."""
    async with light_server(folder, calls_at_once=1) as stage:
        before = used_by(stage.process_id)
        (held,) = await hold(stage, [NumberedCaller(minutes * 60, schedule or Schedule())])
        server = use(before, used_by(stage.process_id))
    call = judge(held, stage.records)
    return {"minutes": minutes, "server": server, "call": call.as_json(), "headline": headline(call)}


def headline(call: CallFigures) -> list[tuple[str, str, str]]:
    """What was measured, and what was wanted."""
    kept, length = call.kept, f"{call.length_s / 60:.1f} min"
    return [
        (f"caller's frames lost, doubled ({length})", _losses(kept.caller), "0, 0"),
        ("agent's frames lost, doubled", _losses(call.heard), "0, 0"),
        ("agent's pieces cut short", str(call.cut_short), "0"),
        ("gaps in the agent's speech at the caller's ear", _gaps(call), "0"),
        ("agent's frame late at the carrier, at most", f"{call.late['max_ms']} ms", "< 260 ms, the carrier's reserve"),
        ("caller's channel, last minute against first", _drift(kept.caller_drift), f"< {_LEAST_DRIFT_MS:.0f} ms"),
        ("agent's channel, last minute against first", _drift(kept.agent_drift), f"< {_LEAST_DRIFT_MS:.0f} ms"),
        ("agent's frames that were heard and not recorded", str(kept.agent.lost), "0"),
        ("frames cut at the recording's ends: caller, agent", "{}, {}".format(*kept.unrecorded), "at most 2, 0"),
        ("agent's channel against the caller's", _apart(call), "within 40 ms"),
        ("recording longer than the call", f"{kept.longer_s * 1_000:.0f} ms", "within 40 ms"),
    ]


def show(result: dict[str, Any]) -> None:
    """One table."""
    call, server = result["call"], result["server"]
    print(f"{'one call':<62}{'measured':>34}   aim")
    for what, measured, aim in result["headline"]:
        print(f"{what:<62}{measured:>34}   {aim}")
    print(f"\nanswers: {call['answers']} of {call['bursts']}; ended in order: {call['in_order']}")
    print(f"clears: {call['clears']}; violations: {len(call['violations'])}; errors: {call['errors']}")
    print(f"the caller's own pacing late at most: {call['caller_late_ms']} ms; server: {server}")


def _losses(losses: Any) -> str:
    return f"{losses.lost}, {losses.doubled} of {losses.frames:,}"


def _gaps(call: CallFigures) -> str:
    longest_s = max((gap.length_s for gap in call.gaps), default=0.0)
    return f"{len(call.gaps)}" + (f", up to {longest_s * 1_000:.0f} ms" if call.gaps else "")


def _drift(drift: Any) -> str:
    return "not measured" if drift is None else f"{drift.drift:+.2f} ms ({drift.least:.2f} to {drift.most:.2f})"


def _apart(call: CallFigures) -> str:
    row = call.kept.apart_ms
    return f"{row['median_ms']} ms ({row['least_ms']} to {row['most_ms']})" if row["n"] else "not measured"
