"""Averages of weights: by their shares, of one lineage only, with every stage on record."""

from dataclasses import replace

import pytest
import torch

from recipes import average_models
from recipes.average_models import averaged
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS
from speech_adapter.ctc import CtcHead
from speech_adapter.model import SpeechModel, load_speech_model, save_speech_model
from speech_core.checkpoint import read_json
from speech_core.errors import ConfigError
from speech_encoder.config import ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder
from tests.speech_data import write_llama

STEM = {"method": "CTC", "step": 10}


def model(seed: int, classes: int = 5, first: int = 40) -> SpeechModel:
    torch.manual_seed(seed)
    sizes = replace(ADAPTER_PRESETS["tiny"], d_llama=32, ctc_vocabulary=classes)
    ctc = CtcHead(classes, 32)
    ctc.token_ids.copy_(torch.arange(first, first + classes))
    return SpeechModel(SpeechEncoder(ENCODER_PRESETS["tiny"]), SpeechAdapter(sizes), ctc)


def test_weights_are_averaged_by_their_shares():
    first, second = model(0), model(1)
    wanted = {
        name: 0.25 * value + 0.75 * second.state_dict()[name] if value.is_floating_point() else value
        for name, value in first.state_dict().items()
    }
    torch.testing.assert_close(averaged([first, second], [0.25, 0.75]).state_dict(), wanted)


@pytest.mark.parametrize(
    ("other", "said"), [({"classes": 6}, "different sizes"), ({"first": 41}, "different classes")]
)
def test_models_of_other_lineages_are_refused(other, said):
    with pytest.raises(ConfigError, match=said):
        averaged([model(0), model(1, **other)], [0.5, 0.5])


@pytest.mark.parametrize("more", [["a"], ["a", "b", "--shares", "0.5"], ["a", "b", "--shares", "0.5", "0.6"]])
def test_shares_that_do_not_fit_are_said_in_one_line(more):
    with pytest.raises((SystemExit, ConfigError)):
        average_models.main(["--models", *more, "--out", "nowhere"])


def test_the_command_writes_a_model_with_all_its_stages(tmp_path):
    llama = write_llama(tmp_path / "llama")
    for number in (0, 1):
        stage = {"method": "CTC", "step": 20 + number, "earlier": [STEM]}
        save_speech_model(tmp_path / str(number), model(number), stage)
    folders = [str(tmp_path / "0"), str(tmp_path / "1")]
    average_models.main(["--models", *folders, "--llama", str(llama), "--out", str(tmp_path / "mean")])
    mean = load_speech_model(tmp_path / "mean", llama)
    wanted = (model(0).adapter.boundaries + model(1).adapter.boundaries) / 2
    torch.testing.assert_close(mean.adapter.boundaries.detach(), wanted.detach())
    kept = read_json(tmp_path / "mean" / "speech_adapter" / "training.json")
    assert kept["method"] == "average of 2 models (0.5, 0.5)"
    assert [stage["step"] for stage in kept["earlier"]] == [10, 20, 21]
