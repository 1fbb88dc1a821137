"""Which files of a repository are the weights that we use.

In:   a repository of the plan.     Out: patterns of file names.
Rule: no pickles, which are programs, and no second copy of the same weights.
"""

from typing import Final

from client_caller.box.plan import BoxPlan

_LANGUAGE_MODEL: Final = ("*.json", "*.safetensors", "*.model", "*.jinja")

_VOICE: Final = ("config.json", "tokenizer*.json", "special_tokens_map.json", "transformers*.safetensors*")
"""Sesame's repository has the weights twice more, as ckpt.pt and model.safetensors. Source: speaking/csm/weights.py."""

_EARS: Final = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
"""Source: faster-whisper, utils.py, download_model."""


def patterns_of(repository: str, plan: BoxPlan) -> tuple[str, ...]:
    """Of the files to be fetched."""
    if repository == plan.settings.box.csm_weights:
        return _VOICE
    return _EARS if repository == plan.settings.box.whisper_weights else _LANGUAGE_MODEL
