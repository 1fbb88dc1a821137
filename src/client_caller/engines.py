"""The models a call uses, as the call knows them."""

from collections.abc import Callable
from dataclasses import dataclass

from client_caller.hearing.protocols import Transcriber, TurnModel, VoiceActivity
from client_caller.speaking.protocol import Voice
from client_caller.thinking.protocol import LanguageModel


@dataclass(frozen=True, slots=True)
class Engines:
    """One of each; all calls of a process share them. `activity` makes the part that remembers one call."""

    activity: Callable[[], VoiceActivity]
    turn_model: TurnModel
    transcriber: Transcriber
    language_model: LanguageModel
    voice: Voice
