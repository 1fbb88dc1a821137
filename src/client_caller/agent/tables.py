"""The tables of an agent file, but for the opening hours.

In:   what stands in the file.     Out: frozen values; or what is wrong, and what is allowed.
Rule: a table judges itself alone; whether tables agree with each other, consistency.py says.
"""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""Text that will be spoken or read by the language model: never empty."""

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")


def _dialable(number: str) -> str:
    if not _E164.fullmatch(number):
        raise PydanticCustomError("e164", "must be a number in E.164 form, such as +15550100002")
    return number


PhoneNumber = Annotated[str, AfterValidator(_dialable)]
"""A number that any carrier can dial: a plus, the country, the number, digits only (ITU-T E.164)."""

Key = Annotated[str, StringConstraints(pattern=r"^[0-9*#]?$")]
"""A key of a telephone, or none."""

FROZEN: Final = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
"""Every table of an agent file: what a field means stands below it, and goes from there into the JSON schema."""


class Example(BaseModel):
    """One exchange that shows the language model the manner wanted."""

    model_config = FROZEN
    caller: Sentence
    """What a caller might say."""
    agent: Sentence
    """What the agent would answer."""


class AgentVoice(BaseModel):
    """How the agent sounds."""

    model_config = FROZEN
    name: Sentence = "en-us"
    """A voice of eSpeak NG, which speaks if no other engine is set, and stands in for another one that fails."""
    words_per_minute: int = Field(165, ge=80, le=300)
    """How fast eSpeak NG speaks; other engines speak at their own pace."""
    pitch: int = Field(50, ge=0, le=99)
    """How high, around 50, eSpeak NG speaks."""
    prompt: str = ""
    """Whose voice it is with another engine: for CSM a voice prompt, see `client-caller voices`; for a speech server
    one of its voices. Left out: that of the settings."""


class AgentLimits(BaseModel):
    """Where the agent stops."""

    model_config = FROZEN
    max_call_s: float = Field(600.0, gt=0, le=14_400)
    """Seconds that a call may last."""
    silence_s: float = Field(10.0, ge=3, le=600)
    """Seconds of the caller's silence before they are asked whether they are still there; when they stay silent, the
    call ends."""
    max_reply_sentences: int = Field(3, ge=1, le=20)
    """Sentences of one reply; the rest is not spoken, but see check_back."""
    max_reply_tokens: int = Field(120, ge=8, le=2_000)
    """Tokens of one reply."""
    history_tokens: int = Field(3_000, ge=300, le=100_000)
    """Tokens of the conversation that the language model is shown; older turns are condensed to fit."""


class AgentPhrases(BaseModel):
    """What is said when no language model has a say."""

    model_config = FROZEN
    repeat: Sentence = "Sorry, I did not catch that. Could you say it again?"
    """A turn could not be understood."""
    trouble: Sentence = "I am sorry, I need a moment. Could you say that again, please?"
    """No answer could be found, for the first time."""
    offer: Sentence = (
        "I am sorry, I cannot answer that now. You can call again later, or leave your name and number, "
        "and somebody will call you back."
    )
    """No answer could be found, once more."""
    fillers: tuple[Sentence, ...] = ("One moment, please.", "I am still looking.", "Just a moment longer.")
    """Said by turns while an answer keeps the caller waiting."""
    tool_bridge: Sentence = "One moment, I am looking that up."
    """Said while a tool keeps the caller waiting that has no bridge of its own."""
    check_back: str = "Shall I go on?"
    """Said when a long answer was cut at max_reply_sentences; nothing, if empty."""
    dropped: Sentence = "Sorry, the line dropped for a moment."
    """Said first after a lost line; one of the next three follows."""
    as_i_said: Sentence = "I was saying:"
    """Before what the caller had not heard when the line was lost."""
    so_far: Sentence = "You were saying:"
    """Before the caller's own unfinished words."""
    go_on: Sentence = "Please go on."
    """When neither had anything unsaid."""
    goodbye: Sentence = "I am sorry, we have to end the call here. Goodbye."
    """The call has lasted as long as it may."""
    still_there: Sentence = "Are you still there?"
    """The caller says nothing."""
    farewell: Sentence = "Thank you for your time. Goodbye."
    """The last word of a call that is ended for another reason."""
    opted_out: Sentence = (
        "I have noted that you do not want to be called, and you will not hear from us again. Goodbye."
    )
    """To who does not want to be called, and never will be again."""
    connecting: Sentence = "One moment, please. I will connect you."
    """Before a transfer."""
    not_reached: Sentence = "I am sorry, nobody can take your call right now. Is there anything else I can do?"
    """After a transfer that nobody took."""
    wait: Sentence = "One moment, please."
    """Said by the carrier's own voice while a call is taken up."""
    queued: Sentence = "All our lines are busy. Please hold, you will be answered as soon as possible."
    """Said by the carrier's own voice to who waits for a line."""
    busy: Sentence = "All our lines are busy right now. Please call again in a few minutes. Goodbye."
    """Said by the carrier's own voice to who finds none."""
    dropped_for_good: Sentence = "I am sorry, we have technical difficulties. Please call again later."
    """Said by the carrier's own voice when the call cannot go on."""


class AgentRecording(BaseModel):
    """What must come before a call may be recorded."""

    model_config = FROZEN
    consent: Literal["free", "announced", "asked"] = "free"
    """free: nothing; announced: phrase was heard to its end, and the caller has stayed; asked: phrase asks, and the
    caller has said yes."""
    phrase: str = ""
    """What announces the recording, or asks for it."""

    @model_validator(mode="after")
    def _phrase_is_there(self) -> Self:
        if self.consent != "free" and not self.phrase.strip():
            raise PydanticCustomError("phrase", "needs a phrase that the caller hears before it")
        return self


class AgentOutbound(BaseModel):
    """What the agent says on calls that it places, after its identity."""

    model_config = FROZEN
    purpose: Literal["informational", "marketing"] = "informational"
    """Which consent and which hours a call needs."""
    reason: Sentence
    """Why it calls; said instead of the greeting."""
    message: str = ""
    """Left with an answering machine, after the identity; nothing is left, if empty."""
    screened: str = ""
    """Said to an assistant that asks on the callee's behalf why we call; the reason, if empty."""
    menu_keys: Annotated[str, StringConstraints(pattern=r"^[0-9*#A-DwW]{0,32}$")] = ""
    """Pressed in a telephone menu, w for half a second's rest; the call ends there, if empty."""


class AgentKeys(BaseModel):
    """Keys with a meaning of their own."""

    model_config = FROZEN
    opt_out: Key = ""
    """Never to be called again."""
    human: Key = ""
    """To speak with a human."""


class AgentTransfer(BaseModel):
    """One whom callers can be put through to."""

    model_config = FROZEN
    name: Sentence
    """What the agent calls them: "the nurse", "billing"."""
    to: PhoneNumber
    """Their number."""
    when: Sentence
    """When to put a caller through to them, as a sentence for the language model. May hold variables."""
    briefly: str = ""
    """What they are told before they take the call, with {words} for the caller's last words; empty: the call simply
    rings there. May hold variables."""
    in_hours_only: bool = False
    """Whether they can be reached within the opening hours only, which a table [hours] tells."""


class AgentVariable(BaseModel):
    """One thing that differs from call to call."""

    model_config = FROZEN
    description: Sentence
    """What it is, for those who order calls."""
    default: str = ""
    """Stands in for it in calls that do not have it; without one a call needs it."""


FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
"""How a field is called in what is kept of a call."""


class SummaryField(BaseModel):
    """One thing to find in what was said, once the call is over."""

    model_config = FROZEN
    name: FieldName
    """How it is kept."""
    type: Literal["string", "number", "boolean", "date"] = "string"
    """What it is."""
    description: Sentence
    """What to look for, as a sentence for the language model."""
    choices: tuple[Sentence, ...] = ()
    """The only values that a string may have; any, if there are none."""

    @model_validator(mode="after")
    def _only_strings_are_chosen(self) -> Self:
        if self.choices and self.type != "string":
            raise PydanticCustomError("choices", "has choices, so its type must be 'string'")
        if len(set(self.choices)) < len(self.choices):
            raise PydanticCustomError("choices", "has a choice twice")
        return self


class AgentSummary(BaseModel):
    """What is kept of a call, beside a summary in words."""

    model_config = FROZEN
    outcomes: tuple[Sentence, ...] = ()
    """Words of which one says how the call went; any word may, if there are none."""
    fields: tuple[SummaryField, ...] = ()
    """What to find in what was said."""
