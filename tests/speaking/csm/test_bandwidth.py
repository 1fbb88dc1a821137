"""How fast a memory is: reading and writing both count."""

import pytest


def test_a_copy_is_measured_on_whatever_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from client_caller.speaking.csm import bandwidth

    class Timed:
        median = 0.5

    class Timer:
        def __init__(self, statement: str, globals: dict[str, object]) -> None:
            exec(statement, globals)
            assert torch.equal(globals["target"], globals["source"])  # it is a copy that is timed

        def blocked_autorange(self, min_run_time: float) -> Timed:
            return Timed()

    monkeypatch.setattr("torch.utils.benchmark.Timer", Timer)
    assert bandwidth.copied_gb_s(torch.device("cpu"), size_bytes=10**6) == pytest.approx(2 * 10**6 / 0.5 / 1e9)


def test_without_a_card_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    from client_caller.speaking.csm import bandwidth

    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    assert bandwidth.main() == 3
    assert capsys.readouterr().out == ""
