"""Nothing tells anybody of a machine on which we run."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

LOOKS = """
import sys
import client_caller
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
"""


def left_at_home(script: str, model: Path, home: Path, **environment: str) -> list[str]:
    """The files that a process of its own leaves in its home."""
    home.mkdir()
    subprocess.run(
        [sys.executable, "-c", script, str(model)], env={"HOME": str(home), **environment}, check=True, timeout=60
    )
    return [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


@pytest.mark.models
@pytest.mark.skipif(sys.platform != "linux", reason="it keeps what it has to tell elsewhere")
def test_onnx_runtime_keeps_nothing_for_its_makers(models: Callable[[str], Path], tmp_path: Path) -> None:
    model = models("silero_vad.onnx")
    assert left_at_home(LOOKS, model, tmp_path / "ours") == []
    of_its_own = left_at_home(LOOKS.replace("import client_caller\n", ""), model, tmp_path / "its own")
    assert any("onnxruntime" in name for name in of_its_own), "it would have been seen"
