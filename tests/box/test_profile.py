"""The profiles: only what is a setting, a reason for each value, and the environment comes first."""

from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel

from client_caller.box.launch_file import read_launch_file, weights_kind
from client_caller.box.memory import misfit, sums_of
from client_caller.box.plan import plan_of
from client_caller.errors import ConfigError
from client_caller.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
PROFILES = sorted((ROOT / "deploy" / "profiles").glob("*.env"))
EVERY_PROFILE = pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def variables(model: type[BaseModel], prefix: str = "CLIENT_CALLER_") -> set[str]:
    """Of all settings that are no secret."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= variables(field.annotation, f"{prefix}{name.upper()}__")
        elif "SecretStr" not in str(field.annotation):
            found.add(prefix + name.upper())
    return found


@EVERY_PROFILE
def test_a_profile_holds_settings_and_nothing_else_and_no_secret(profile: Path) -> None:
    named = [line.partition("=")[0] for line in profile.read_text().splitlines() if line and not line.startswith("#")]
    assert len(named) > 10
    assert set(named) <= variables(Settings)
    assert len(named) == len(set(named))


@EVERY_PROFILE
def test_every_value_has_its_reason(profile: Path) -> None:
    for before, line in pairwise(profile.read_text().splitlines()):
        if line and not line.startswith("#"):
            assert before.startswith("# "), line


@EVERY_PROFILE
def test_a_profile_is_a_plan_that_fits_on_its_card(profile: Path) -> None:
    settings = load_settings(profile.stem)
    plan = plan_of(settings)
    card_gib = settings.box.card_gib
    sums = sums_of(plan.launch, plan.kind, settings.box.csm_slots, card_gib)
    assert misfit(sums, settings.server.calls_at_once, card_gib) == ""
    assert len(plan.repositories) == 3


def test_the_environment_and_env_file_come_before_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = tmp_path / "mine.env"
    profile.write_text("CLIENT_CALLER_SERVER__PORT=1\nCLIENT_CALLER_SERVER__HOST=1.1.1.1\nCLIENT_CALLER_PUBLIC_URL=a\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("CLIENT_CALLER_SERVER__PORT=2\nCLIENT_CALLER_SERVER__HOST=2.2.2.2\n")
    monkeypatch.setenv("CLIENT_CALLER_SERVER__PORT", "3")
    settings = load_settings(str(profile))
    assert (settings.server.port, settings.server.host, settings.public_url) == (3, "2.2.2.2", "a")


def test_the_variable_names_the_profile_as_the_option_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_CALLER_PROFILE", "a100")
    assert load_settings().hearing.engine == "whisper"


def test_a_profile_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no profile deploy/profiles/b200\.env.*a100"):
        load_settings("b200")


def test_without_a_launch_file_it_is_no_such_machine() -> None:
    with pytest.raises(ConfigError, match="--profile"):
        plan_of(load_settings())


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CLIENT_CALLER_THINKING__BASE_URL", "http://127.0.0.1:9/v1"), ("CLIENT_CALLER_THINKING__MODEL", "other")],
)
def test_settings_that_contradict_the_launch_file_are_told(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=variable):
        plan_of(load_settings("a100"))


def test_what_is_not_used_need_not_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_CALLER_HEARING__ENGINE", "moonshine")
    monkeypatch.setenv("CLIENT_CALLER_SPEAKING__ENGINE", "espeak")
    assert plan_of(load_settings("a100")).repositories == ("RedHatAI/gemma-3-27b-it-quantized.w4a16",)


def test_the_carrier_reaches_a_rented_machine_through_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_POD_ID", "abc123xyz")
    assert plan_of(load_settings("a100")).public_url == "https://abc123xyz-8080.proxy.runpod.net"
    monkeypatch.setenv("CLIENT_CALLER_PUBLIC_URL", "https://calls.example.com")
    assert plan_of(load_settings("a100")).public_url == "https://calls.example.com"


def test_a_launch_file_without_what_is_needed_is_named(tmp_path: Path) -> None:
    file = tmp_path / "some-w4a16.yaml"
    file.write_text("model: a/b\n")
    with pytest.raises(ConfigError, match=r"some-w4a16\.yaml.*gpu-memory-utilization"):
        read_launch_file(file)
    file.write_text("model: [")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_launch_file(file)
    assert weights_kind(file) == "w4a16"
