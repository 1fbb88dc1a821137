"""What numpy computes takes the thread that asked, and leaves the other cores to the models."""

import os
import subprocess
import sys

import pytest

LEVEL_OF_A_SENTENCE = """
import os
import client_caller
import numpy
sound = numpy.ones(80_000)
sound.dot(sound)
print(len(os.listdir("/proc/self/task")))
"""


def threads_of(script: str) -> int:
    """How many threads a process of its own has after this."""
    command = [sys.executable, "-c", script]
    return int(subprocess.run(command, env={}, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="on one core there is one thread anyhow")
def test_the_level_of_a_sentence_starts_no_threads() -> None:
    assert threads_of(LEVEL_OF_A_SENTENCE) == 1
    assert threads_of(LEVEL_OF_A_SENTENCE.replace("import client_caller\n", "")) > 1, "they would have been seen"
