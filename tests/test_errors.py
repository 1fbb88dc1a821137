"""The drawing of the errors is their real tree."""

import inspect

from client_caller import errors


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if not line.startswith("    "):
            continue
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        above = [(depth, parent) for depth, parent in above if depth < indent]
        if above:
            drawn[name] = above[-1][1]
        above.append((indent, name))
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind is not errors.ClientCallerError]
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in classes}
