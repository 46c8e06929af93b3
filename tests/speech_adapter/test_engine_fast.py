"""The CPU engine equals the reference for every kind of Llama it accepts, and refuses the others."""

import json

import pytest
import torch

from speech_adapter.engine import RunOptions, TransformersEngine
from speech_adapter.engine_fast import FastEngine
from speech_adapter.llama import load_llama
from speech_core.errors import ConfigError

EVERYTHING = RunOptions(num_logits=40, hidden=True)


def ids_of(batch, length):
    return torch.randint(0, 259, (batch, length), generator=torch.Generator().manual_seed(7))


def test_float32_equals_the_reference(any_llama):
    reference = TransformersEngine(load_llama(any_llama)).run(ids_of(2, 40), options=EVERYTHING)
    fast = FastEngine.from_folder(any_llama, "float32").run(ids_of(2, 40), options=EVERYTHING)
    torch.testing.assert_close(fast.logits, reference.logits, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(fast.hidden, reference.hidden, atol=2e-4, rtol=1e-4)


def test_bfloat16_is_near_the_reference(any_llama):
    """Rounding to 8 bits of mantissa: within 5 % of the spread of the logits on average."""
    reference = TransformersEngine(load_llama(any_llama)).run(ids_of(2, 40), options=EVERYTHING).logits
    fast = FastEngine.from_folder(any_llama, "bfloat16").run(ids_of(2, 40), options=EVERYTHING).logits
    assert float((fast - reference).abs().mean()) < 0.05 * float(reference.std())


def test_long_sessions_grow_in_place(llama_folder):
    """Two hundred steps, over several sizes of the cache, equal one run over all."""
    engine, ids = FastEngine.from_folder(llama_folder, "float32"), ids_of(1, 200)
    whole = engine.run(ids, options=RunOptions(num_logits=200)).logits
    cache, logits, buffers = None, [], set()
    for position in range(200):
        output = engine.run(ids[:, position : position + 1], cache=cache)
        cache = output.cache
        logits.append(output.logits)
        buffers.add(cache.keys[0].data_ptr())
    torch.testing.assert_close(torch.cat(logits, 1), whole, atol=3e-4, rtol=1e-4)
    assert len(buffers) <= 200 // 64 + 2  # copied now and then, not at every step


def test_auto_chooses_a_dtype_that_runs(llama_folder):
    engine = FastEngine.from_folder(llama_folder)
    assert engine.dtype in (torch.float32, torch.bfloat16)
    assert engine.run(ids_of(1, 3)).logits.isfinite().all()


def test_weights_not_packed_give_the_same(llama_folder, monkeypatch):
    packed = FastEngine.from_folder(llama_folder, "float32").run(ids_of(1, 9)).logits
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    plain = FastEngine.from_folder(llama_folder, "float32").run(ids_of(1, 9)).logits
    torch.testing.assert_close(plain, packed, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention_bias": True}, "attention_bias"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"model_type": "qwen2"}, "model_type"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}}, "rope_type"),
    ],
)
def test_other_kinds_are_refused(llama_folder, tmp_path, change, message):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((llama_folder / name).read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ConfigError, match=message):
        FastEngine.from_folder(tmp_path, "float32")


def test_unknown_dtype_is_refused(llama_folder):
    with pytest.raises(ConfigError, match="float16"):
        FastEngine.from_folder(llama_folder, "float16")
