"""What one A100 of 80 GB must hold: Gemma 3 27B by vLLM, beside the voice (CSM) and the ears (Whisper).

    python deploy/vllm/memory.py

In:   the launch files beside this one.     Out: a table in GiB, the one in docs/gemma.md.
Rule: the sums are those of client_caller.box.memory, by which `client-caller preflight` judges a machine.
"""

from pathlib import Path

from client_caller.box.launch_file import read_launch_file
from client_caller.box.memory import Sums, sums_of

FOLDER = Path(__file__).parent
VARIANTS = {
    "w4a16": FOLDER / "gemma-3-27b-a100-w4a16.yaml",
    "fp8": FOLDER / "gemma-3-27b-a100-fp8.yaml",
    "bf16": FOLDER / "gemma-3-27b-a100-bf16.yaml",
}

CARD_GIB = 79.1
"""Of 80 GB cards CUDA reports 79.1 GiB (in the texts of out-of-memory errors: "a total capacity of 79.14 GiB")."""

CSM_SLOTS = 16


def sums(name: str) -> Sums:
    """The sums of one launch file."""
    return sums_of(read_launch_file(VARIANTS[name]), name, CSM_SLOTS, CARD_GIB)


def table() -> str:
    """All variants side by side, as Markdown."""
    columns = [sums(name) for name in VARIANTS]
    rows: list[tuple[str, list[str]]] = [
        ("calls at once", [str(each.calls) for each in columns]),
        ("tokens of each at most", [str(each.tokens) for each in columns]),
        ("weights", [f"{each.weights:.1f}" for each in columns]),
        ("KV cache of these calls, full to the last token", [f"{each.histories:.1f}" for each in columns]),
        ("CUDA context, activations, graphs (planned)", [f"{each.rest:.1f}" for each in columns]),
        ("left in vLLM's share for prefixes of calls that rest", [f"{each.left_in_share:.1f}" for each in columns]),
        ("**vLLM's share**", [f"**{each.share:.1f}**" for each in columns]),
        (f"CSM with {CSM_SLOTS} slots, Mimi (partly planned)", [f"{each.voice:.1f}" for each in columns]),
        ("Whisper large-v3-turbo (partly planned)", [f"{each.ears:.1f}" for each in columns]),
        (f"**free of {CARD_GIB}**", [f"**{each.free:.1f}**" for each in columns]),
        ("histories kept whole, if no layer forgets", [str(each.kept) for each in columns]),
    ]
    lines = [f"| GiB | {' | '.join(VARIANTS)} |", f"|---|{'---:|' * len(VARIANTS)}"]
    return "\n".join(lines + [f"| {what} | {' | '.join(values)} |" for what, values in rows])


if __name__ == "__main__":
    print(table())
