"""The checks of `client-caller preflight`.

In:   the plan of this machine.
Out:  one `Check` for each thing that the plan needs, good or bad.
Rule: looks only, and takes none of the card's memory; after it, whatever still fails is no mistake of the operator's.
"""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from client_caller.agent import load_agent
from client_caller.box.card import Card, cards
from client_caller.box.launch_file import LaunchFile
from client_caller.box.machine import card_memory_gb_s, free_ram_bytes
from client_caller.box.memory import GIB, misfit, sums_of
from client_caller.box.plan import BoxPlan
from client_caller.cli.checks import Check, check_agent, check_port, check_public_url, check_room
from client_caller.errors import ConfigError
from client_caller.models.hub import is_whole
from client_caller.settings import BoxSettings, Settings

_CSM_PACKAGES: Final = ("torch", "safetensors", "tokenizers")


def every_check(
    plan: BoxPlan,
    measure: Callable[[], float | None] = card_memory_gb_s,
    ram: Callable[[], int | None] = free_ram_bytes,
) -> Iterator[Check]:
    """All of them, in the order in which one would mend things."""
    settings = plan.settings
    try:
        card = cards()[0]
    except ConfigError as wrong:
        yield Check("FAIL", "card", str(wrong), "see `nvidia-smi`")
    else:
        yield Check("ok", "card", f"{card.name}, {card.usable_gib:.1f} GiB")
        yield check_compute(card, settings.box)
        yield check_driver(card, settings.box)
        yield check_memory(card, plan)
        yield check_bandwidth(measure(), settings.box)
    yield check_ram(ram(), settings.box)
    yield from check_programs(plan)
    yield from check_weights(plan)
    yield check_port(plan.launch.host, plan.launch.port)
    if plan.speaks:
        yield check_port("127.0.0.1", plan.csm_port)
    yield check_port(settings.server.host, settings.server.port)
    yield check_agent(settings.agent)
    if plan.speaks:
        yield check_prompt(settings)
    yield check_public_url(plan.public_url)
    yield check_carriers(settings)
    yield check_ledger_stays(settings)
    yield check_room("records", settings.records.folder, "CLIENT_CALLER_RECORDS__FOLDER")


def check_compute(card: Card, box: BoxSettings) -> Check:
    """The card can compute what the plan asks for."""
    if card.compute >= box.compute:
        return Check("ok", "compute capability", f"{card.compute:g}")
    found = f"{card.compute:g}, and the plan needs {box.compute:g} (bfloat16, weights of 4 bits)"
    return Check("FAIL", "compute capability", found, "take a machine with an A100, H100 or newer card")


def check_driver(card: Card, box: BoxSettings) -> Check:
    """The driver is new enough for the programs."""
    if card.driver_major >= box.driver_sure:
        return Check("ok", "driver", card.driver)
    if card.driver_major >= box.driver:
        found = f"{card.driver}: too old for programs of CUDA 13 ({box.driver_sure})"
        return Check("warn", "driver", found, "if vLLM or csm say so, take a machine with a newer driver")
    found = f"{card.driver}, and the programs need {box.driver} at least"
    return Check("FAIL", "driver", found, "take another machine; in a container the driver cannot be changed")


def check_memory(card: Card, plan: BoxPlan) -> Check:
    """The memory plan fits into what is free on the card."""
    box, what = plan.settings.box, "memory of the card"
    try:
        sums = sums_of(plan.launch, plan.kind, box.csm_slots, card.usable_gib)
    except ConfigError as wrong:
        return Check("FAIL", what, str(wrong), "rename the launch file")
    if reason := misfit(sums, plan.settings.server.calls_at_once, card.free_gib):
        return Check("FAIL", what, reason, _mend_memory(card, box, plan.launch))
    found = (
        f"vLLM {sums.share:.1f} + voice {sums.voice:.1f} + ears {sums.ears:.1f} = {sums.total:.1f} GiB of "
        f"{card.free_gib:.1f} free"
    )
    return Check("ok", what, found)


def _mend_memory(card: Card, box: BoxSettings, launch: LaunchFile) -> str:
    if card.usable_gib - card.free_gib > 1:
        return "end what uses the card: `nvidia-smi` lists it"
    if card.usable_gib < box.card_gib - 1:
        return f"the plan is made for a card of {box.card_gib:g} GiB: take such a machine, or make another profile"
    return (
        f"lower CLIENT_CALLER_SERVER__CALLS_AT_ONCE, or correct gpu-memory-utilization (now {launch.share:g}) or "
        "max-num-seqs in the launch file, or CLIENT_CALLER_BOX__CSM_SLOTS"
    )


def check_bandwidth(gb_s: float | None, box: BoxSettings) -> Check:
    """The card's memory is as fast as such a card's should be."""
    what = "speed of its memory"
    if gb_s is None:
        return Check("warn", what, "not measured: there is no torch that sees the card", "install the extra `gpu`")
    if gb_s >= box.copy_gb_per_s:
        return Check("ok", what, f"{gb_s:.0f} GB/s")
    found = f"{gb_s:.0f} GB/s, and the plan counts on {box.copy_gb_per_s:.0f}"
    return Check("warn", what, found, "the card is slowed down or shared: see `nvidia-smi -q -d PERFORMANCE`")


def check_ram(free_bytes: int | None, box: BoxSettings) -> Check:
    """The machine's own memory holds what is loaded through it."""
    if free_bytes is None:
        return Check(
            "warn", "memory of the machine", "this system does not tell", f"see that {box.ram_gib:g} GiB are free"
        )
    found = f"{free_bytes / GIB:.1f} GiB free"
    if free_bytes >= box.ram_gib * GIB:
        return Check("ok", "memory of the machine", found)
    return Check("FAIL", "memory of the machine", f"{found}, and {box.ram_gib:g} are planned", "take a larger machine")


def check_programs(plan: BoxPlan) -> Iterator[Check]:
    """What is to be started is installed."""
    path = shutil.which("vllm")
    if path:
        yield Check("ok", "vllm", path)
    else:
        yield Check("FAIL", "vllm", "not on the PATH", "run `scripts/vllm.sh`, and put .vllm/bin on the PATH")
    if plan.speaks:
        missing = [name for name in _CSM_PACKAGES if importlib.util.find_spec(name) is None]
        yield _installed("csm", missing, "gpu")
    if plan.settings.hearing.engine == "whisper":
        yield _installed("whisper", [] if importlib.util.find_spec("faster_whisper") else ["faster-whisper"], "whisper")


def _installed(what: str, missing: list[str], extra: str) -> Check:
    if not missing:
        return Check("ok", what, "installed")
    return Check("FAIL", what, f"not installed: {', '.join(missing)}", f"run `pip install 'client-caller[{extra}]'`")


def check_weights(plan: BoxPlan) -> Iterator[Check]:
    """The weights are there, whole; or there is room for them."""
    box = plan.settings.box
    missing = [name for name in plan.repositories if not is_whole(plan.folder_of(name))]
    for name in plan.repositories:
        if name not in missing:
            yield Check("ok", "weights", f"{plan.folder_of(name)}")
    if not missing:
        return
    pull = "run `client-caller models pull` with the same --profile"
    for name in missing:
        yield Check("FAIL", "weights", f"{name} is not whole in {plan.folder_of(name)}", pull)
    folder = box.weights.expanduser().absolute()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    found = f"{free_gb:.0f} GB free at {existing}, {box.disk_gb:g} planned"
    if free_gb >= box.disk_gb:
        yield Check("ok", "room for weights", found)
    else:
        yield Check(
            "FAIL", "room for weights", found, "enlarge the volume, or set CLIENT_CALLER_BOX__WEIGHTS to another"
        )


def check_prompt(settings: Settings) -> Check:
    """The agent has a voice, and its recording is there."""
    from client_caller.speaking.csm.prompts import VoiceShelf

    if settings.box.csm_random:
        return Check("warn", "voice", f"random weights ({settings.box.csm_random}): callers hear noise")
    try:
        name = load_agent(settings.agent).voice.prompt or settings.speaking.csm_voice
    except ConfigError:
        name = settings.speaking.csm_voice  # what is wrong with the agent file is told by its own check
    there = VoiceShelf(settings.speaking.voices).names()
    if name in there:
        return Check("ok", "voice", f"{name}, in {settings.speaking.voices}")
    found = f"no {name!r} in {settings.speaking.voices}" if name else "none is named"
    remedy = (
        "add one with `client-caller voices add`, and name it in the agent file or CLIENT_CALLER_SPEAKING__CSM_VOICE"
    )
    return Check("FAIL", "voice", found, remedy)


def check_carriers(settings: Settings) -> Check:
    """Somebody can call: a carrier's secret is here, without which the server does not start."""
    if settings.twilio_auth_tokens or settings.telnyx_api_key.get_secret_value():
        return Check("ok", "carrier", "its secret is set")
    return Check("FAIL", "carrier", "no secret of a carrier", "set TWILIO_AUTH_TOKEN, or TELNYX_API_KEY and its others")


def check_ledger_stays(settings: Settings) -> Check:
    """What must be kept for ever is not lost with the machine."""
    url = settings.ledger.url.get_secret_value()
    if not url.startswith("sqlite"):
        return Check("ok", "ledger", "in a database of its own")
    place = Path(url.partition("///")[2])
    remedy = "for more than a trial set CLIENT_CALLER_LEDGER__URL to a PostgreSQL database"
    return Check("warn", "ledger", f"{place}: lost with the machine, and no file for a network volume", remedy)
