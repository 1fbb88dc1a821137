"""The `campaign` command, asking a server without sockets."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from cli.served_office import KEY, Desk, answering, run, served_office
from client_caller.cli import campaign
from client_caller.errors import ConfigError
from outbound_calls import ADA, AGENTS, BEN, Operator

CLINIC = str(AGENTS / "appointment_reminder.toml")
CSV = f"number,name,day\n{ADA},Ada,Tuesday\n{BEN},Ben,Friday\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with a list in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIENT_CALLER_API_KEY", KEY)
    (tmp_path / "june.csv").write_text(CSV)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with served_office(tmp_path) as desk:
        yield desk


async def all_agree(operator: Operator) -> None:
    await operator.agree(ADA, BEN)


def start(desk: Desk, *more: str) -> str:
    """Start the campaign without watching it; gives its id."""
    code, said = run(campaign.app, desk.reach, "run", "june.csv", "--agent", CLINIC, "--no-watch", *more)
    assert code == 0
    return next(line for line in said.splitlines() if "running" in line).split()[1]


def test_a_campaign_is_watched_until_all_are_done(desk: Desk) -> None:
    desk.do(all_agree)

    def finish(operator: Operator) -> None:
        """Whoever is being called picks up, and it is over."""
        for place, (_, dialled) in enumerate(operator.carrier.dialled, 1):
            if dialled.id in operator.dialler.open:
                operator.finish(f"CA{place}")

    desk.script = [finish] * 900
    code, said = run(campaign.app, desk.reach, "run", "june.csv", "--agent", CLINIC)
    assert code == 0
    assert "2 talked" in said
    assert "done" in said
    assert set(desk.pauses) == {1.0}


def test_what_must_not_be_called_is_counted_with_its_reason(desk: Desk) -> None:
    desk.script = [lambda operator: operator.dialler.wake()] * 900
    code, said = run(campaign.app, desk.reach, "run", "june.csv", "--agent", CLINIC)
    assert code == 0
    assert "2 never: " in said


def test_ctrl_c_ends_the_watching_and_says_how_to_stop_the_campaign(desk: Desk) -> None:
    desk.do(all_agree)

    def pause(seconds: float) -> None:
        raise KeyboardInterrupt

    desk.pause = pause  # type: ignore[method-assign]
    code, said = run(campaign.app, desk.reach, "run", "june.csv", "--agent", CLINIC)
    assert code == 0
    told = said.strip().splitlines()[-1]
    assert told.startswith("The campaign goes on; to stop it: client-caller campaign stop ")
    code, said = run(campaign.app, desk.reach, "stop", told.split()[-1])
    assert code == 0
    assert "stopped" in said


def test_campaigns_are_listed_stopped_and_gone_on_with(desk: Desk) -> None:
    assert run(campaign.app, desk.reach, "list")[1].startswith("There are no campaigns")
    desk.do(all_agree)
    first = start(desk, "--name", "june [b]", "--purpose", "informational", "--region", "US", "--at-once", "1")
    assert "june [b]" in run(campaign.app, desk.reach, "list")[1]
    assert "stopped" in run(campaign.app, desk.reach, "stop", first)[1]
    assert start(desk, "--name", "june [b]") == first
    assert "running" in run(campaign.app, desk.reach, "list")[1]


def test_the_id_that_stop_wants_is_whole_on_a_narrow_terminal(desk: Desk) -> None:
    first = start(desk, "--name", "a name that is much longer than there is room for it")
    assert first in run(campaign.app, desk.reach, "list", columns=80)[1]


def test_a_campaign_that_there_is_not_is_not_stopped(desk: Desk) -> None:
    for wrong in ("nothing", "../calls", "a b"):
        with pytest.raises(ConfigError, match=r"there is no such campaign|has no such API"):
            run(campaign.app, desk.reach, "stop", wrong)


def test_every_mistake_of_the_list_is_told_line_by_line(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "june.csv").write_text(f"number,name,day\n12,Ada,Tuesday\n{BEN},,Friday\n{ADA},Ada\n")
    with pytest.raises(ConfigError) as refusal:
        start(desk)
    lines = str(refusal.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["june.csv, line 2", "june.csv, line 4"]


def test_a_list_that_lacks_a_variable_of_the_agents_texts_is_refused(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "june.csv").write_text(f"number,name\n{ADA},Ada\n")
    with pytest.raises(ConfigError, match=r"june\.csv, line 2: .*\{day\}.* add the column day"):
        start(desk)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"june\.csv cannot be read \(No such file or directory\): give the path of a CSV file"),
        (b"number,name\n+1,Andr\xe9\n", r"june\.csv is not UTF-8 text: save it as UTF-8"),
    ],
)
def test_a_list_that_cannot_be_read_is_told_before_a_server_is_asked(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    def never(request: httpx2.Request) -> httpx2.Response:
        raise AssertionError("nobody is asked")

    (tmp_path / "june.csv").unlink()
    if content is not None:
        (tmp_path / "june.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        run(campaign.app, answering(never), "run", "june.csv")


def test_a_list_as_a_spreadsheet_saves_it_is_the_same_list(desk: Desk, tmp_path: Path) -> None:
    first = start(desk)
    (tmp_path / "june.csv").write_bytes(b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode())
    assert start(desk) == first


def test_a_purpose_that_there_is_not_is_told(desk: Desk) -> None:
    with pytest.raises(ConfigError, match=r"purpose: .*informational"):
        start(desk, "--purpose", "fun")
