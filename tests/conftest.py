"""Fixtures that every room's tests may use."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from client_caller.errors import ModelUnavailable
from client_caller.models.store import ModelStore
from client_caller.settings import load_settings

settings.register_profile("no time limits", deadline=None)  # a busy machine is no failure
settings.load_profile("no time limits")


@pytest.fixture(scope="session")
def models() -> Callable[[str], Path]:
    """The real model files: `models("silero_vad.onnx")` is the path of a verified file."""
    store = ModelStore(load_settings().models)

    def path(name: str) -> Path:
        try:
            return store.path(name)
        except ModelUnavailable as missing:
            pytest.fail(f"{missing}; `make test` pulls it", pytrace=False)

    return path
