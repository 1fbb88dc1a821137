"""Text as the model reads it: ids of Llama 3.2's tokens, between the two that open and close a segment.

In:   who speaks and the words.     Out: `<bos>[speaker]words<eos>` as ids.
Rule: words are words. Whatever stands in them, "<|end_of_text|>" or the name of any other special token, no special
      id comes of it: those are given by `segment` alone.

Source of the layout: Sesame's generator.py, and the chat template in transformers' models/csm/convert_csm.py.
"""

from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

from client_caller.speaking.csm.checkpoint import ModelFolder, WeightsError

_FILE: Final = "tokenizer.json"
_FIRST: Final = "<|begin_of_text|>"
_LAST: Final = "<|end_of_text|>"
_BYTES: Final = 256


class TextTokenizer:
    """The tokenizer that lies beside the weights, with what the config.json there says of its ids.

    Raises WeightsError when the tokenizer.json is missing, damaged, or another model's.
    """

    def __init__(self, folder: Path) -> None:
        files = ModelFolder(folder)
        config, path = files.config(), files.folder / _FILE
        table = files.table(_FILE)
        if not isinstance(table.get("model"), dict) or not table["model"].get("vocab"):
            raise WeightsError(f"{path} holds no tokenizer: fetch it again")
        self._tokenizer = Tokenizer.from_file(str(path))
        for name, wanted in ((_FIRST, config.bos), (_LAST, config.eos)):
            if (found := self._tokenizer.token_to_id(name)) != wanted:
                raise WeightsError(f"{path} is another model's: its id of {name} is {found}; config.json says {wanted}")
        if (largest := max(self._tokenizer.get_vocab().values())) >= config.text_vocabulary:
            raise WeightsError(
                f"{path} is another model's: it has the id {largest}; {config.text_vocabulary} are known"
            )
        self._special = frozenset(self._tokenizer.get_added_tokens_decoder())
        self._bos, self._eos = config.bos, config.eos

    def encode(self, text: str) -> list[int]:
        """The ids of words; names of special tokens in them are left out."""
        return [id for id in self._tokenizer.encode(text, add_special_tokens=False).ids if id not in self._special]

    def segment(self, speaker: int, text: str) -> list[int]:
        """The ids of a segment's text, from its first to its last special token."""
        return [self._bos, *self.encode(f"[{speaker}]{text}"), self._eos]


class ByteTokenizer:
    """A token for each byte, for models with random weights in benchmarks and tests: it needs no file.

    bos, eos: the model's; they are not bytes.
    """

    def __init__(self, bos: int, eos: int) -> None:
        if min(bos, eos) < _BYTES:
            raise ValueError(f"ids below {_BYTES} are bytes: bos {bos}, eos {eos}")
        self._bos, self._eos = bos, eos

    def encode(self, text: str) -> list[int]:
        """The bytes of words in UTF-8."""
        return list(text.encode())

    def segment(self, speaker: int, text: str) -> list[int]:
        """The ids of a segment's text, from its first to its last special token."""
        return [self._bos, *self.encode(f"[{speaker}]{text}"), self._eos]
