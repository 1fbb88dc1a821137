"""Echo: the agent's own voice comes back on the caller's line.

In:   a server whose agent has fifty seconds to say; a caller beside a loudspeaker.     Out: one `EchoCase` a call.
Rule: the echo is made of what the caller hears, 20 dB softer and later by the time that a network takes; of what the
      agent would have said without it nothing is assumed but its text.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from client_caller.audio.mulaw import decode
from client_caller.rehearsal.stage import Stage
from common import show_times, summary
from flow_agents import LONG, answering, text_of
from flow_barge_in import BargeIn, of_call
from flow_caller import Cue, Echo, Ending, FlowCaller, hold, keep_example
from flow_judging import Follower, Text, first_audible
from flow_sounds import at_speech_level, breaks

DELAYS_S: Final = (0.1, 0.2, 0.3, 0.4)
GAIN_DB: Final = -20.0
NOISE_DBFS: Final = -65.0
_LISTENS_S: Final = 12.0
_SETTLES_S: Final = 1.5  # of the greeting, before it is judged
_BREAKS_IN_S: Final = (0.7, 3.0)
_CALLER_DBFS: Final = -23.0


@dataclass(frozen=True, slots=True)
class EchoCase:
    """Twelve seconds of the agent with its echo and a silent caller. first_hush_s: from the agent's first sound."""

    delay_s: float
    room: bool
    hushes: int
    first_hush_s: float | None
    stopped: bool
    longest_s: float
    why: str


async def alone(stage: Stage, echo: Echo, text: Text, examples: Path) -> EchoCase:
    """The caller says nothing."""
    ending = Ending(audible_s=_LISTENS_S, quiet_s=3.5, within_s=_LISTENS_S + 6)
    call = await hold(stage, FlowCaller([], noise_dbfs=NOISE_DBFS, echo=echo, ending=ending))
    keep_example(call, f"echo, {'room' if echo.room else 'dry'}", examples)
    greeted = first_audible(call.agent, 0.0, len(call.agent) / 100) or 0.0
    hushes = [t for t, _ in call.did("Hush", "ClearPlayout")]
    follower = Follower(text, decode(call.played))
    from_s = min([greeted + _SETTLES_S, *hushes])
    if follower.place(from_s) is None:
        return EchoCase(echo.delay_s, echo.room, len(hushes), _after(hushes, greeted), True, 0.0, "not followed")
    judged = follower.judge(from_s, len(call.agent) / 100)
    why = f"lost {judged.lost}, again {judged.repeated}, goes on {judged.goes_on}, followed {judged.followed}"
    first = _after(hushes, greeted)
    return EchoCase(echo.delay_s, echo.room, len(hushes), first, judged.is_stop, judged.longest_s, why)


async def run(folder: Path, examples: Path, quick: bool) -> dict[str, Any]:
    """The whole part."""
    echoes = [Echo(delay_s, GAIN_DB, room) for room in (False, True) for delay_s in DELAYS_S]
    echoes = echoes[5:6] if quick else echoes
    cases: list[EchoCase] = []
    over_it: list[BargeIn] = []
    text = await text_of([LONG])
    clips = [at_speech_level(clip, _CALLER_DBFS) for clip in await breaks()]
    async with answering(folder, LONG) as stage:
        for number, echo in enumerate(echoes):
            cases.append(await alone(stage, echo, text, examples))
            cue = Cue(clips[number % len(clips)], audible_s=_BREAKS_IN_S[number % 2])
            call = await hold(stage, FlowCaller([cue], noise_dbfs=NOISE_DBFS, echo=echo, ending=Ending(within_s=5.0)))
            keep_example(call, "echo, interrupted", examples)
            over_it += of_call(call, f"echo {1000 * echo.delay_s:.0f} ms, {'room' if echo.room else 'dry'}")
    hushes, stops = sum(case.hushes for case in cases), sum(case.stopped for case in cases)
    return {
        "figures": {
            "silent, interrupted over the echo": summary([one.silent_s for one in over_it if not one.by_itself]),
            "answer, interrupted over the echo": summary([one.reply_s for one in over_it]),
        },
        "counts": counts(cases, over_it),
        "headline": [
            ("echo at -20 dB, caller silent: hushes", f"{hushes} in {len(cases)} calls", "0"),
            ("echo at -20 dB, caller silent: stops", f"{stops} in {len(cases)} calls", "0"),
            ("interruptions over the echo missed", f"{sum(b.missed for b in over_it)} of {len(over_it)}", "0"),
        ],
        "cases": [asdict(case) for case in cases],
        "interruptions": [asdict(one) for one in over_it],
    }


def counts(cases: Sequence[EchoCase], over_it: Sequence[BargeIn]) -> dict[str, int]:
    return {
        "calls with an echo and a silent caller": len(cases),
        "hushes in them": sum(case.hushes for case in cases),
        "calls in which the agent stopped itself": sum(case.stopped for case in cases),
        "interruptions over the echo": len(over_it),
        "of them missed": sum(one.missed for one in over_it),
        "without an answer": sum(one.reply_s is None for one in over_it),
    }


def show(result: dict[str, Any]) -> None:
    print(f"\n{'echo':<20}{'hushes':>8}{'first, s':>10}{'stopped':>9}{'longest, s':>12}")
    for case in result["cases"]:
        first = "-" if case["first_hush_s"] is None else f"{case['first_hush_s']:.2f}"
        name = f"{1000 * case['delay_s']:.0f} ms, {'room' if case['room'] else 'dry'}"
        print(f"{name:<20}{case['hushes']:>8}{first:>10}{case['stopped']!s:>9}{case['longest_s']:>12.2f}")
    show_times(result["figures"])
    print("\n".join(f"{name}: {value}" for name, value in result["counts"].items()))


def _after(hushes: Sequence[float], greeted: float) -> float | None:
    return min(hushes) - greeted if hushes else None
