"""Settings by the names of their variables."""

from pathlib import Path

import pytest

from client_caller.errors import ConfigError
from client_caller.settings import Settings, TurnSettings, load_settings
from client_caller.variables import changed, check_files, differing, each, placed


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def test_every_setting_has_one_name_and_is_found_by_it() -> None:
    made = settings(TWILIO_AUTH_TOKEN="one,two")
    found = {variable.name: variable for variable in each(made)}
    assert len(found) == len(list(each(made)))
    assert found["CLIENT_CALLER_TURN__QUICK_S"].value == made.turn.quick_s
    assert found["TWILIO_AUTH_TOKEN"].path == ("twilio_auth_tokens",)
    assert all(variable.field.description for variable in found.values())


def test_what_differs_is_named_and_can_be_taken_over_one_by_one() -> None:
    one, other = settings(), settings(turn=TurnSettings(quick_s=0.5, patient_s=2.0), public_url="https://a.example")
    differ = differing(one, other)
    assert {variable.name for variable in differ} == {
        *("CLIENT_CALLER_TURN__QUICK_S", "CLIENT_CALLER_TURN__PATIENT_S", "CLIENT_CALLER_PUBLIC_URL")
    }
    assert changed(one, differ) == other
    quicker = changed(one, [variable for variable in differ if variable.name.endswith("QUICK_S")])
    assert (quicker.turn.quick_s, quicker.turn.patient_s) == (0.5, one.turn.patient_s)
    assert (quicker.public_url, quicker.hearing) == ("", one.hearing)


@pytest.mark.parametrize(
    ("line", "is_one"),
    [("A=1", True), ("export A='1 2'", True), ("# a remark", True), ("A 1", False), ("A", False), ("=1", False)],
)
def test_a_line_that_would_be_passed_over_is_told_with_its_place(tmp_path: Path, line: str, is_one: bool) -> None:
    (tmp_path / ".env").write_text(f"B=2\n\n{line}\nC=3\n")
    if is_one:
        check_files([tmp_path / ".env", tmp_path / "not there"])
        return
    with pytest.raises(ConfigError, match=r"\.env, line 3: this is no line of the form NAME=value"):
        check_files([tmp_path / ".env"])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigError, match=r"\.env cannot be read as UTF-8 text"):
        check_files([tmp_path / ".env"])


def test_a_complaint_about_settings_gets_the_places_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("\n# slow\nclient_caller_turn__quick_s=-1\nCLIENT_CALLER_SERVER__PORT=99999\n")
    with pytest.raises(ConfigError) as wrong:
        load_settings()
    told = placed(str(wrong.value), [Path("other.env"), Path(".env")]).splitlines()
    assert {line.partition(" (it is")[0].partition(": input")[0] for line in told} == {
        ".env, line 3: setting CLIENT_CALLER_TURN__QUICK_S",
        ".env, line 4: setting CLIENT_CALLER_SERVER__PORT",
    }
