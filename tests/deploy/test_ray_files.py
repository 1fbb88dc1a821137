"""The files for a cluster hold only what Ray and our settings know, and what a telephone needs."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray_parts import FOLDER, ROOT, gemma

from client_caller.settings import Settings

CONFIGS = [FOLDER / "serve.yaml", FOLDER / "serve-embedded.yaml"]
EVERY_CONFIG = pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
OF_RAY = ROOT / ".ray" / "bin" / "python"
W4A16 = Path("deploy/vllm/gemma-3-27b-a100-w4a16.yaml")

CHECK = """
import sys, yaml
from ray._common.utils import import_attr
from ray.serve.config import AutoscalingConfig
from ray.serve.deployment import Application
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary as build
from ray.serve.schema import ServeDeploySchema

for path in sys.argv[1:]:
    schema = ServeDeploySchema.model_validate(yaml.safe_load(open(path)))
    for app in schema.applications:
        for deployment in app.deployments:
            AutoscalingConfig(**deployment.autoscaling_config).policy.get_policy()
        target = import_attr(app.import_path)
        if "gemma" not in app.import_path:  # that one needs vLLM
            assert isinstance(build(target, app.args), Application)
print("all is well")
"""


def applications(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))["applications"]
    return found


def deployments(file: Path) -> list[dict[str, Any]]:
    return [each for app in applications(file) for each in app.get("deployments", [])]


def test_ray_itself_takes_the_files_and_finds_what_they_name() -> None:
    if not OF_RAY.exists():
        pytest.skip("there is no Ray in .ray to hold the files against: run scripts/ray.sh")
    done = subprocess.run(
        [OF_RAY, "-c", CHECK, *CONFIGS], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.strip().endswith("all is well"), done.stderr[-2_000:]


@EVERY_CONFIG
def test_a_file_names_the_version_that_it_is_written_for(file: Path) -> None:
    assert re.search(r"^# Written for Ray 2\.60\.0[.,]", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert f"serve deploy {file.relative_to(ROOT)}" in file.read_text(encoding="utf-8")


@EVERY_CONFIG
def test_what_is_told_to_engines_is_a_setting(file: Path) -> None:
    told = [name for app in applications(file) for name in app.get("runtime_env", {}).get("env_vars", {})]
    for name in told:
        group, key = name.removeprefix("CLIENT_CALLER_").lower().split("__")
        assert key in Settings.model_fields[group].annotation.model_fields, name  # type: ignore[union-attr]
    assert told, "a file that tells nothing tells nothing wrong"


@EVERY_CONFIG
def test_engines_are_asked_from_their_own_machine_only(file: Path) -> None:
    whole = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert whole["http_options"]["host"] == "127.0.0.1"
    assert whole["proxy_location"] == "EveryNode"
    assert whole["http_options"]["keep_alive_timeout_s"] > 3, "our clients keep connections for so long"


@EVERY_CONFIG
def test_every_engine_refuses_what_it_cannot_do_and_is_looked_after(file: Path) -> None:
    engines = [each for each in deployments(file) if each["name"] != "Door"]
    assert engines
    for each in engines:
        scale = each["autoscaling_config"]
        assert 0 < each["max_queued_requests"] <= each["max_ongoing_requests"] * 2, each["name"]
        assert each["backpressure_config"]["status_code"] == 503, each["name"]
        assert scale["target_ongoing_requests"] <= each["max_ongoing_requests"], each["name"]
        assert 1 <= scale["min_replicas"] < scale["max_replicas"], each["name"]
        assert {"health_check_period_s", "health_check_timeout_s", "graceful_shutdown_timeout_s"} <= each.keys()


def test_both_files_serve_the_same_under_the_same_names() -> None:
    routes = [{app["name"]: app["route_prefix"] for app in applications(file)} for file in CONFIGS]
    assert routes[0] == routes[1]
    told = (FOLDER / "gateways.yaml").read_text(encoding="utf-8")
    assert all(f"http://127.0.0.1:8000{route}" in told for name, route in routes[0].items() if name != "door")


def test_one_card_carries_one_of_each() -> None:
    engines = [each["ray_actor_options"].get("num_gpus", 0) for each in deployments(CONFIGS[0])]
    told = next(app["args"] for app in applications(CONFIGS[0]) if app["name"] == "thinking")
    assert sum(engines) + gemma.Gemma(**told).gpus == pytest.approx(1.0)


def test_what_vllm_is_told_is_what_its_launch_file_says() -> None:
    launch = yaml.safe_load((ROOT / W4A16).read_text(encoding="utf-8"))
    told = gemma.llm_config(gemma.Gemma(launch_file=W4A16, gpus=0.8))
    engine = told["engine_kwargs"]
    assert told["model_loading_config"] == {"model_id": "gemma-3-27b", "model_source": launch["model"]}
    assert engine.keys() == {
        name.replace("-", "_") for name in launch.keys() - {"model", "served-model-name", "host", "port"}
    }
    assert Path(engine["chat_template"]).is_file()
    assert engine["max_model_len"] == launch["max-model-len"]
    assert told["placement_group_config"]["bundles"] == [{"CPU": 1, "GPU": 0.8}]


def test_weights_on_a_volume_are_taken_from_there() -> None:
    told = gemma.llm_config(gemma.Gemma(launch_file=W4A16, weights="/workspace/weights/gemma"))
    assert told["model_loading_config"]["model_source"] == "/workspace/weights/gemma"


def test_a_replica_that_takes_more_of_a_card_than_it_books_is_refused() -> None:
    with pytest.raises(ValueError, match="gpus: vLLM takes"):
        gemma.llm_config(gemma.Gemma(launch_file=W4A16, gpus=0.5))


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", ROOT / "scripts" / "ray.sh", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "RAY_DRY_RUN": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


def test_the_script_brings_the_version_of_the_files(tmp_path: Path) -> None:
    done = script("gpu", str(tmp_path / "env"))
    assert done.stdout == f"Bringing Ray 2.60.0 (gpu) into {tmp_path}/env.\n"
    assert done.returncode == 0
    assert not (tmp_path / "env").exists()


def test_the_script_knows_two_kinds_of_machines() -> None:
    done = script("tpu")
    assert done.returncode == 1
    assert done.stderr == "ray: tpu is neither cpu nor gpu\n"
