"""Records of earlier stages come out flat and in order."""

import pytest

from recipes.loop.stages import stages_of
from speech_core.checkpoint import write_json
from speech_core.errors import SpeechError


def test_the_last_stage_comes_after_those_before_it(tmp_path):
    first, second = {"method": "CTC", "step": 3}, {"method": "through the Llama", "step": 2}
    write_json(tmp_path / "training.json", {**second, "earlier": [first]})
    assert stages_of(tmp_path) == [first, second]
    write_json(tmp_path / "training.json", first)
    assert stages_of(tmp_path) == [first]


def test_a_folder_without_a_record_is_an_error(tmp_path):
    with pytest.raises((SpeechError, OSError)):
        stages_of(tmp_path)
