"""`client-caller demo`: hear a caller and the agent talk on this machine."""

from typing import Annotated

import typer


def demo(
    outbound: Annotated[bool, typer.Option("--outbound", help="Have the agent phone two clients instead.")] = False,
) -> None:
    """Hold a real call between a simulated caller and the agent, with the embedded models, and show it."""
    import asyncio

    from rich.console import Console

    from client_caller.demo import run_demo
    from client_caller.outbound_demo import run_outbound_demo
    from client_caller.settings import load_settings

    asyncio.run((run_outbound_demo if outbound else run_demo)(load_settings(), Console(highlight=False)))
