"""The API's key: made once, for its owner only, and never half."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from client_caller.errors import ConfigError
from client_caller.keys import KEPT_IN, api_key, known_key
from client_caller.settings import Settings


def settings(key: str = "") -> Settings:
    return Settings(_env_file=None, api_key=key)


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    kept_in = tmp_path / "runs" / "api.key"
    key = api_key(settings(), kept_in).get_secret_value()
    assert len(key) >= 40
    assert stat.S_IMODE(kept_in.stat().st_mode) == 0o600
    assert api_key(settings(), kept_in).get_secret_value() == key
    assert known_key(settings(), kept_in) == api_key(settings(), kept_in)
    assert [path.name for path in kept_in.parent.iterdir()] == ["api.key"]


def test_the_key_of_the_settings_comes_first_and_nothing_is_written(tmp_path: Path) -> None:
    kept_in = tmp_path / "runs" / "api.key"
    assert api_key(settings("of-mine"), kept_in).get_secret_value() == "of-mine"
    assert not kept_in.parent.exists()


def test_who_only_asks_makes_no_key(tmp_path: Path) -> None:
    assert known_key(settings(), tmp_path / "runs" / "api.key") is None
    assert list(tmp_path.iterdir()) == []


def test_servers_that_start_at_once_have_the_same_key(tmp_path: Path) -> None:
    kept_in = tmp_path / "runs" / "api.key"
    with ThreadPoolExecutor(8) as starting:
        keys = set(starting.map(lambda _: api_key(settings(), kept_in).get_secret_value(), range(32)))
    assert keys == {kept_in.read_text().strip()}
    assert [path.name for path in kept_in.parent.iterdir()] == ["api.key"]


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"\xff\xfe", "schlüssel".encode(), b"line\nbreak"])
def test_a_file_without_a_key_in_it_lets_nobody_in(tmp_path: Path, content: bytes) -> None:
    kept_in = tmp_path / "api.key"
    kept_in.write_bytes(content)
    for read in (api_key, known_key):
        with pytest.raises(ConfigError, match=r"api\.key") as refusal:
            read(settings(), kept_in)
        assert "words" not in str(refusal.value)


def test_a_key_that_no_header_can_hold_is_refused_without_being_told() -> None:
    with pytest.raises(ConfigError, match="CLIENT_CALLER_API_KEY must be printable ASCII") as refusal:
        api_key(settings("schlüssel"))
    assert "schl" not in str(refusal.value)


def test_a_folder_that_cannot_be_made_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ConfigError, match="set CLIENT_CALLER_API_KEY"):
        api_key(settings(), tmp_path / "runs" / "api.key")


def test_the_key_is_kept_in_the_folder_where_the_server_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    key = api_key(settings())
    assert (tmp_path / KEPT_IN).read_text().strip() == key.get_secret_value()
    assert known_key(settings()) == key
