"""From a voice cache and a Llama to texts in groups with states."""

from pathlib import Path

import numpy as np
import pytest

from prosody.items import ProsodySet
from recipes.data.llama_states import StateReader
from recipes.data.voice_cache import VoiceCacheWriter, VoiceItem, is_dev_text
from recipes.prepare_prosody import RunConfig, group_phones, prepare
from speech_core.errors import InputError
from speech_core.events import SpokenWord, TokenEvent
from speech_synthesis.config import FrameConfig
from tests.fakes import TinyLlama
from tts_frontend.languages.en.phones import PHONE_IDS, PHONES
from tts_frontend.normalizer import TextNormalizer

TEXTS = [f"Oh, no {number}." for number in "abcdefghijklmnopqrstuvwxyz"] * 4


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> Path:
    return TinyLlama().save(tmp_path_factory.mktemp("llama"))


def make_item(number: int, text: str) -> VoiceItem:
    """SIL, two words of one and two phones with a pause between, a last word of one phone, SIL."""
    symbols, places = ["SIL", "OW1", "SIL", "N", "OW1", "IY1", "SIL"], [-1, 0, -1, 1, 1, 2, -1]
    words = (SpokenWord("Oh", 0, 2, ","), SpokenWord("no", 4, 6), SpokenWord(text[7], 7, 8, "."))
    durations = np.array([2, 6, 3, 4, 9, 8, 5])
    frames = int(durations.sum())
    log_f0 = np.array([np.nan, 5.2, 5.0, 5.1, 5.3, 5.0, np.nan], np.float32)
    return VoiceItem(
        id=f"item-{number}",
        text=text,
        speaker="heart",
        corpus="test",
        words=words,
        phones=tuple(PHONE_IDS[symbol] for symbol in symbols),
        phone_words=tuple(places),
        durations=durations,
        log_f0=log_f0,
        log_power=np.full(7, -6.0, np.float32),
        f0_hz=np.full(frames, 180.0, np.float32),
        frames=np.zeros((frames, FrameConfig().num_channels), np.float16),
    )


def test_train_and_dev_sets_with_states(tmp_path: Path, llama: Path) -> None:
    writer = VoiceCacheWriter(tmp_path / "voice")
    writer.write_shard(0, [make_item(number, text) for number, text in enumerate(TEXTS)])
    config = RunConfig(voices=(tmp_path / "voice",), out=tmp_path / "out", llama=llama)
    assert prepare(config) == len(TEXTS)
    assert prepare(config) == 0
    train, dev = ProsodySet([tmp_path / "out" / "train"]), ProsodySet([tmp_path / "out" / "dev"])
    assert len(dev) == sum(is_dev_text(text) for text in TEXTS) > 0
    assert len(train) + len(dev) == len(TEXTS)
    item = train[0]
    assert [phone.symbol for phone in item.phones] == ["OW1", "SIL", "N", "OW1", "IY1", "SIL"]
    assert [phone.punctuation for phone in item.phones] == [",", ",", "", "", ".", "."]
    assert item.targets.voiced.tolist() == [True, False, True, True, True, False]
    assert np.allclose(item.targets.values[:, 0].exp() * 80, [6, 3, 4, 9, 8, 5], atol=1e-3)
    assert [len(group.phones) for group in item.groups] == [2, 2, 2]
    assert all(len(group.token_ids) == len(group.embeddings) for group in item.groups)


def test_groups_are_those_of_the_normalizer(llama: Path) -> None:
    """Tokens fall into the same groups as when the text is spoken token by token."""
    reader = StateReader(llama)
    text = TEXTS[0]
    states = dict(reader.read([text]))[0]
    stream = TextNormalizer()
    pieces = zip(states.token_ids, [0, *states.ends], states.ends, strict=False)
    groups = (
        stream.push([TokenEvent(token, text[start:end]) for token, start, end in pieces]) + stream.flush()
    )
    found = group_phones(make_item(0, text), states)
    assert [group.token_ids for group in found] == [group.token_ids for group in groups]
    assert sum(len(group.token_ids) for group in found) == len(states.token_ids)


def test_without_a_llama_each_word_is_a_group() -> None:
    groups = group_phones(make_item(0, TEXTS[0]), None)
    assert [len(group.phones) for group in groups] == [2, 2, 2]
    assert [PHONES.index(phone.symbol) for phone in groups[0].phones] == [PHONE_IDS["OW1"], 0]
    assert all(group.embeddings is None for group in groups)


def test_words_out_of_order_are_refused(llama: Path) -> None:
    item = make_item(0, TEXTS[0])
    item = VoiceItem(**{**vars(item), "words": item.words[::-1]})
    states = dict(StateReader(llama).read([item.text]))[0]
    with pytest.raises(InputError, match="item-0"):
        group_phones(item, states)
