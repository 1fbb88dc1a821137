"""`client-caller chat`: try an agent by typing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from client_caller.cli.call import variables

if TYPE_CHECKING:
    from client_caller.agent import Agent
    from client_caller.settings import Settings


def chat(
    agent: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The agent file; default: CLIENT_CALLER_AGENT.")
    ] = None,
    var: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of the agent's texts; may be repeated.")
    ] = None,
    outbound: Annotated[bool, typer.Option("--outbound", help="As if the agent had called you.")] = False,
    pretend: Annotated[
        bool, typer.Option("--pretend", help="Call none of the agent's own tools; you type what they tell.")
    ] = False,
    server: Annotated[
        str,
        typer.Option(metavar="URL", help="An OpenAI-compatible server; default: that of the settings, or embedded."),
    ] = "",
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name on that server.")] = "",
) -> None:
    """Talk with an agent in writing: the same prompt, tools and memory as on the telephone. Nothing is kept."""
    import asyncio

    from client_caller.agent import load_agent
    from client_caller.chatting import agent_of_call, trying
    from client_caller.settings import load_settings

    settings = trying(load_settings(), server, model)
    speaks = agent_of_call(load_agent(agent or settings.agent), variables(var or []), outbound=outbound)
    try:
        asyncio.run(_chat(speaks, settings, outbound=outbound, pretend=pretend))
    except KeyboardInterrupt:
        typer.echo()


async def _chat(agent: "Agent", settings: "Settings", *, outbound: bool, pretend: bool) -> None:
    from client_caller.book import wall_clock
    from client_caller.chatting import keep_quiet, thinking_alone, typed_call
    from client_caller.cli.typist import HELP, Screen, converse, pretended, typed_line
    from client_caller.toolkit import Toolkit

    keep_quiet()
    console = Console(highlight=False)
    screen = Screen(console, agent.name)
    instead = [pretended(typed_line)] if pretend else []
    toolkit = Toolkit(settings.tool_secrets, settings.thinking, *instead)
    toolkit.offers(agent, wall_clock())  # what is wrong with them is told before a model is loaded
    async with thinking_alone(settings, agent) as model:
        screen.aside(f"{settings.thinking.model}. {HELP}")
        call = typed_call(agent, model, settings, toolkit, wall_clock, screen.tell, outbound=outbound)
        try:
            await converse(call, typed_line, screen)
        finally:
            await toolkit.close()
