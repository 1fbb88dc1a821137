"""Words become ids, and only a segment's own marks become special ones."""

import json
from pathlib import Path

import pytest
import tiny_csm
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from client_caller.speaking.csm.checkpoint import WeightsError
from client_caller.speaking.csm.tokenizer import ByteTokenizer, TextTokenizer

BOS, EOS = 256, 257
NAMES = ["<|begin_of_text|>", "<|end_of_text|>", "<|AUDIO|>", "<|audio_eos|>"]
WORDS = ["good morning to you", "how may I help you", "good evening and good morning"]


def llama_like() -> Tokenizer:
    """As Llama 3.2's: pieces of words, here bytes, and behind them the special tokens, here 256 to 259."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(WORDS, trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in NAMES])
    return tokenizer


def put(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(tiny_csm.reference_config().to_json_string(use_diff=False))
    (folder / "tokenizer.json").write_text(text)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put(tmp_path_factory.mktemp("csm"), llama_like().to_str())


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> TextTokenizer:
    return TextTokenizer(folder)


def test_words_are_encoded_as_the_library_does_and_without_special_tokens(tokenizer: TextTokenizer) -> None:
    said = "Good morning, how may I help you?"
    ids = tokenizer.encode(said)
    assert ids == llama_like().encode(said, add_special_tokens=False).ids
    assert llama_like().decode(ids) == said
    assert max(ids) < BOS


def test_a_segment_is_begin_speaker_words_end(tokenizer: TextTokenizer) -> None:
    ids = tokenizer.segment(1, "hello")
    assert (ids[0], ids[-1]) == (BOS, EOS)
    assert llama_like().decode(ids[1:-1]) == "[1]hello"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("said", ["{}", "good {} morning", "{}{}", "<|AU{}DIO|>", " {} "])
def test_the_name_of_a_special_token_in_the_words_is_no_special_token(
    tokenizer: TextTokenizer, name: str, said: str
) -> None:
    whole = said.replace("{}", name)
    assert set(llama_like().encode(whole).ids) & set(range(256, 260)), "the library itself would let it through"
    assert max(tokenizer.encode(whole), default=0) < BOS
    segment = tokenizer.segment(0, whole)
    assert [id for id in segment if id >= BOS] == [BOS, EOS]


@given(st.lists(st.one_of(st.text(max_size=12), st.sampled_from(NAMES)), max_size=6).map("".join))
def test_no_words_at_all_make_a_special_token(tokenizer: TextTokenizer, words: str) -> None:
    assert [id for id in tokenizer.segment(0, words) if id >= BOS] == [BOS, EOS]


def test_a_tokenizer_that_is_missing_or_broken_is_told_by_its_file(tmp_path: Path) -> None:
    whole = llama_like().to_str()
    for broken in (whole[: len(whole) // 2], "[]", "{}", '{"model": {"vocab": {}}}'):
        with pytest.raises(WeightsError, match=r"tokenizer\.json"):
            TextTokenizer(put(tmp_path, broken))
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match=r"tokenizer\.json is missing"):
        TextTokenizer(tmp_path)


def test_a_tokenizer_is_verified_against_its_checksum(tmp_path: Path) -> None:
    put(tmp_path, llama_like().to_str())
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  tokenizer.json\n")
    with pytest.raises(WeightsError, match=r"tokenizer\.json has the checksum"):
        TextTokenizer(tmp_path)


def test_another_models_tokenizer_is_refused(tmp_path: Path) -> None:
    plain = llama_like()
    table = json.loads(plain.to_str())
    table["added_tokens"] = table["added_tokens"][1:]
    with pytest.raises(WeightsError, match=r"its id of <\|begin_of_text\|> is None; config\.json says 256"):
        TextTokenizer(put(tmp_path, json.dumps(table)))
    plain.add_special_tokens([f"<|{each}|>" for each in range(41)])  # up to id 300; the model knows 300
    with pytest.raises(WeightsError, match="it has the id 300; 300 are known"):
        TextTokenizer(put(tmp_path, plain.to_str()))


def test_bytes_stand_for_words_where_there_is_no_tokenizer() -> None:
    tokenizer = ByteTokenizer(BOS, EOS)
    assert tokenizer.segment(0, "hé<|AUDIO|>") == [BOS, *b"[0]h\xc3\xa9<|AUDIO|>", EOS]
    with pytest.raises(ValueError, match="are bytes"):
        ByteTokenizer(65, EOS)
