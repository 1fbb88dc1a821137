"""Writes the golden calls anew: `python tests/golden/make.py [SCENE ...]`, all of them when none is named.

Plays each scene of `scenes.py` on virtual time and writes its `record.jsonl`. The numbers go to the terminal, beside
what `expect.toml` allows; that file is changed by hand, in the same commit, with the reason in its message.
"""

import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))  # where pytest finds the helpers by its settings
sys.path.insert(0, str(Path(__file__).parents[1]))

from scenes import HERE, SCENES, played


def main() -> None:
    for name in sys.argv[1:] or SCENES:
        record, numbers = played(name)
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        (folder / "record.jsonl").write_bytes(record)
        expected = folder / "expect.toml"
        allowed = tomllib.loads(expected.read_text(encoding="utf-8")) if expected.exists() else {}
        print(name)
        for key, number in numbers.items():
            print(f"  {key:17} {number!s:>7.7}   expected: {allowed.get(key, 'nothing yet')}")


if __name__ == "__main__":
    main()
