"""The settings: documented, frozen, and mistakes are told by the variable's name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from client_caller.errors import ConfigError
from client_caller.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without an `.env`."""
    monkeypatch.chdir(tmp_path)


def every_field(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from every_field(field.annotation)
        else:
            yield name, field


def test_every_setting_has_a_sentence_and_a_default() -> None:
    fields = list(every_field(Settings))
    assert len(fields) > 20
    assert [name for name, field in fields if not field.description or field.is_required()] == []


def test_a_duration_says_its_unit() -> None:
    unsaid = [
        name
        for name, field in every_field(Settings)
        if name.endswith("_s") and ("second" if name.endswith("_per_s") else "seconds") not in field.description
    ]
    assert unsaid == []


def test_a_variable_sets_a_value_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_CALLER_SERVER__PORT", "9000")
    assert load_settings().server.port == 9000


def test_an_env_file_counts_and_a_variable_overrules_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("CLIENT_CALLER_SERVER__PORT=9000\nCLIENT_CALLER_SERVER__HOST=0.0.0.0\n")
    monkeypatch.setenv("CLIENT_CALLER_SERVER__PORT", "9001")
    server = load_settings().server
    assert (server.host, server.port) == ("0.0.0.0", 9001)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CLIENT_CALLER_SERVER__PORT", "many"),
        ("CLIENT_CALLER_TURN__QUICK_S", "-1"),
        ("CLIENT_CALLER_RECORDS__AUDIO", "?"),
    ],
)
def test_a_mistake_names_the_variable_and_what_it_holds(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as told:
        load_settings()
    assert variable in str(told.value)
    assert repr(value) in str(told.value)


def test_two_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_CALLER_SERVER__PORT", "many")
    monkeypatch.setenv("CLIENT_CALLER_TURN__PATIENT_S", "long")
    with pytest.raises(ConfigError) as told:
        load_settings()
    assert len(str(told.value).splitlines()) == 2


def test_the_carriers_tokens_are_parted_at_commas_and_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "old-token, new-token")
    settings = load_settings()
    assert [token.get_secret_value() for token in settings.twilio_auth_tokens] == ["old-token", "new-token"]
    assert "token" not in repr(settings.twilio_auth_tokens)


def test_settings_cannot_be_changed_later() -> None:
    with pytest.raises(ValidationError):
        load_settings().public_url = "https://elsewhere.example"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"FALLBACK": "server"}, "belong together"),
        ({"FALLBACK_BASE_URL": "http://127.0.0.1:8001/v1"}, "belong together"),
        ({"FALLBACK": "embedded"}, "needs a __BASE_URL"),
    ],
)
def test_a_fallback_that_is_not_whole_is_told(
    variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"CLIENT_CALLER_THINKING__{name}", value)
    with pytest.raises(ConfigError, match=f"CLIENT_CALLER_THINKING: .*{told}"):
        load_settings()
