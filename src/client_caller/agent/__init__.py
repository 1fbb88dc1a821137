"""The agent: who speaks in a call, as a file tells it."""

from client_caller.agent.file import load_agent
from client_caller.agent.filling import answering, filled, known_of, needed
from client_caller.agent.hours import AgentHours, is_open, next_opening, spoken
from client_caller.agent.model import BUILT_IN, Agent, BuiltIn
from client_caller.agent.tables import (
    AgentKeys,
    AgentLimits,
    AgentOutbound,
    AgentPhrases,
    AgentRecording,
    AgentSummary,
    AgentTransfer,
    AgentVariable,
    AgentVoice,
    Example,
    SummaryField,
)

__all__ = [
    "BUILT_IN",
    "Agent",
    "AgentHours",
    "AgentKeys",
    "AgentLimits",
    "AgentOutbound",
    "AgentPhrases",
    "AgentRecording",
    "AgentSummary",
    "AgentTransfer",
    "AgentVariable",
    "AgentVoice",
    "BuiltIn",
    "Example",
    "SummaryField",
    "answering",
    "filled",
    "is_open",
    "known_of",
    "load_agent",
    "needed",
    "next_opening",
    "spoken",
]
