"""The agent: who speaks, what it knows and wants, how it sounds, what it may do, and where it stops.

In:   the tables of an agent file.     Out: one frozen `Agent`.
Rule: nothing here knows how a prompt is built, a voice is made or a tool is run; those rooms read the fields they need.
"""

from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, StringConstraints, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from client_caller.agent.hours import AgentHours
from client_caller.agent.tables import (
    FROZEN,
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
    PhoneNumber,
    Sentence,
)
from client_caller.outbound.opening import opening_is_lawful
from client_caller.tools.declared import DeclaredTool

BuiltIn = Literal["hang_up", "transfer", "send_digits", "take_message", "opt_out", "schedule_callback", "look_up"]
"""A tool that every agent could have."""

BUILT_IN: Final[tuple[BuiltIn, ...]] = get_args(BuiltIn)

VariableName = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^{}]+$")]
"""What may stand between braces; a list of contacts has columns of any name."""


class Agent(BaseModel):
    """Everything the operator decides about the one who speaks.

    Texts may hold variables of the call in braces; {agent} and {company} are always there.
    """

    model_config = FROZEN
    name: Sentence
    """The agent's own name."""
    company: Sentence
    """For whom it speaks."""
    language: Literal["en"] = "en"
    """What it speaks and understands."""
    greeting: Sentence
    """Said after the identity in calls that come in. May hold variables."""
    persona: Sentence
    """Who the agent is and how it talks, for the language model. May hold variables; {name} is the agent's own name."""
    goals: tuple[Sentence, ...] = ()
    """What the agent wants to have reached by the end of the call, in order. May hold variables."""
    facts: tuple[Sentence, ...] = ()
    """What the agent knows at any moment of the call. May hold variables."""
    fact_files: tuple[Sentence, ...] = ()
    """Files beside this one, .md or .txt, that the agent looks up when it needs to, with the tool look_up."""
    documents: SkipJsonSchema[tuple[str, ...]] = ()
    """The texts of fact_files, in the same order. Not a field of the file: they are read with it."""
    hints: tuple[Sentence, ...] = ()
    """Names and rare words that callers may say, for a transcriber that heeds them; the first hundred or so count."""
    examples: tuple[Example, ...] = ()
    """Exchanges that show the manner wanted. A small model follows them better than anything else."""
    voice: AgentVoice = AgentVoice()
    """How the agent sounds."""
    pronounce: dict[Sentence, Sentence] = {}
    """What is spoken for a word or phrase whose letters mislead the voice."""
    limits: AgentLimits = AgentLimits()
    """Where the agent stops."""
    phrases: AgentPhrases = AgentPhrases()
    """What is said when no language model has a say."""
    identity: str = ""
    """Who is speaking, and that it is an AI; said first in every call, and again until it was heard. May hold
    variables."""
    transfer_to: PhoneNumber | None = None
    """Who is rung up for a caller who wants a human, or when the line to us keeps breaking."""
    transfer_briefly: str = ""
    """What that person is told before they take the call, with {words} for the caller's last words; empty: the call
    simply rings there. May hold variables."""
    transfers: tuple[AgentTransfer, ...] = ()
    """Others whom the agent may put callers through to."""
    hours: AgentHours | None = None
    """When the company is open."""
    when_full: Literal["hang up", "queue", "call back", "forward"] = "hang up"
    """What becomes of a caller for whom there is no room."""
    recording: AgentRecording = AgentRecording()
    """What must come before a call may be recorded."""
    outbound: AgentOutbound | None = None
    """What the agent says on calls that it places; without it, it places none."""
    keys: AgentKeys = AgentKeys()
    """Keys with a meaning of their own."""
    variables: dict[VariableName, AgentVariable] = {}
    """What differs from call to call, by the name that stands in braces."""
    built_in: tuple[BuiltIn, ...] | None = None
    """The built-in tools that the agent may use; left out: all that apply, and none with the embedded model; an empty
    list: none."""
    tools: tuple[DeclaredTool, ...] = ()
    """HTTP requests that the agent may make."""
    functions: tuple[Sentence, ...] = ()
    """Python files beside this one, whose decorated functions become tools. In memory: their whole paths."""
    summary: AgentSummary = AgentSummary()
    """What is kept of a call, beside a summary in words."""

    @field_validator("when_full")
    @classmethod
    def _can_forward(cls, when_full: str, info: ValidationInfo) -> str:
        if when_full == "forward" and not info.data.get("transfer_to"):
            raise PydanticCustomError("forward", "needs transfer_to, the number that callers are forwarded to")
        return when_full

    @field_validator("outbound")
    @classmethod
    def _says_who_calls(cls, outbound: AgentOutbound | None, info: ValidationInfo) -> AgentOutbound | None:
        company = info.data.get("company", "")
        identity = info.data.get("identity", "").replace("{agent}", info.data.get("name", ""))
        if outbound and (wrong := opening_is_lawful(identity.replace("{company}", company), company)):
            raise PydanticCustomError("identity", "needs a lawful identity: {wrong}", {"wrong": " ".join(wrong)})
        return outbound

    @property
    def offered(self) -> tuple[BuiltIn, ...]:
        """The built-in tools that the agent may use: those it names, or all that apply to it."""
        if self.built_in is not None:
            return self.built_in
        applies = {"transfer": bool(self.transfer_to or self.transfers), "look_up": bool(self.fact_files)}
        return tuple(name for name in BUILT_IN if applies.get(name, True))
