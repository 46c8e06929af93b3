"""Sizes, rotary frequencies and weight files against transformers and by hand."""

import json

import pytest
import torch
from safetensors.torch import save_file

from speech_adapter.llama import load_llama
from speech_adapter.llama_weights import LlamaSizes, WeightFiles, read_sizes, rotary_frequencies
from speech_core.errors import CheckpointError, ConfigError

CONFIG = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 128,
}


def test_sizes_of_an_old_config():
    sizes = LlamaSizes.from_config({**CONFIG, "rope_theta": 500_000.0, "num_key_value_heads": None})
    assert (sizes.d_head, sizes.num_kv_heads) == (8, 8)
    assert sizes.rope == {"rope_theta": 500_000.0, "rope_type": "default"}
    scaled = LlamaSizes.from_config({**CONFIG, "rope_scaling": {"type": "linear", "factor": 4.0}})
    assert scaled.rope["rope_type"] == "linear"
    torch.testing.assert_close(rotary_frequencies(scaled)[0], torch.tensor(0.25))


def test_frequencies_equal_those_of_transformers(any_llama):
    expected = load_llama(any_llama).model.model.rotary_emb.inv_freq
    torch.testing.assert_close(rotary_frequencies(read_sizes(any_llama)), expected, atol=0, rtol=1e-6)


def test_weights_in_parts_are_joined(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "model-1.safetensors")
    save_file({"b": torch.zeros(3)}, tmp_path / "model-2.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    weights = WeightFiles(tmp_path)
    assert {name: len(tensor) for name, tensor in weights.items()} == {"a": 2, "b": 3}
    assert len(weights) == 2
    assert "c" not in weights
    (tmp_path / "model-2.safetensors").unlink()
    with pytest.raises(CheckpointError, match="model-2"):
        WeightFiles(tmp_path)


def test_missing_files_and_other_models_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json"):
        read_sizes(tmp_path)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        WeightFiles(tmp_path)
    with pytest.raises(ConfigError, match="'bert'"):
        LlamaSizes.from_config({"model_type": "bert"})
