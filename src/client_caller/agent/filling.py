"""Variables: what differs from call to call is put into the agent's texts.

In:   an agent and what is known of a call.     Out: the agent as it speaks in that call.
Rule: a text never goes out with a brace in it. What a call does not have comes from the file's defaults, or is named.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from client_caller.agent.model import Agent
from client_caller.agent.places import Place
from client_caller.agent.tables import AgentVariable
from client_caller.errors import ConfigError
from client_caller.outbound.opening import MissingVariableError, fill, opening_is_lawful, variables_of

ALWAYS_KNOWN: Final = frozenset({"agent", "company"})
_UNDECLARED: Final = "it came with the call"
_WORDS: Final = "{words}"
"""In a briefing, the caller's last words, which are known only when it is spoken."""


def filled(agent: Agent, variables: Mapping[str, str], *, outbound: bool) -> Agent:
    """The agent as it speaks in one call, its variables filled in, and their values the defaults of its `variables`.

    In `persona`, {name} is the agent's own name.

    outbound: whether it is a call that we place; only then are the texts for such calls filled, too.
    Raises MissingVariableError naming the variable that a text needs, ConfigError for an identity that says too little.
    """
    known = known_of(agent, variables)
    try:
        changes: dict[str, object] = {
            "identity": fill(agent.identity, known),
            "persona": fill(agent.persona, {**known, "name": agent.name}),
            "goals": tuple(fill(goal, known) for goal in agent.goals),
            "facts": tuple(fill(fact, known) for fact in agent.facts),
            "variables": {name: _valued(agent, name, value) for name, value in known.items()},
            "transfer_briefly": _briefing(agent.transfer_briefly, known),
            "transfers": tuple(
                target.model_copy(
                    update={"when": fill(target.when, known), "briefly": _briefing(target.briefly, known)}
                )
                for target in agent.transfers
            ),
        }
        if not outbound:
            changes["greeting"] = fill(agent.greeting, known)
        elif agent.outbound:
            texts = {name: fill(getattr(agent.outbound, name), known) for name in _OUTBOUND_TEXTS}
            changes["outbound"] = agent.outbound.model_copy(update=texts)
    except MissingVariableError as missing:
        raise _described(missing, agent) from missing
    if outbound and (wrong := opening_is_lawful(str(changes["identity"]), agent.company)):
        raise ConfigError(f"with these variables the identity of {agent.name!r} is not lawful: {' '.join(wrong)}")
    return agent.model_copy(update=changes)


def _valued(agent: Agent, name: str, value: str) -> AgentVariable:
    declared = agent.variables.get(name)
    return AgentVariable(description=declared.description if declared else _UNDECLARED, default=value)


def answering(agent: Agent) -> Agent:
    """The agent as it answers calls that come in. Raises ConfigError when a text needs a variable: none is known."""
    try:
        return filled(agent, {}, outbound=False)
    except MissingVariableError as missing:
        raise ConfigError(
            f"the agent {agent.name!r} cannot answer calls: a text of its file says {{{missing.name}}}, which only "
            f"calls that we place can have; take it out, give [variables.{missing.name}] a default, or name another "
            "agent with CLIENT_CALLER_AGENT"
        ) from missing


def known_of(agent: Agent, variables: Mapping[str, str]) -> dict[str, str]:
    """All variables of a call: what it brings along, defaults for what it lacks or leaves blank, and the ever known."""
    defaults = {name: variable.default for name, variable in agent.variables.items() if variable.default.strip()}
    brought = {name: value for name, value in variables.items() if value.strip()}
    return {**defaults, **brought, "agent": agent.name, "company": agent.company}


def needed(agent: Agent, *, outbound: bool) -> tuple[str, ...]:
    """The variables that a call must bring along, in order of appearance, each once."""
    given = ALWAYS_KNOWN | {name for name, variable in agent.variables.items() if variable.default.strip()}
    asked: dict[str, None] = {}
    for place, text in texts_of(agent):
        if place[0] != ("greeting" if outbound else "outbound"):
            asked |= dict.fromkeys(variables_at(place, text))
    for tool in agent.tools:
        asked |= dict.fromkeys(sorted(tool.variables))
    return tuple(name for name in asked if name not in given)


def texts_of(agent: Agent) -> Iterator[tuple[Place, str]]:
    """Every text that may hold variables, and where it stands. Those of tools judge themselves."""
    yield from ((("identity",), agent.identity), (("greeting",), agent.greeting), (("persona",), agent.persona))
    yield from ((("goals", at), goal) for at, goal in enumerate(agent.goals))
    yield from ((("facts", at), fact) for at, fact in enumerate(agent.facts))
    yield ("transfer_briefly",), agent.transfer_briefly
    for at, target in enumerate(agent.transfers):
        yield ("transfers", at, "when"), target.when
        yield ("transfers", at, "briefly"), target.briefly
    if agent.outbound:
        yield from ((("outbound", name), getattr(agent.outbound, name)) for name in _OUTBOUND_TEXTS)


def variables_at(place: Place, text: str) -> tuple[str, ...]:
    """The variables of the text at this place, without those that the place itself knows. Raises ConfigError for a
    stray brace."""
    own = {"persona": "name", "transfer_briefly": "words", "briefly": "words"}.get(str(place[-1]), "")
    return tuple(name for name in variables_of(text) if name != own)


_OUTBOUND_TEXTS: Final = ("reason", "message", "screened")


def _briefing(text: str, known: Mapping[str, str]) -> str:
    return _WORDS.join(fill(part, known) for part in text.split(_WORDS))


def _described(missing: MissingVariableError, agent: Agent) -> MissingVariableError:
    """The same complaint with what the file says of the variable."""
    told = MissingVariableError(missing.name)
    if variable := agent.variables.get(missing.name):
        told.args = (f"{told} ({variable.description})",)
    return told
