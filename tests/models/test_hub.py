"""Weights from a hub, a real server on this machine that breaks off, lies and changes its files."""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st
from pydantic import SecretStr
from typer.testing import CliRunner

from client_caller import cli
from client_caller.errors import ModelUnavailable
from client_caller.models.hub import Hub, damaged_in, is_whole, sums_in
from client_caller.models.store import ModelStore

REPOSITORY = "maker/model"
COMMIT = "c0ffee" * 6
LARGE = bytes(range(256)) * 700
SMALL = b'{"layers": 62}\n'


@dataclass
class Publisher:
    """What the server has, and what is wrong with it.

    bytes_a_time: of a file, None for all;  serves: instead of what it states;  shifted: how far from where it says.
    """

    files: dict[str, bytes] = field(default_factory=lambda: {"model.safetensors": LARGE, "config.json": SMALL})
    bytes_a_time: int | None = None
    serves: dict[str, bytes] = field(default_factory=dict)
    token: str = ""
    ranges: bool = True
    shifted: int = 0
    page: int = 1_000
    failures: list[int] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    elsewhere: str = ""
    url: str = ""

    def listing(self) -> list[dict[str, object]]:
        """As the hub's tree tells of files."""
        listed: list[dict[str, object]] = [{"type": "directory", "path": "folder", "oid": "0", "size": 0}]
        for path, content in self.files.items():
            counted = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, object] = {"type": "file", "path": path, "oid": counted, "size": len(content)}
            if len(content) > 100:
                entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
            listed.append(entry)
        return listed


class Handler(BaseHTTPRequestHandler):
    """One request; `publisher` is set for each server."""

    publisher: Publisher

    def do_GET(self) -> None:
        at = self.publisher
        path, _, query = self.path.partition("?")
        at.asked.append((path, self.headers.get("Range", ""), self.headers.get("Authorization", "")))
        if at.token and self.headers.get("Authorization") != f"Bearer {at.token}" and not path.startswith("/storage"):
            return self.answer(401, b"")
        if path == f"/api/models/{REPOSITORY}/revision/main":
            return self.answer(200, json.dumps({"sha": COMMIT}).encode())
        if path == f"/api/models/{REPOSITORY}/tree/{COMMIT}":
            begin = int((re.search(r"cursor=(\d+)", query) or [0, 0])[1])
            listing, end = at.listing(), begin + at.page
            link = {"Link": f'<{at.url}{path}?recursive=true&cursor={end}>; rel="next"'} if end < len(listing) else {}
            return self.answer(200, json.dumps(listing[begin:end]).encode(), link)
        name = path.partition(f"/resolve/{COMMIT}/")[2] or path.partition("/storage/")[2]
        if name not in at.files:
            return self.answer(404, b"")
        if at.failures:
            return self.answer(at.failures.pop(0), b"")
        if at.elsewhere and not path.startswith("/storage"):
            return self.answer(302, b"", {"Location": f"{at.elsewhere}/storage/{name}"})
        return self.send_file(at.serves.get(name, at.files[name]))

    def send_file(self, content: bytes) -> None:
        at, found = self.publisher, re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(found[1]) if found and at.ranges else 0
        if found and at.ranges and begin >= len(content):
            return self.answer(416, b"")
        self.send_response(206 if found and at.ranges else 200)
        rest = content[begin:]
        self.send_header("Content-Length", str(len(rest)))
        if found and at.ranges:
            self.send_header("Content-Range", f"bytes {begin + at.shifted}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(rest[: at.bytes_a_time])  # and closes

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None: ...


class Silent:
    """Nobody watches; what is worth a line is kept."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def begin(self, name: str, total_bytes: int) -> None: ...

    def reached(self, so_far_bytes: int) -> None: ...

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


Serve = Callable[[Publisher], Publisher]


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Starts a server for a publisher and gives it its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(publisher: Publisher) -> Publisher:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Its", (Handler,), {"publisher": publisher}))
        server.block_on_close = False
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        publisher.url = f"http://127.0.0.1:{server.server_port}"
        return publisher

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def pull(publisher: Publisher, folder: Path, patterns: tuple[str, ...] = ("*",), token: str = "") -> list[str]:
    """Bring the repository; gives what was noted."""
    watching, paused = Silent(), []
    hub = Hub(publisher.url, SecretStr(token), pause=paused.append)
    try:
        hub.pull(REPOSITORY, patterns, folder, watching)
    finally:
        hub.close()
    return watching.notes


def whole(folder: Path, files: dict[str, bytes]) -> bool:
    there = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    there.pop("SHA256SUMS")
    return is_whole(folder) and there == files


def test_files_are_brought_with_their_checksums(serve: Serve, tmp_path: Path) -> None:
    publisher = serve(Publisher())
    notes = pull(publisher, tmp_path)
    assert whole(tmp_path, publisher.files)
    assert sums_in(tmp_path) == {name: hashlib.sha256(each).hexdigest() for name, each in publisher.files.items()}
    assert "2 files" in notes[-1]
    assert COMMIT[:12] in notes[-1]


def test_what_is_whole_is_not_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    publisher = serve(Publisher())
    pull(publisher, tmp_path)
    publisher.asked.clear()
    pull(publisher, tmp_path)
    assert publisher.asked == []


def test_only_what_matches_is_brought_from_all_pages_of_the_listing(serve: Serve, tmp_path: Path) -> None:
    files = {f"{number}.{end}": b"x" * number for number in range(9) for end in ("json", "bin")}
    pull(serve(Publisher(files=files, page=2)), tmp_path, ("*.json",))
    assert whole(tmp_path, {name: content for name, content in files.items() if name.endswith("json")})


@trials(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bytes_a_time=st.integers(20_000, 200_000), content=st.integers(101, 150_000))
def test_a_download_that_breaks_off_goes_on_where_it_was(
    serve: Serve, tmp_path_factory: pytest.TempPathFactory, bytes_a_time: int, content: int
) -> None:
    folder = tmp_path_factory.mktemp("weights")
    publisher = serve(Publisher(files={"model.bin": LARGE[:content]}, bytes_a_time=bytes_a_time))
    pull(publisher, folder)
    assert whole(folder, publisher.files)
    asked = [each for path, each, _ in publisher.asked if "/resolve/" in path]
    assert asked == ["", *(f"bytes={begin}-" for begin in range(bytes_a_time, content, bytes_a_time))]


def test_the_next_run_goes_on_where_the_last_one_gave_up(serve: Serve, tmp_path: Path) -> None:
    publisher = serve(Publisher(files={"model.bin": LARGE}, serves={"model.bin": LARGE[:1_000]}))
    with pytest.raises(ModelUnavailable, match="breaks off at 1000 of 179200 bytes; what came is kept: try again"):
        pull(publisher, tmp_path)
    assert not is_whole(tmp_path)
    publisher.serves = {}
    publisher.asked.clear()
    pull(publisher, tmp_path)
    assert [each for path, each, _ in publisher.asked if "/resolve/" in path] == ["bytes=1000-"]
    assert whole(tmp_path, publisher.files)


def test_a_server_without_ranges_is_read_from_the_start_again(serve: Serve, tmp_path: Path) -> None:
    publisher = serve(Publisher(files={"model.bin": LARGE}, ranges=False))
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / f"{hashlib.sha256(LARGE).hexdigest()}.part").write_bytes(b"something else")
    pull(publisher, tmp_path)
    assert whole(tmp_path, publisher.files)


def test_a_range_that_begins_elsewhere_is_not_believed(serve: Serve, tmp_path: Path) -> None:
    publisher = serve(Publisher(files={"model.bin": LARGE}, shifted=5))
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / f"{hashlib.sha256(LARGE).hexdigest()}.part").write_bytes(LARGE[:1_000])
    pull(publisher, tmp_path)
    assert whole(tmp_path, publisher.files)


@pytest.mark.parametrize("served", [LARGE[:-1] + b"\0", b"\0" * len(LARGE)])
def test_what_is_not_what_the_hub_states_is_refused(served: bytes, serve: Serve, tmp_path: Path) -> None:
    publisher = serve(Publisher(files={"model.bin": LARGE}, serves={"model.bin": served}))
    with pytest.raises(ModelUnavailable, match="its checksum differs"):
        pull(publisher, tmp_path)
    assert not (tmp_path / "model.bin").exists()
    assert not is_whole(tmp_path)


def test_more_than_the_hub_states_is_refused_and_not_kept(serve: Serve, tmp_path: Path) -> None:
    publisher = serve(Publisher(files={"model.bin": LARGE}, serves={"model.bin": LARGE + b"more"}))
    with pytest.raises(ModelUnavailable, match="more comes than the hub states"):
        pull(publisher, tmp_path)
    assert list((tmp_path / ".unfinished").iterdir()) == []


def test_a_small_file_that_was_changed_is_refused_too(serve: Serve, tmp_path: Path) -> None:
    publisher = serve(Publisher(serves={"config.json": SMALL.replace(b"62", b"63")}))
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        pull(publisher, tmp_path)


def test_a_file_that_changes_while_it_comes_is_fetched_anew(serve: Serve, tmp_path: Path) -> None:
    """The first half is of another version: the checksum tells, and the second attempt is whole."""
    publisher = serve(Publisher(files={"model.bin": LARGE}))
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / f"{hashlib.sha256(LARGE).hexdigest()}.part").write_bytes(b"\1" * 1_000)
    notes = pull(publisher, tmp_path)
    assert any("another checksum" in note for note in notes)
    assert whole(tmp_path, publisher.files)


def test_a_server_that_fails_for_a_moment_is_asked_again(serve: Serve, tmp_path: Path) -> None:
    publisher = serve(Publisher(files={"model.bin": LARGE}, failures=[503, 429, 500]))
    pull(publisher, tmp_path)
    assert whole(tmp_path, publisher.files)


def test_a_licence_that_was_not_accepted_is_told(serve: Serve, tmp_path: Path) -> None:
    publisher = serve(Publisher(token="hf_secret"))
    with pytest.raises(ModelUnavailable, match="HF_TOKEN") as told:
        pull(publisher, tmp_path, token="hf_wrong")
    assert "hf_wrong" not in str(told.value)
    pull(publisher, tmp_path, token="hf_secret")
    assert whole(tmp_path, publisher.files)


def test_the_token_stays_with_the_hub(serve: Serve, tmp_path: Path) -> None:
    """The redirect leads to another port here; to a client that is another origin, as another host is."""
    storage = serve(Publisher())
    hub = serve(Publisher(token="hf_secret", elsewhere=storage.url))
    pull(hub, tmp_path, token="hf_secret")
    assert {authorization for _, _, authorization in hub.asked} == {"Bearer hf_secret"}
    assert {authorization for _, _, authorization in storage.asked} == {""}
    assert whole(tmp_path, hub.files)


@pytest.mark.parametrize("path", ["../outside.json", "/etc/passwd", "a/../../b", "SHA256SUMS"])
def test_a_path_that_leads_out_of_the_folder_is_refused(path: str, serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="refused"):
        pull(serve(Publisher(files={path: SMALL})), tmp_path / "folder")
    assert list(tmp_path.rglob("*.json")) == []


def test_a_repository_without_such_files_is_told(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"no file like \*\.gguf"):
        pull(serve(Publisher()), tmp_path, ("*.gguf",))


def test_a_hub_that_cannot_be_reached_is_told(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="HF_ENDPOINT"):
        pull(Publisher(url="http://127.0.0.1:9"), tmp_path)


def test_files_that_changed_on_the_volume_are_found(serve: Serve, tmp_path: Path) -> None:
    pull(serve(Publisher()), tmp_path)
    assert damaged_in(tmp_path) == []
    (tmp_path / "model.safetensors").write_bytes(LARGE[:-1] + b"\0")
    (tmp_path / "config.json").unlink()
    assert sorted(damaged_in(tmp_path)) == ["config.json", "model.safetensors"]
    assert not is_whole(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnavailable, match="--to"):
        pull(serve(Publisher()), tmp_path / "file" / "folder")


def test_the_command_brings_each_repository_of_a_profile_with_the_files_that_are_used(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Path, tuple[str, ...]]] = []
    monkeypatch.setattr(
        Hub, "pull", lambda hub, name, patterns, folder, progress: asked.append((name, folder, patterns))
    )
    monkeypatch.setattr(ModelStore, "pull", lambda store, names, progress: None)
    monkeypatch.chdir(Path(__file__).parents[2])
    ended = CliRunner().invoke(cli.app, ["models", "pull", "--profile", "a100", "--to", str(tmp_path)])
    assert ended.exit_code == 0, ended.output
    assert [(name, folder == tmp_path / name) for name, folder, _ in asked] == [
        ("RedHatAI/gemma-3-27b-it-quantized.w4a16", True),
        ("sesame/csm-1b", True),
        ("mobiuslabsgmbh/faster-whisper-large-v3-turbo", True),
    ]
    csm = asked[1][2]
    published = ["ckpt.pt", "model.safetensors", "transformers.safetensors.index.json", "transformers-1.safetensors"]
    taken = [name for name in published if any(fnmatchcase(name, pattern) for pattern in csm)]
    assert taken == published[2:]
    assert "model.bin" in asked[2][2]
