"""Places: every value of a TOML text is found on its line, however the text is laid out."""

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from client_caller.agent.places import Place, lines_of

WRITTEN: list[tuple[str, list[Place]]] = [
    ("a = 1 # [no]", [("a",)]),
    ('"b.c" = "= ["', [("b.c",)]),
    ("d.e = [", [("d",), ("d", "e")]),
    ('  "x = 1",   # ]', [("d", "e", 0)]),
    ('  ["y",', [("d", "e", 1), ("d", "e", 1, 0)]),
    ('   "z"], { f = [ 1,', [("d", "e", 1, 1), ("d", "e", 2), ("d", "e", 2, "f"), ("d", "e", 2, "f", 0)]),
    ("    2 ] }", [("d", "e", 2, "f", 1)]),
    ("]", []),
    ("g = '''", [("g",)]),
    ("[h]", []),
    ('i = """ \'\' """', []),
    ("'''''", []),
    ("[[j]]", [("j",), ("j", 0)]),
    ("k = 1979-05-27 07:32:00", [("j", 0, "k")]),
    ("[j.l]", [("j", 0, "l")]),
    ('m = """\\"""\\', [("j", 0, "l", "m")]),
    ('[n]"" """""', []),
    ("[[j]]", [("j", 1)]),
    ("[[j.o]]", [("j", 1, "o"), ("j", 1, "o", 0)]),
    ("[[j.o]]", [("j", 1, "o", 1)]),
    ("p = { q.r = -1 }", [("j", 1, "o", 1, "p"), ("j", 1, "o", 1, "p", "q"), ("j", 1, "o", 1, "p", "q", "r")]),
    ('[ "s" . t ]', [("s", "t")]),
]


def test_every_form_of_the_grammar_is_found() -> None:
    text = "\n".join(line for line, _ in WRITTEN)
    assert tomllib.loads(text)["j"][0]["l"]["m"].startswith('"""[n]')
    assert lines_of(text) == {place: at for at, (_, places) in enumerate(WRITTEN, 1) for place in places}


def places_of(value: Any, place: Place = ()) -> Iterator[Place]:
    if place:
        yield place
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from places_of(part, (*place, name))


KEYS = st.sampled_from(["a", "b-1", "3", "c d", "e.f", "#", "[g]", "=", '"', "'"])
STRINGS = st.text(st.sampled_from("ab=[]{}#,.'\"\\ \n"), max_size=8)
GAPS = st.sampled_from(["", "\n", "# x = [\n", '\n  # "\n\n'])


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{escaped}"""' if "\n" in text else f'"{escaped}"'


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    """A value as it could be written."""
    kind = draw(st.sampled_from(["string", "literal", "bare", *(["array", "table"] if depth else [])]))
    if kind == "string":
        return quoted(draw(STRINGS))
    if kind == "literal":
        return "'" + draw(STRINGS).replace("'", "").replace("\n", "") + "'"
    if kind == "bare":
        return draw(st.sampled_from(["1", "-2.5e3", "true", "07:32:00"]))
    parts = draw(st.lists(values(depth - 1), max_size=3))
    if kind == "array":
        return "[" + "".join(f"{draw(GAPS)}{part} ,{draw(GAPS)}" for part in parts) + "]"
    keys = draw(st.lists(KEYS, min_size=len(parts), max_size=len(parts), unique=True))
    return "{" + ", ".join(f"{quoted(key)} = {part}" for key, part in zip(keys, parts, strict=True)) + "}"


@given(st.lists(KEYS, min_size=1, max_size=4, unique=True), st.booleans(), st.data())
def test_every_value_of_a_text_has_its_line(keys: list[str], in_tables: bool, data: st.DataObject) -> None:
    text, begun = "", {}
    for key in keys:
        text += data.draw(GAPS)
        table = quoted(key)
        header = data.draw(st.sampled_from([f"[{table}]\n", f"[[{table}]]\n"])) if in_tables else ""
        inside: Place = (key, 0) if header.startswith("[[") else (key,) if header else ()
        begun[(key,)] = text.count("\n") + 1
        begun[(*inside, key)] = text.count("\n") + 1 + len(header.splitlines())
        text += f"{header}{quoted(key)} = {data.draw(values())}\n"
    found = lines_of(text)
    assert set(found) == set(places_of(tomllib.loads(text)))
    assert {place: found[place] for place in begun} == begun
    assert all(found[place[:-1]] <= line for place, line in found.items() if place[:-1])
