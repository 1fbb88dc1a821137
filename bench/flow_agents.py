"""The agents that the benchmark calls: the receptionist, with more to say.

In:   the agent file that answers by default.     Out: agent files, and what their greetings sound like.
Rule: only greeting and examples differ, so that everything else is measured as it is shipped.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import numpy as np

from client_caller.agent import load_agent
from client_caller.app import embedded_voice
from client_caller.audio.frame import LINE_HZ
from client_caller.audio.mulaw import decode, encode
from client_caller.rehearsal.stage import Stage, serving
from client_caller.speaking.protocol import WordTime
from flow_judging import Text

LONG: Final = (
    "Hello, this is Anna, the automated assistant of Brightline. Before we begin, let me tell you what you can expect "
    "from us. Every new customer gets a router by post, together with a cable, a sheet of paper that explains each of "
    "the lights, and a card with the number of our technicians. Plug the router into the wall next to your telephone, "
    "wait until the second light turns green, and open any page on your computer. If nothing happens within a quarter "
    "of an hour, unplug it, count slowly to twenty, and try once more. Our technicians visit every town between the "
    "river and the mountains on weekdays, and they always ring before they leave. Moving house costs nothing, as long "
    "as you write to us a month ahead. Students pay half the price during their first winter. How can I help you?"
)
"""About fifty seconds; no phrase comes twice."""

QUESTION: Final = "Hello, this is Brightline. Shall I tell you our opening hours?"

STORY: Final = (
    (
        "How long does it take?",
        "It takes about two weeks, because the router comes by post, and then a technician rings you to find a day on "
        "which somebody is at home.",
    ),
    (
        "I would like to cancel my order.",
        "You can cancel your order within thirty days, and all you have to do is put the router back into its box and "
        "give it to the driver who comes to your door.",
    ),
)
"""Answers of eight seconds, to questions that are surely understood. Asked for an example, the model repeats it."""


@asynccontextmanager
async def answering(folder: Path, greeting: str = "", changes: dict[str, str] | None = None) -> AsyncIterator[Stage]:
    """A server whose agent greets so, and knows longer answers; with the usual greeting when none is given."""
    path = _written(agent_file(greeting), folder)
    async with serving(folder, {"CLIENT_CALLER_AGENT": str(path), **(changes or {})}) as stage:
        yield stage


def _written(text: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return path.resolve()


def agent_file(greeting: str = "") -> str:
    """The receptionist's file with another greeting and two examples more."""
    text = _RECEPTIONIST.read_text(encoding="utf-8")
    if greeting:
        text = re.sub(r"(?m)^greeting = .*$", lambda _: f'greeting = "{greeting}"', text)
    asked = "\n".join(f'\n[[examples]]\ncaller = "{caller}"\nagent = "{agent}"' for caller, agent in STORY)
    return f"{text}{asked}\n"


async def text_of(pieces: Sequence[str]) -> Text:
    """These pieces of a reply as the agent's voice says them, through mu-law as the line carries them."""
    manner = load_agent(_RECEPTIONIST).voice
    voice = embedded_voice(manner.name, manner.words_per_minute, manner.pitch)
    sounds, words = [np.zeros(0, np.float32)], list[WordTime]()
    for piece in pieces:
        begins_s = sum(map(len, sounds)) / LINE_HZ
        async for speech in voice.speak(piece):
            sounds.append(speech.samples)
            for word in speech.words:
                words.append(WordTime(len(words), begins_s + word.start_s, begins_s + word.end_s))
    return Text(decode(encode(np.concatenate(sounds))), words)


_RECEPTIONIST: Final = Path(__file__).resolve().parents[1] / "agents" / "receptionist.toml"
