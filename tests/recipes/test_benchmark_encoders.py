"""Peers' Conformers behind our inputs: equal sizes, real shapes, gradients everywhere."""

import pytest
import torch

from recipes.benchmark_encoders import (
    ENCODERS,
    CtcModel,
    build_encoder,
    build_model,
    count_parameters,
    library_version,
)
from speech_core.errors import ConfigError
from speech_encoder.config import BEST_RQ_PRESETS, ENCODER_PRESETS

TINY = ENCODER_PRESETS["tiny"]


@pytest.fixture(params=ENCODERS)
def name(request):
    """Each encoder whose library is installed."""
    if request.param != "llama-speech":
        pytest.importorskip(request.param)
    return request.param


def test_encodings_have_one_shape(name):
    encoder = build_encoder(name, TINY)
    features, lengths = torch.randn(2, 41, TINY.features.num_mels), torch.tensor([41, 20])
    encodings, encoding_lengths = encoder.encode(encoder.normalise(features), lengths)
    assert encodings.shape == (2, 11, TINY.d_model)
    assert encoding_lengths.tolist() == [11, 5]


@pytest.mark.parametrize("task", ["ctc", "best-rq"])
def test_a_step_trains_the_encoder(name, task):
    model = build_model(task, name, TINY, BEST_RQ_PRESETS["tiny"])
    loss = model(torch.randn(2, 160, TINY.features.num_mels), torch.tensor([160, 160]), torch.Generator())
    loss.backward()
    assert torch.isfinite(loss)
    layers = [p for n, p in model.named_parameters() if "layers" in n]
    unused = sum(p.grad is None or not p.grad.any() for p in layers)
    assert layers
    assert (
        unused <= len(layers) // 4
    )  # biases before a softmax, position tables that short audio does not reach


def test_sizes_are_those_of_the_small_preset(name):
    config = ENCODER_PRESETS["small"]
    ours = count_parameters(CtcModel(build_encoder("llama-speech", config)))
    theirs = count_parameters(CtcModel(build_encoder(name, config)))
    assert theirs == pytest.approx(ours, rel=0.12)


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="use llama-speech"):
        build_encoder("transformers-xl", TINY)
    with pytest.raises(ConfigError, match="use ctc"):
        build_model("rnnt", "llama-speech", TINY, BEST_RQ_PRESETS["tiny"])
    assert library_version("llama-speech") == "this checkout"
