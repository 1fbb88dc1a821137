"""A checkpoint in the published layout loads; a wrong one fails with the name of the file or tensor."""

import hashlib
import json
import logging
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiny_csm
import tiny_mimi
import torch
from safetensors.torch import save_file
from transformers import CsmConfig

from client_caller.errors import ConfigError
from client_caller.speaking.csm.config import CsmConfig as OurConfig
from client_caller.speaking.csm.config import parse_config
from client_caller.speaking.csm.model import CsmModel
from client_caller.speaking.csm.protocol import RANKS, Batch, Frames
from client_caller.speaking.csm.random_weights import PUBLISHED, TINY, random_take
from client_caller.speaking.csm.taking import Take
from client_caller.speaking.csm.weights import WeightsError, open_checkpoint

CPU = torch.device("cpu")
INDEX = "transformers.safetensors.index.json"
SHARDS = ("transformers-00001-of-00002.safetensors", "transformers-00002-of-00002.safetensors")
BACKBONE_EMBEDDING = "backbone_model.embed_tokens.embed_audio_tokens.weight"
DEPTH_EMBEDDING = "depth_decoder.model.embed_tokens.weight"


@cache
def _reference() -> dict[str, torch.Tensor]:
    return tiny_mimi.published(tiny_csm.reference())


def tensors(dtype: torch.dtype = torch.float32, embedding: str = BACKBONE_EMBEDDING) -> dict[str, torch.Tensor]:
    """What the reference holds, by the published names; the tensor that has two of them is under `embedding`."""
    held = {name: tensor.to(dtype) for name, tensor in _reference().items()}
    held[embedding] = held.pop(DEPTH_EMBEDDING)
    return held


def publish(folder: Path, held: dict[str, torch.Tensor], index: str = INDEX) -> Path:
    """Write it as save_pretrained does: two shards, an index, the sizes."""
    folder.mkdir(exist_ok=True)
    names = sorted(held)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    for shard, half in zip(SHARDS, halves, strict=True):
        save_file({name: held[name] for name in half}, folder / shard, metadata={"format": "pt"})
    weight_map = {name: shard for shard, half in zip(SHARDS, halves, strict=True) for name in half}
    (folder / index).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return with_sizes(folder)


def with_sizes(folder: Path) -> Path:
    (folder / "config.json").write_text(tiny_csm.reference_config().to_json_string(use_diff=False))
    return folder


def write_sums(folder: Path) -> None:
    """As `sha256sum *.json *.safetensors > SHA256SUMS` does."""
    files = sorted(path for path in folder.iterdir() if path.suffix in {".json", ".safetensors"})
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return publish(tmp_path / "csm", tensors())


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("wanted", [torch.float32, torch.bfloat16])
def test_every_tensor_comes_as_it_was_stored_in_the_format_that_is_wanted(
    tmp_path: Path, stored: torch.dtype, wanted: torch.dtype
) -> None:
    held = tensors(stored)
    checkpoint = open_checkpoint(publish(tmp_path / "csm", held))
    assert checkpoint.config == tiny_csm.our_config()
    take = checkpoint.take(CPU, wanted)
    for name, tensor in held.items():
        taken = take(name, tuple(tensor.shape))
        assert taken.dtype == wanted
        assert torch.equal(taken, tensor.to(wanted)), name


def test_two_formats_can_be_taken_of_one_checkpoint(published: Path) -> None:
    checkpoint = open_checkpoint(published)
    for dtype in (torch.bfloat16, torch.float32):
        assert checkpoint.take(CPU, dtype)("lm_head.weight", (67, 64)).dtype == dtype


@pytest.mark.parametrize("stored", [BACKBONE_EMBEDDING, DEPTH_EMBEDDING])
def test_the_embedding_of_sound_is_found_under_either_of_its_names(tmp_path: Path, stored: str) -> None:
    take = open_checkpoint(publish(tmp_path / "csm", tensors(embedding=stored))).take(CPU, torch.float32)
    for name in (BACKBONE_EMBEDDING, DEPTH_EMBEDDING):
        assert torch.equal(take(name, (8 * 67, 64)), tiny_csm.reference().state_dict()[name])


def test_what_transformers_itself_saves_in_shards_is_loaded(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tiny_csm.reference().save_pretrained(tmp_path, max_shard_size="400KB")
    checkpoint = open_checkpoint(tmp_path)
    assert len({file for file, _ in checkpoint.shards.values()}) > 1
    take = checkpoint.take(CPU, torch.float32)
    for name, tensor in tensors().items():
        assert torch.equal(take(name, tuple(tensor.shape)), tensor), name


@pytest.mark.parametrize("single", ["transformers.safetensors", "model.safetensors"])
def test_a_single_file_needs_no_index(tmp_path: Path, single: str) -> None:
    save_file(tensors(), tmp_path / single)
    take = open_checkpoint(with_sizes(tmp_path)).take(CPU, torch.float32)
    assert torch.equal(take("lm_head.weight", (67, 64)), tiny_csm.reference().lm_head.weight)


def test_the_index_of_this_layout_goes_before_other_files(published: Path) -> None:
    (published / "model.safetensors").write_bytes(b"Sesame's own, which nobody opens")
    assert open_checkpoint(published).shards["lm_head.weight"][0] in SHARDS


def test_a_wrong_shape_is_told_with_the_tensor_and_both_shapes(published: Path) -> None:
    with pytest.raises(WeightsError, match=r"lm_head\.weight: its shape is \(67, 64\), .* \(67, 128\)"):
        open_checkpoint(published).take(CPU, torch.float32)("lm_head.weight", (67, 128))


def test_a_missing_tensor_is_told_by_its_name(tmp_path: Path) -> None:
    held = tensors()
    del held["backbone_model.norm.weight"]
    take = open_checkpoint(publish(tmp_path / "csm", held)).take(CPU, torch.float32)
    with pytest.raises(WeightsError, match=r"no tensor backbone_model\.norm\.weight"):
        take("backbone_model.norm.weight", (64,))


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_told_with_its_tensor(tmp_path: Path, poison: float) -> None:
    held = tensors()
    held["lm_head.weight"] = held["lm_head.weight"].clone()
    held["lm_head.weight"][3, 5] = poison
    take = open_checkpoint(publish(tmp_path / "csm", held)).take(CPU, torch.bfloat16)
    with pytest.raises(WeightsError, match=r"lm_head\.weight: it holds a value that is no number"):
        take("lm_head.weight", (67, 64))


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_shard_that_is_cut_short_is_told_by_its_name(published: Path, kept: int) -> None:
    shard = published / SHARDS[1]
    shard.write_bytes(shard.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=rf"{SHARDS[1]} is cut short or damaged"):
        open_checkpoint(published)


def test_a_damaged_shard_is_told_by_its_name(published: Path) -> None:
    (published / SHARDS[0]).write_bytes(b"<html>Please log in</html>" * 50)
    with pytest.raises(WeightsError, match=rf"{SHARDS[0]} is cut short or damaged"):
        open_checkpoint(published)


def test_an_absent_shard_is_told_by_its_name(published: Path) -> None:
    (published / SHARDS[1]).unlink()
    with pytest.raises(WeightsError, match=rf"{SHARDS[1]} is missing"):
        open_checkpoint(published)


def test_a_tensor_that_is_not_where_the_index_says_is_told_with_both(published: Path) -> None:
    index = json.loads((published / INDEX).read_text())
    index["weight_map"]["lm_head.weight"] = SHARDS[0]
    (published / INDEX).write_text(json.dumps(index))
    with pytest.raises(WeightsError, match=rf"{SHARDS[0]} lacks lm_head\.weight"):
        open_checkpoint(published)


@pytest.mark.parametrize("elsewhere", ["../secret.safetensors", "/etc/passwd", "..", "", 7])
def test_an_index_cannot_lead_out_of_its_folder(published: Path, elsewhere: object) -> None:
    (published / INDEX).write_text(json.dumps({"weight_map": {"lm_head.weight": elsewhere}}))
    with pytest.raises(WeightsError, match="weight_map: it must give each tensor a file of this folder"):
        open_checkpoint(published)


@pytest.mark.parametrize("text", ["{", "[]", '{"metadata": {}}'])
def test_an_index_that_is_none_is_told_by_its_name(published: Path, text: str) -> None:
    (published / INDEX).write_text(text)
    with pytest.raises(WeightsError, match=INDEX):
        open_checkpoint(published)


def test_a_missing_folder_and_a_folder_without_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no folder"):
        open_checkpoint(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        open_checkpoint(tmp_path)
    with pytest.raises(WeightsError, match="holds no weights"):
        open_checkpoint(with_sizes(tmp_path))


def test_sesames_own_layouts_are_told_apart_and_the_right_one_named(tmp_path: Path) -> None:
    (tmp_path / "ckpt.pt").write_bytes(b"a pickle, which nobody opens")
    with pytest.raises(WeightsError, match=r"ckpt\.pt only.*transformers\.safetensors\.index\.json"):
        open_checkpoint(with_sizes(tmp_path))
    save_file({"codebook0_head.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"model\.safetensors is in Sesame's own layout"):
        open_checkpoint(tmp_path)


def test_another_models_sizes_are_refused_with_the_field(published: Path) -> None:
    (published / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ConfigError, match="model_type"):
        open_checkpoint(published)


def test_files_are_verified_against_their_checksums(published: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_sums(published)
    with caplog.at_level(logging.WARNING):
        open_checkpoint(published)
    assert caplog.records == []
    flipped = bytearray((published / SHARDS[1]).read_bytes())
    flipped[-1] ^= 1  # a bit of a weight: nothing else would notice
    (published / SHARDS[1]).write_bytes(flipped)
    with pytest.raises(WeightsError, match=rf"{SHARDS[1]} has the checksum"):
        open_checkpoint(published)


@pytest.mark.parametrize("changed", ["config.json", INDEX])
def test_the_small_files_are_verified_too(published: Path, changed: str) -> None:
    write_sums(published)
    with (published / changed).open("a") as file:
        file.write("\n")
    with pytest.raises(WeightsError, match=rf"{changed} has the checksum"):
        open_checkpoint(published)


def test_every_form_of_sha256sum_is_read(published: Path) -> None:
    right = hashlib.sha256((published / "config.json").read_bytes()).hexdigest()
    (published / "SHA256SUMS").write_text(f"{right.upper()} *./config.json\n\n{'0' * 64}  another file\n")
    open_checkpoint(published)
    (published / "SHA256SUMS").write_text(f"{'0' * 64} *./config.json\n")
    with pytest.raises(WeightsError, match=r"config\.json has the checksum"):
        open_checkpoint(published)


def test_a_file_of_checksums_that_is_none_is_told_with_the_line(published: Path) -> None:
    write_sums(published)
    with (published / "SHA256SUMS").open("a") as file:
        file.write("404: not found\n")
    with pytest.raises(WeightsError, match=r"SHA256SUMS, line 5 "):
        open_checkpoint(published)


def test_without_checksums_one_warning_says_how_to_write_them(
    published: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        open_checkpoint(published)
    (warning,) = caplog.records
    assert "sha256sum *.json *.safetensors > SHA256SUMS" in warning.getMessage()
    assert vars(warning)["files"] == sorted(("config.json", INDEX, *SHARDS))


def first_frames(take: Take, config: OurConfig) -> Frames:
    """What the engine's model makes of these tensors, greedily, behind three tokens of text."""
    model = CsmModel(config, take, take, slots=1, device=CPU, batch=1)
    rows = np.zeros((3, 1 + config.codebooks), np.int32)
    rows[:, 0] = config.bos, 7, config.eos
    model.prefill(0, 0, rows[:-1])
    one = np.ones(1)
    noise = np.zeros((1, config.codebooks, RANKS), np.float32)
    places = (one * 0).astype(np.int64), (one * 2).astype(np.int64)
    floats = one.astype(np.float32)
    return model.step(Batch(*places, rows[-1:], floats, one.astype(np.int64), 0 * floats, noise, one.astype(bool)))


def test_the_engines_model_takes_all_it_needs_from_the_published_files(published: Path) -> None:
    held, config = tensors(), tiny_csm.our_config()
    ours = first_frames(open_checkpoint(published).take(CPU, torch.float32), config)
    straight = first_frames(lambda name, shape: held[name].reshape(shape).clone(), config)
    assert np.array_equal(ours.codes, straight.codes)
    assert np.allclose(ours.sound, straight.sound, atol=1e-5)  # mapped tensors lie otherwise in memory: the last bit


def test_the_engines_model_takes_all_it_needs_from_random_weights() -> None:
    frames = first_frames(random_take(TINY, CPU, torch.float32, seed=0), TINY)
    assert frames.codes.shape == (1, TINY.codebooks)
    assert 0 < np.abs(frames.sound).max() < 2


def test_random_weights_are_the_same_for_the_same_seed_in_any_order() -> None:
    one, other, third = (random_take(TINY, CPU, torch.float32, seed) for seed in (3, 3, 4))
    first, second = one("lm_head.weight", (67, 64)), one("embed_text_tokens.weight", (300, 64))
    assert torch.equal(other("embed_text_tokens.weight", (300, 64)), second)
    assert torch.equal(other("lm_head.weight", (67, 64)), first)
    assert not torch.equal(third("lm_head.weight", (67, 64)), first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_random_weights_make_sound_at_the_level_of_speech(dtype: torch.dtype) -> None:
    take = random_take(tiny_csm.our_config(), CPU, torch.float32, seed=0)
    model = tiny_csm.reference()
    codec = type(model.codec_model)(model.config.codec_config).eval()
    codec.load_state_dict(
        {name: take(f"codec_model.{name}", tuple(held.shape)) for name, held in codec.state_dict().items()}
    )
    codec.to(dtype)
    codes = torch.randint(0, 64, (1, 8, 10), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        sound = codec.decode(codes).audio_values
    assert -30 < 20 * float(sound.std().log10()) < -10
    assert float(sound.abs().max()) < 1


def test_the_published_sizes_are_transformers_own_with_the_rope_of_the_checkpoint() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fields = json.loads(CsmConfig().to_json_string(use_diff=False))
    fields["rope_parameters"] = tiny_csm.BACKBONE_ROPE
    fields["depth_decoder_config"]["rope_parameters"] = tiny_csm.DEPTH_ROPE
    assert parse_config(json.dumps(fields), "config.json") == PUBLISHED


def test_the_tiny_sizes_are_those_of_the_reference_with_the_published_room() -> None:
    reference = tiny_csm.our_config()
    backbone = replace(reference.backbone, positions=PUBLISHED.backbone.positions)
    assert replace(reference, backbone=backbone, mimi=replace(reference.mimi, window=TINY.mimi.window)) == TINY
