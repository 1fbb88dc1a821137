"""The rules of the house, held by the tree itself. A failing test here means: mend the code."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = SOURCE / "client_caller"
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = {
    *("hearing", "ledger", "line", "models", "outbound", "records", "rehearsal", "speaking", "thinking", "tools"),
    *("twin", "web"),
}

PURE = {
    "audio": ["*"],
    "box": ["memory"],
    "line": [
        *("protocol", "codec", "control", "fields", "tickets", "twiml"),
        *("twilio_messages", "telnyx_messages", "telnyx_events"),
    ],
    "hearing": [
        *("protocols", "jitter", "loudness", "endpointing", "sent", "echo"),
        *("agreement", "caller_turn", "interims", "beep"),
    ],
    "thinking": [
        *("protocol", "prompt", "sentences", "sentence_end", "text_check", "tool_text", "guard"),
        *("pins", "condensing", "afterword", "markup", "marks", "languages"),
    ],
    "speaking": [
        *("protocol", "playout", "piece", "relay", "sound_check", "pronounce", "pronounce_letters", "pronounce_rules"),
        *("english", "english_contact", "english_dates", "english_money", "english_numbers", "english_spelling"),
        *("english_words", "word_times"),
    ],
    "speaking/csm": ["protocol", "turns", "config", "scheduler", "ending", "clauses", "context"],
    "rehearsal": ["figures", "measure", "script"],
    "ledger": ["entries"],
    "tools": ["look_up", "placeholders", "results"],
}
"""Files that know of sound and numbers only. `conversation` has a stricter rule of its own."""

PURE_LIBRARIES = {"numpy", "num2words"}
"""What a pure file may ask: arithmetic on sound, and the words of numbers, which is a table and some rules."""

SHARED = {"client_caller.errors", "client_caller.audio", "client_caller.settings"}
HEART_WORDS = {"client_caller.conversation.events", "client_caller.conversation.actions"}

LEAVES = {
    "client_caller.hearing.silero",
    "client_caller.hearing.smart_turn",
    "client_caller.hearing.moonshine",
    "client_caller.hearing.transcription_server",
    "client_caller.hearing.whisper",
    "client_caller.line.telnyx",
    "client_caller.line.telnyx_control",
    "client_caller.line.twilio",
    "client_caller.line.twilio_control",
    "client_caller.thinking.openai_client",
    "client_caller.thinking.llamacpp",
    "client_caller.speaking.csm_voice",
    "client_caller.speaking.espeak",
    "client_caller.speaking.speech_server",
}
"""Named after a vendor or a model. What they need for themselves (twilio_messages, log_mel, …) belongs to them."""

RIMS = {"house.py": 1, "rim.py": 1}
"""Where `except Exception` may stand, and how often: around a call, and around the operator's own functions."""

TASK_STARTERS = {"call.py", "app.py"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> Iterator[str]:
    """Every module imported, also inside functions; `from package import module` counts as the module."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            base = node.module or ""
            for alias in node.names:
                child = SOURCE.joinpath(*base.split("."), f"{alias.name}.py")
                package = SOURCE.joinpath(*base.split("."), alias.name)
                yield f"{base}.{alias.name}" if child.exists() or package.is_dir() else base


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "client_caller" else ""


def is_standard(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names


def within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_says_what_it_is_and_is_short(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), "a module opens with what it is"
    limit = 250 if path.name in {"call.py", "listener.py"} else 400
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_function_is_longer_than_sixty_lines(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


def test_the_heart_imports_nothing_but_the_standard_library_and_itself() -> None:
    forbidden = {"asyncio", "threading", "time", "random", "logging", "datetime", "secrets", "os"}
    for path in (PACKAGE / "conversation").glob("*.py"):
        for module in imports_of(path):
            own = within(module, {"client_caller.conversation", "client_caller.errors"})
            assert own or (is_standard(module) and module.split(".")[0] not in forbidden), f"{path.name}: {module}"
    assert not any(module.startswith("client_caller") for module in imports_of(PACKAGE / "errors.py"))


def test_the_law_reads_no_clock_and_no_file() -> None:
    """`outbound/` decides who may be called, and when: of its arguments alone, with two libraries about numbers."""
    forbidden = {"asyncio", "threading", "time", "random", "logging", "secrets", "os", "pathlib"}
    libraries = {"phonenumbers", "pydantic", "pydantic_core"}
    for path in (PACKAGE / "outbound").glob("*.py"):
        for module in imports_of(path):
            own = within(module, {"client_caller.outbound", "client_caller.errors"})
            harmless = is_standard(module) and module.split(".")[0] not in forbidden
            assert own or harmless or module.split(".")[0] in libraries, f"{path.name}: {module}"


def test_pure_files_know_of_sound_and_numbers_only() -> None:
    forbidden = {"asyncio", "threading", "time", "random", "logging", "secrets", "os"}
    for room, stems in PURE.items():
        package = room.replace("/", ".")
        for path in (PACKAGE / room).glob("*.py"):
            if path.stem not in stems and stems != ["*"]:
                continue
            siblings = {f"client_caller.{package}.{stem}" for stem in stems} | {f"client_caller.{package}"}
            for module in imports_of(path):
                allowed = within(module, siblings | SHARED | HEART_WORDS | PURE_LIBRARIES)
                harmless = is_standard(module) and module.split(".")[0] not in forbidden
                assert allowed or harmless, f"{path.name}: {module}"


def test_torch_is_imported_by_the_engine_of_csm_only() -> None:
    """Whoever calls without that engine need not have it; and what decides there is tested without it."""
    inside = PACKAGE / "speaking" / "csm"
    for path in FILES:
        uses = any(module.split(".")[0] in {"torch", "safetensors", "transformers"} for module in imports_of(path))
        assert not uses or path.is_relative_to(inside), name_of(path)


def test_rooms_do_not_see_each_other() -> None:
    for path in FILES:
        room = room_of(name_of(path))
        if room not in ROOMS:
            continue
        visible = SHARED | HEART_WORDS | {f"client_caller.{room}"}
        if room == "rehearsal":
            visible |= {"client_caller.records", "client_caller.twin"}
        for module in imports_of(path):
            assert not module.startswith("client_caller") or within(module, visible), f"{name_of(path)}: {module}"


def test_leaves_are_imported_by_the_composition_root_only() -> None:
    for path in FILES:
        if name_of(path) == "client_caller.app":
            continue
        assert not LEAVES & set(imports_of(path)), name_of(path)


def test_tasks_are_started_in_the_call_and_the_composition_root_only() -> None:
    starters = {"create_task", "ensure_future", "gather", "TaskGroup", "run_coroutine_threadsafe"}
    for path in FILES:
        if path.name in TASK_STARTERS or room_of(name_of(path)) in {"rehearsal", "twin", "cli"}:
            continue
        used = {node.attr for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}
        assert not used & starters, name_of(path)


def test_classes_inherit_only_where_a_library_or_an_exception_demands_it() -> None:
    allowed = {"Protocol", "Enum", "BaseModel", "BaseSettings", "Generic", "Union", "Structure"}
    allowed |= {"Formatter", "NamedTuple", "IntEnum", "Loop"}
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    named = ast.unparse(base).split("[")[0].split(".")[-1]
                    assert named in allowed or named.endswith(_EXCEPTIONS), f"{path.name}: {node.name}({named})"


def test_everything_is_caught_at_the_rim_only() -> None:
    found: dict[str, int] = {}
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler):
                caught = "everything" if node.type is None else ast.unparse(node.type)
                if caught in {"everything", "Exception", "BaseException"}:
                    found[path.name] = found.get(path.name, 0) + 1
    assert found == RIMS


def test_only_the_settings_read_the_environment() -> None:
    for path in FILES:
        if path.name == "settings.py":
            continue
        for node in ast.walk(tree_of(path)):
            reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
            assert not reads, f"{name_of(path)}, line {getattr(node, 'lineno', 0)}"


def test_every_queue_is_bounded() -> None:
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"Queue", "SimpleQueue"}:
                assert node.args or node.keywords, f"{name_of(path)}, line {node.lineno}"


_EXCEPTIONS = ("Exception", "Error", "Lost", "Timeout", "Overloaded", "Crashed", "Unavailable", "Failed")
