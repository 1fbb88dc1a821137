"""The box as its operator starts it: the command itself, the real server and a tiny voice; only vLLM is a stand-in."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from box_machines import A100, program, whole_weights, with_nvidia_smi

ROOT = Path(__file__).parents[2]

VLLM = f"""#!{sys.executable} -ESs
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({{"choices": [{{"message": {{"content": "yes"}}}}], "model": asked["model"]}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

print("arguments", sys.argv[1:], flush=True)
print("knows", sorted(name for name in os.environ if name.startswith(("CLIENT_CALLER", "TWILIO", "VLLM", "HF_"))))
sys.stdout.flush()
port = next(line.split()[1] for line in open(sys.argv[sys.argv.index("--config") + 1]) if line.startswith("port:"))
HTTPServer(("127.0.0.1", int(port)), Server).serve_forever()
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a card that is not there, and a profile for it."""
    monkeypatch.chdir(ROOT)
    with_nvidia_smi(monkeypatch, tmp_path / "bin", A100)
    program(tmp_path / "bin", "vllm", VLLM)
    vllm, csm, server = free_ports(3)
    launch = tmp_path / "gemma-w4a16.yaml"
    published = (ROOT / "deploy" / "vllm" / "gemma-3-27b-a100-w4a16.yaml").read_text()
    launch.write_text(published.replace("port: 8000", f"port: {vllm}"))
    whole_weights(tmp_path / "weights" / "RedHatAI" / "gemma-3-27b-it-quantized.w4a16")
    values = {
        "THINKING__BASE_URL": f"http://127.0.0.1:{vllm}/v1",
        "THINKING__MODEL": "gemma-3-27b",
        "THINKING__API_KEY": "key-of-vllm",
        "SPEAKING__ENGINE": "csm",
        "SPEAKING__CSM_URL": f"http://127.0.0.1:{csm}",
        "SPEAKING__CSM_VOICE": "noise",
        "SERVER__PORT": str(server),
        "RECORDS__FOLDER": str(tmp_path / "calls"),
        "LEDGER__URL": f"sqlite:///{tmp_path}/ledger.db",
        "API_KEY": "k" * 32,
        "BOX__VLLM": str(launch),
        "BOX__CSM_RANDOM": "tiny",
        "BOX__WEIGHTS": str(tmp_path / "weights"),
        "BOX__LOGS": str(tmp_path / "logs"),
        "BOX__RAM_GIB": "0.1",
    }
    path = tmp_path / "here.env"
    path.write_text("".join(f"CLIENT_CALLER_{name}={value}\n" for name, value in values.items()))
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret-of-twilio")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return path


@pytest.mark.models
@pytest.mark.realtime
@pytest.mark.long
def test_one_command_brings_all_three_up_and_one_signal_takes_them_down(profile: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "client_caller", "up", "--profile", str(profile)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as box:
        try:
            assert box.stderr is not None
            said = []
            for line in box.stderr:
                said.append(line)
                if "ready for calls" in line:
                    break
            else:
                pytest.fail(f"it ended: {''.join(said)} {box.stdout.read() if box.stdout else ''}")
            port = next(line.partition("=")[2] for line in profile.read_text().splitlines() if "SERVER__PORT" in line)
            assert httpx2.get(f"http://127.0.0.1:{port}/readyz").json() == {"status": "ready"}
            ready = [line.partition("service=")[2].strip() for line in said if ": ready  service=" in line]
            assert ready == ["'vllm'", "'csm'", "'serve'"]
            box.send_signal(signal.SIGTERM)
            rest = box.stderr.read()
            assert box.wait() == 0, rest
        finally:
            box.kill()
    vllm = (tmp_path / "logs" / "vllm.log").read_text()
    assert f"'serve', '{tmp_path}/weights/RedHatAI/gemma-3-27b-it-quantized.w4a16', '--config'" in vllm
    assert "knows ['HF_HUB_OFFLINE', 'VLLM_API_KEY', 'VLLM_NO_USAGE_STATS']" in vllm
    assert "secret" not in vllm
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False).stdout
    assert left == ""
