"""Thinking, measured: what our own path adds to the bare server, what read prefixes save, how soon a draft is gone.

    .venv/bin/python bench/thinking.py [--part overhead|prefix|cancel|tools|together|words|all] [--quick]
                                       [--server URL --model NAME [--api-key-env VAR]]
                                       [--out bench/results/thinking.json]

overhead  first token and first piece of each turn of a conversation of twelve, by our own path (mind, prompt, client,
          watchdog, cutter, guard) and from the bare server asked with the same bytes, in turns and in random order
prefix    first token with the caller's words read ahead, after the turn before was answered, and with nothing read;
          cached tokens as the server tells them
cancel    from closing a stream to the server's being free, tokens made for nobody, and what the next request waits
tools     the prompt and the first token with tools on offer and without
together  first token and first piece of four calls asked for at the same moment
words     what it costs to make a piece speakable and to judge it

Without --server it is the embedded server, started for the purpose; what vLLM does is measured by the same script with
--server http://HOST:8000/v1. The bare server is asked by a dozen lines that do nothing but take the text out. Takes
about four minutes on two idle cores, with --quick one. The machine must be idle. Prints one table; writes one JSON
with every sample, and a part that is run alone replaces its own figures and leaves the others.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import thinking_parts as parts
from client_caller.agent import Agent, answering, load_agent
from client_caller.rehearsal.figures import percentile
from client_caller.settings import load_settings
from common import Row, keep, origin
from thinking_judging import hit_percent, overhead, spread, verdict
from thinking_server import Server, serving

Result = dict[str, Any]

_AGENTS: Final = Path(__file__).parents[1] / "agents"
_MONDAY: Final = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""An hour at which the clinic is open, so that all its transfers are on offer."""

_VERSIONS: Final = ("xllamacpp", "httpx2", "msgspec")


class Sizes:
    """How many samples of each."""

    def __init__(self, quick: bool) -> None:
        self.turns = 3 if quick else 12
        self.repeats = 2 if quick else 4
        self.cold = 1 if quick else 2
        self.drafts = 3 if quick else 15
        self.tools = 2 if quick else 12
        self.rounds = 1 if quick else 6
        self.words = 20 if quick else 500


async def measure_overhead(server: Server, agent: Agent, sizes: Sizes) -> Result:
    pairs = await parts.overhead(server, agent, sizes.repeats, sizes.turns)
    token = [pair.ours.first_token_s for pair in pairs], [pair.bare_token_s for pair in pairs]
    # Only where both are known: what the bare server did not say can't be timed.
    both = [(p.ours.first_piece_s, p.bare_piece_s) for p in pairs if p.ours.first_piece_s and p.bare_piece_s]
    piece = [one for one, _ in both], [other for _, other in both]
    added = {"first token": overhead(*token), "first piece": overhead(*piece)}
    return {
        "figures": {
            "first token, our own path": spread(token[0]),
            "first token, bare server": spread(token[1]),
            "first piece, our own path": spread(piece[0]),
            "first piece, bare server": spread(piece[1]),
        },
        "overhead": added,
        "aim": {name: verdict(row) for name, row in added.items()},
        "pairs without a piece to compare": len(pairs) - len(both),
        "samples": [asdict(pair) for pair in pairs],
    }


async def measure_prefix(server: Server, agent: Agent, sizes: Sizes) -> Result:
    found = await parts.prefix(server, agent, sizes.cold, sizes.turns)
    return reads({f"first token, {name}": reads for name, reads in found.items()})


async def measure_tools(server: Server, agent: Agent, sizes: Sizes) -> Result:
    clinic = answering(load_agent(_AGENTS / "clinic_reception.toml"))
    found = await parts.tools(server, clinic, _MONDAY, sizes.tools)
    return reads({f"first token, {name}": reads for name, reads in found.items()})


def reads(found: Mapping[str, Sequence[parts.Read]]) -> Result:
    """The figures of prompts that were read before, in part or not at all."""
    return {
        "figures": {name: spread([read.first_token_s for read in reads]) for name, reads in found.items()},
        "prompt tokens": {name: _middle([read.prompt_tokens for read in reads]) for name, reads in found.items()},
        "cached, %": {
            name: _middle([hit_percent(read.prompt_tokens, read.cached_tokens) for read in reads])
            for name, reads in found.items()
        },
        "samples": {name: [asdict(read) for read in reads] for name, reads in found.items()},
    }


async def measure_cancel(server: Server, agent: Agent, sizes: Sizes) -> Result:
    drafts, tokens_s = await parts.cancel(server, agent, sizes.drafts)
    made = [draft.made_after for draft in drafts if draft.made_after is not None]
    return {
        "figures": {
            "stream closed": spread([draft.closed_s for draft in drafts]),
            "closed to free, as the server says": spread([draft.free_s for draft in drafts]),
            **{f"first token, {name}": spread(values) for name, values in tokens_s.items()},
        },
        "tokens made for nobody": {"n": len(made), "p50": percentile(made, 0.5), "max": max(made, default=None)},
        "samples": {"drafts": [asdict(draft) for draft in drafts], "next request": tokens_s},
    }


async def measure_together(server: Server, agent: Agent, sizes: Sizes) -> Result:
    heard = await parts.together(server, agent, sizes.rounds)
    return {
        "figures": {
            f"first token, {parts.TOGETHER} calls at once": spread([each.first_token_s for each in heard]),
            f"first piece, {parts.TOGETHER} calls at once": spread([each.first_piece_s for each in heard]),
        },
        "samples": [asdict(each) for each in heard],
    }


async def measure_words(server: Server, agent: Agent, sizes: Sizes) -> Result:
    costs = parts.words(agent, sizes.words)
    return {
        "microseconds a piece": {
            name: {"n": len(each), "p50": percentile(each, 0.5), "max": max(each)} for name, each in costs.items()
        },
        "samples": costs,
    }


PARTS: Final[dict[str, Callable[[Server, Agent, Sizes], Awaitable[Result]]]] = {
    "overhead": measure_overhead,
    "prefix": measure_prefix,
    "cancel": measure_cancel,
    "tools": measure_tools,
    "together": measure_together,
    "words": measure_words,
}


async def main(names: Sequence[str], quick: bool, url: str, model: str, key_variable: str, out: Path) -> None:
    result = kept_in(out)
    agent = answering(load_agent(_AGENTS / "receptionist.toml"))
    settings, sizes = load_settings(), Sizes(quick)
    async with serving(settings, url, model, os.environ.get(key_variable, "")) as server:
        for name in names:
            began, load = time.monotonic(), os.getloadavg()[0]
            figures = await PARTS[name](server, agent, sizes)
            about = {**origin(f"thinking: {name}"), **told_of(server), "quick": quick, "load_before": load}
            result[name] = {**about, "took_s": round(time.monotonic() - began), **figures}
            show(name, result[name])
            keep(result, out)
    print(f"\nwritten to {out}")


def kept_in(out: Path) -> Result:
    """What an earlier run left there."""
    found: Result = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    return found


def told_of(server: Server) -> Result:
    """What was measured."""
    versions = {}
    for package in _VERSIONS:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "server": "embedded" if server.embedded else "given",
        "model": server.settings.model,
        "slots": server.settings.slots if server.embedded else None,
        "versions": versions,
    }


def show(name: str, part: Mapping[str, Any]) -> None:
    """Print a part's rows, and what else it found."""
    print(f"\n{name}: {part['machine']}, load {part['load_before']:.1f} before, {part['took_s']} s; {part['model']}")
    if rows := part.get("figures"):
        show_rows(rows)
    for key in ("overhead", "aim", "prompt tokens", "cached, %", "tokens made for nobody", "microseconds a piece"):
        if key in part:
            print(f"{key}: {part[key]}", flush=True)


def show_rows(rows: Mapping[str, Row]) -> None:
    print(f"{'milliseconds':<44}{'n':>5}{'p50':>8}{'p95':>8}{'max':>8}")
    for name, row in rows.items():
        cells = ("-" if row[key] is None else f"{row[key]:.1f}" for key in ("p50_ms", "p95_ms", "max_ms"))
        print(f"{name:<44}{row['n']:>5}" + "".join(f"{cell:>8}" for cell in cells), flush=True)


def _middle(values: Sequence[float | None]) -> float | None:
    return percentile([value for value in values if value is not None], 0.5)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--part", choices=(*PARTS, "all"), default="all")
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--server", default="", help="an OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1")
    arguments.add_argument("--model", default="", help="the model's name on that server")
    arguments.add_argument("--api-key-env", default="", help="the variable that holds its API key")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/thinking.json"))
    given = arguments.parse_args()
    chosen = list(PARTS) if given.part == "all" else [given.part]
    asyncio.run(main(chosen, given.quick, given.server, given.model, given.api_key_env, given.out))
