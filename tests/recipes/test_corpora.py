"""The speech sets: licences decide what may be trained on, and lines become utterances."""

import json

import pytest

from recipes.data.corpora import SPEECH_SETS, read_speech_set, sets_for
from recipes.data.manifests import validate_utterance
from speech_core.errors import InputError


def test_clips_become_utterances_that_pass_validation(speech_dir):
    utterances = list(read_speech_set(speech_dir, "kathleen-en", "train"))
    assert [u.text for u in utterances][:2] == ["One clip.", "Said by many."]
    assert utterances[0].id == "kathleen-en/train/en-00000"
    assert utterances[0].licence == "CC0"
    assert all(validate_utterance(u, speech_dir) == [] for u in utterances)


def test_unlabelled_clips_are_kept_and_other_fields_go_into_extra(speech_dir):
    line = {"audio": "train/en-9.opus", "text": None, "language": "en", "speaker": "x", "duration": 1.0}
    path = speech_dir / "picovoice-speech-to-intent" / "train.jsonl"
    path.write_text(json.dumps(line | {"intent": {"intent": "order"}}) + "\n", encoding="utf-8")
    (utterance,) = read_speech_set(speech_dir, "picovoice-speech-to-intent", "train")
    assert utterance.text is None
    assert utterance.extra == {"intent": {"intent": "order"}}


def test_sets_under_the_gpl_are_for_tests_only(speech_dir):
    assert "fillets" not in sets_for(speech_dir, "train")
    assert "fillets" in sets_for(speech_dir, "dev")
    with pytest.raises(InputError, match="do not train"):
        list(read_speech_set(speech_dir, "fillets", "train"))
    assert all(not s.may_train for s in SPEECH_SETS.values() if "GPL" in s.licence)


def test_a_set_without_the_part_gives_nothing(speech_dir):
    assert list(read_speech_set(speech_dir, "kerstin-de", "dev")) == []


@pytest.mark.parametrize(
    ("name", "part"), [("nobody", "train"), ("kathleen-en", "samples"), ("kathleen-en", "test")]
)
def test_unknown_sets_and_parts_are_refused(speech_dir, name, part):
    with pytest.raises(InputError, match="unknown"):
        list(read_speech_set(speech_dir, name, part))


def test_a_folder_without_sets_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no set"):
        sets_for(tmp_path, "train")
