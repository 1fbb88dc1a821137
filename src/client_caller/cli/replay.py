"""`client-caller replay`: run the heart again on what it was told in a recorded call."""

from pathlib import Path
from typing import Annotated

import typer


def replay(record: Annotated[Path, typer.Argument(help="A flight record: record.jsonl of a call.")]) -> None:
    """Check that today's code would have acted as it did in that call; show the first difference. Exit code 1 then."""
    import msgspec
    from rich.console import Console

    from client_caller.conversation.machine import Conversation
    from client_caller.conversation.policy import Manner
    from client_caller.records.replay import replay as run_again

    console = Console(soft_wrap=True, highlight=False)
    result = run_again(record, lambda manner: Conversation(msgspec.convert(manner, Manner)))
    if result.difference is None:
        console.print(f"the same {result.actions} actions in {result.steps} steps", style="green")
        return
    step = result.difference.step
    console.print(f"step {result.difference.number} differs, at {step.at:.3f} s:", style="red")
    console.print(f"  told:     {step.event or 'the deadline'}", markup=False)
    console.print(f"  did then: {list(step.actions)}", markup=False)
    console.print(f"  does now: {list(result.difference.actions_now)}", markup=False)
    raise typer.Exit(1)
