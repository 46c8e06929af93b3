"""The component: saved and loaded equal, parts may be absent, damage is named."""

import pytest

from speech_core.checkpoint import save_component, write_json
from speech_core.errors import CheckpointError
from speech_core.events import SpokenWord
from tests.pronunciation_parts import HOMOGRAPHS, WORDS, small_homographs, small_letters, small_pronouncer
from tts_frontend.pronunciation import LEXICON_FILE, WordContext, load_pronouncer
from tts_frontend.pronunciation_lexicon import write_lexicon
from tts_frontend.pronunciation_model import PronunciationConfig, PronunciationModel


@pytest.fixture
def component(tmp_path):
    """The small pronouncer on disk."""
    letters, states, words = small_letters(), small_homographs(), small_homographs(0)
    model = PronunciationModel(PronunciationConfig(letters.config, states.config, words.config))
    for name, part in (("letters", letters), ("states", states), ("words", words)):
        getattr(model, name).load_state_dict(part.state_dict())
    save_component(tmp_path, model, model.config, {})
    write_lexicon(tmp_path / LEXICON_FILE, {word: tuple(text.split()) for word, text in WORDS.items()})
    heads = {
        word: {"head": item.head, "phones": {name: " ".join(found) for name, found in item.phones.items()}}
        for word, item in HOMOGRAPHS.items()
    }
    write_json(tmp_path / "homographs.json", heads)
    return tmp_path


def test_loaded_equals_saved(component):
    loaded, own = load_pronouncer(component), small_pronouncer()
    for text in ("dogs", "batnes", "Polish", "zyx"):
        assert loaded.read(text) == own.read(text)
    for before in ("to", "the", "my", "they"):
        context = WordContext(before=(SpokenWord(before, 0, 1),))
        record = SpokenWord("record", 3, 9)
        assert loaded.pronounce(record, context) == own.pronounce(record, context)


def test_parts_may_be_absent(component):
    model = PronunciationModel(PronunciationConfig())
    save_component(component, model, model.config, {})
    write_json(component / "homographs.json", {})
    pronouncer = load_pronouncer(component)
    assert pronouncer.read("bat") == ("B", "IY2", "EY2", "T", "IY1")  # spelled
    assert pronouncer.pronounce(SpokenWord("record", 0, 6)) == HOMOGRAPHS["record"].phones["noun"]


def test_homographs_without_rows_are_named(component):
    write_json(component / "homographs.json", {"live": {"head": "live", "phones": {"noun": "L AY1 V"}}})
    with pytest.raises(CheckpointError, match="no rows for the homographs of 'live'"):
        load_pronouncer(component)


def test_a_missing_lexicon_is_named(component):
    (component / LEXICON_FILE).unlink()
    with pytest.raises(CheckpointError, match=r"lexicon\.zlib is missing"):
        load_pronouncer(component)
