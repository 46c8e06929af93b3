"""Sizes of the adapter: published ones in the presets, impossible ones refused."""

from dataclasses import replace

import pytest

from speech_adapter.config import ADAPTER_PRESETS, AdapterConfig
from speech_core.errors import ConfigError
from speech_encoder.config import ENCODER_PRESETS


def test_the_paper_presets_carry_the_published_sizes():
    for name, d_llama in (("paper_8b", 4096), ("paper_70b", 8192)):
        sizes = ADAPTER_PRESETS[name]
        assert (sizes.d_encoder, sizes.d_model, sizes.d_feedforward) == (1536, 3072, 4096)
        assert (sizes.kernel, sizes.stride, sizes.d_llama) == (3, 2, d_llama)
        assert sizes.compression == "none"  # every position goes to the Llama
        position_s = sizes.stride * ENCODER_PRESETS["paper"].encoding_s
        assert position_s == pytest.approx(0.080)


def test_presets_fit_their_encoders_and_give_80_ms_positions():
    assert ADAPTER_PRESETS["tiny"].d_encoder == ENCODER_PRESETS["tiny"].d_model
    small, encoder = ADAPTER_PRESETS["small"], ENCODER_PRESETS["small"]
    assert small.d_encoder == encoder.d_model
    assert small.stride * encoder.encoding_s == pytest.approx(0.080)
    assert small.d_model == 2 * small.d_encoder  # as in the paper


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"d_llama": 0}, "positive"),
        ({"stride": 0}, "positive"),
        ({"num_heads": 7}, "multiple of num_heads"),
        ({"num_heads": 1024}, "even"),
        ({"kernel": 5}, "kernel is 5"),
        ({"compression": "mean"}, "none, ctc"),
        ({"compression": "ctc"}, "ctc_vocabulary"),
        ({"ctc_vocabulary": -1}, "ctc_vocabulary"),
    ],
)
def test_impossible_values_are_refused_with_one_line(wrong, words):
    with pytest.raises(ConfigError, match=words) as caught:
        replace(AdapterConfig(), **wrong)
    assert "\n" not in str(caught.value)
