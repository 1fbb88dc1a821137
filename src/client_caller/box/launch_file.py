"""The launch file for vLLM, as far as others must know what is in it.

In:   a YAML file of `deploy/vllm/`.     Out: one frozen `LaunchFile`.
Rule: vLLM reads the file itself; here only what the memory plan and the launcher need is taken from it.
"""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from client_caller.errors import ConfigError


class LaunchFile(BaseModel):
    """What vLLM will serve, and how much of the card it takes.

    share: of the card's memory, 0 to 1;  tokens: of one request at most;  requests: at once;
    batched_tokens: read in one step;  name: by which requests ask for the model.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    model: str = Field(min_length=1)
    name: str = Field(alias="served-model-name", min_length=1)
    host: str
    port: int = Field(ge=1, le=65535)
    share: float = Field(alias="gpu-memory-utilization", gt=0, le=1)
    tokens: int = Field(alias="max-model-len", ge=1)
    requests: int = Field(alias="max-num-seqs", ge=1)
    batched_tokens: int = Field(alias="max-num-batched-tokens", ge=1)

    @property
    def url(self) -> str:
        """Where it will answer, without a path."""
        return f"http://{self.host}:{self.port}"


def read_launch_file(path: Path) -> LaunchFile:
    """Raises ConfigError that names the file and what is missing in it."""
    try:
        return LaunchFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as wrong:
        raise ConfigError(f"the launch file {path} (CLIENT_CALLER_BOX__VLLM) cannot be read: {wrong}") from wrong
    except ValidationError as wrong:
        faults = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in wrong.errors())
        raise ConfigError(f"the launch file {path} (CLIENT_CALLER_BOX__VLLM): {faults}") from wrong


def weights_kind(path: Path) -> str:
    """How the weights are kept, from the end of the file's name: w4a16, fp8 or bf16."""
    return path.stem.rpartition("-")[2]
