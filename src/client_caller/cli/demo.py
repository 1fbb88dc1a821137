"""`client-caller demo`: hear a caller and the agent talk on this machine."""


def demo() -> None:
    """Hold a real call between a simulated caller and the agent, with the embedded models, and show it."""
    import asyncio

    from rich.console import Console

    from client_caller.demo import run_demo
    from client_caller.settings import load_settings

    asyncio.run(run_demo(load_settings(), Console(highlight=False)))
