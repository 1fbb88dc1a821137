"""The model's tensors, from the files it is published in.

In:   a folder in transformers' layout: config.json, and shards of safetensors with an index, or a single file.
Out:  one tensor at a time, by its published name, on the device and in the number format that are wanted.
Rule: the files are mapped, not read, so that loading needs no second copy of the model in memory. Nothing in them is
      ever executed: a safetensors file holds numbers only, and a ckpt.pt, which is a pickle, is not opened.

Source of the layout: transformers' save_pretrained (`weight_map` of the index) and its models/csm/convert_csm.py.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from client_caller.speaking.csm.checkpoint import SUMS, ModelFolder, WeightsError
from client_caller.speaking.csm.config import CsmConfig
from client_caller.speaking.csm.taking import Take

log = logging.getLogger("client_caller.csm")

_INDICES: Final = ("transformers.safetensors.index.json", "model.safetensors.index.json")
_SINGLES: Final = ("transformers.safetensors", "model.safetensors")
"""Sesame's repository has both: `transformers.*` in this layout, and a `model.safetensors` in its own."""

_WANTED: Final = f"fetch config.json, {_INDICES[0]} and the shards that it names"

_TIED: Final = ("backbone_model.embed_tokens.embed_audio_tokens.weight", "depth_decoder.model.embed_tokens.weight")
"""One tensor under two names, of which a file holds at least one: transformers' `_tied_weights_keys`."""

_SESAMES_OWN: Final = "codebook0_head.weight"
"""A name that only Sesame's own layout has."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The published model. config: its sizes;  shards: by tensor, the name and the handle of the file it lies in."""

    config: CsmConfig
    shards: Mapping[str, tuple[str, Any]]

    def take(self, device: torch.device, dtype: torch.dtype) -> Take:
        """Tensors for this device in this number format; more than one may be asked for.

        What it gives out raises WeightsError for a tensor that is missing, of another shape, or holds a value that is
        no number. On the CPU a tensor whose format is the file's own stays mapped: the file must stay as it is.
        """

        def take(name: str, shape: tuple[int, ...]) -> Tensor:
            stored, file, handle = self._where(name)
            found = tuple(handle.get_slice(stored).get_shape())
            if found != shape:
                raise WeightsError(f"{file}, {name}: its shape is {found}, and config.json makes it {shape}")
            # First onto the device, then the format: torch would change it on the CPU, which is slower.
            tensor: Tensor = handle.get_tensor(stored).to(device).to(dtype)
            if not bool(torch.isfinite(tensor).all()):
                raise WeightsError(f"{file}, {name}: it holds a value that is no number: fetch {file} again")
            return tensor

        return take

    def _where(self, name: str) -> tuple[str, str, Any]:
        for stored in (name, *_TIED) if name in _TIED else (name,):
            if stored in self.shards:
                return stored, *self.shards[stored]
        raise WeightsError(
            f"the checkpoint has no tensor {name}: it is not CSM as transformers publishes it; {_WANTED}"
        )


def open_checkpoint(folder: Path) -> Checkpoint:
    """Map the model in this folder, having verified what its SHA256SUMS names.

    Raises WeightsError, and ConfigError for a config.json of another model.
    """
    files = ModelFolder(folder)
    config = files.config()
    index = next(filter(files.has, _INDICES), None)
    single = next(filter(files.has, _SINGLES), None)
    if index is not None:
        shards = _indexed(files, index)
    elif single is not None:
        handle = _mapped(files, single)
        shards = {name: (single, handle) for name in handle.keys()}  # noqa: SIM118 - a file, not a mapping
    elif files.has("ckpt.pt"):
        raise WeightsError(f"{files.folder} holds the model as ckpt.pt only, which is not supported: {_WANTED}")
    else:
        raise WeightsError(f"{files.folder} holds no weights: {_WANTED}")
    if _SESAMES_OWN in shards:
        raise WeightsError(f"{files.folder / shards[_SESAMES_OWN][0]} is in Sesame's own layout: {_WANTED}")
    if files.unverified:
        log.warning(
            "files of the model cannot be verified: run `sha256sum *.json *.safetensors > %s` in its folder once",
            SUMS,
            extra={"folder": str(files.folder), "files": sorted(files.unverified)},
        )
    return Checkpoint(config, shards)


def _indexed(files: ModelFolder, index: str) -> dict[str, tuple[str, Any]]:
    """Where each tensor lies. Every shard is there, and holds what the index says."""
    placed = files.table(index).get("weight_map")
    if not isinstance(placed, dict) or not all(map(_is_plain_name, placed.values())):
        raise WeightsError(f"{files.folder / index}, weight_map: it must give each tensor a file of this folder")
    handles = {name: _mapped(files, name) for name in sorted(set(placed.values()))}
    held = {name: frozenset(handle.keys()) for name, handle in handles.items()}
    for tensor, name in placed.items():
        if tensor not in held[name]:
            raise WeightsError(f"{files.folder / name} lacks {tensor}, which {index} places there: fetch both again")
    return {tensor: (name, handles[name]) for tensor, name in placed.items()}


def _is_plain_name(name: object) -> bool:
    """Whether it names a file of the folder itself, and none elsewhere."""
    return isinstance(name, str) and name == Path(name).name and name not in {"", ".", ".."}


def _mapped(files: ModelFolder, name: str) -> Any:
    path = files.verified(name)
    try:
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError) as wrong:
        raise WeightsError(f"{path} is cut short or damaged: fetch it again ({wrong})") from wrong
