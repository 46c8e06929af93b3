"""Loading a frozen Llama: folders, GGUF files, precision, and what goes wrong."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from speech_adapter.llama import LlamaOptions, convert_gguf, load_llama
from speech_adapter.prompts import Turn, render
from speech_core.errors import CheckpointError, ConfigError
from tests.fakes import TinyLlama
from tests.gguf_files import write_gguf

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ids():
    return torch.randint(3, 259, (2, 30), generator=torch.Generator().manual_seed(1))


def logits_of(llama, ids):
    with torch.inference_mode():
        return llama.model(input_ids=ids).logits.float()


def test_every_kind_loads_as_transformers_loads_it(any_llama, ids):
    theirs = LlamaForCausalLM.from_pretrained(any_llama, dtype=torch.float32)
    llama = load_llama(str(any_llama))
    with torch.inference_mode():
        assert torch.equal(logits_of(llama, ids), theirs(input_ids=ids).logits)
    assert (llama.d_model, llama.num_layers) == (32, theirs.config.num_hidden_layers)


def test_text_output_is_bit_identical_to_plain_llama(llama_folder):
    """The same conversation through the chat template and generation of transformers, and through ours."""
    messages = [{"role": "system", "content": ""}, {"role": "user", "content": "Wie geht's?"}]
    tokenizer = AutoTokenizer.from_pretrained(llama_folder)
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")[
        "input_ids"
    ]
    plain = LlamaForCausalLM.from_pretrained(llama_folder, dtype=torch.float32)
    llama = load_llama(llama_folder)
    (pieces,) = render(llama.tokenizer, [Turn("user", ("Wie geht's?",))])
    assert pieces == prompt[0].tolist()
    settings = {
        "max_new_tokens": 20,
        "do_sample": False,
        "output_logits": True,
        "return_dict_in_generate": True,
    }
    before = plain.generate(prompt, **settings)
    after = llama.model.generate(inputs_embeds=llama.embed(torch.tensor([pieces])), **settings)
    assert torch.equal(before.sequences[:, prompt.shape[1] :], after.sequences)
    assert all(torch.equal(one, two) for one, two in zip(before.logits, after.logits, strict=True))


def test_the_llama_is_frozen(llama, ids):
    assert not llama.model.training
    assert not any(parameter.requires_grad for parameter in llama.model.parameters())
    embeds = llama.embed(ids).requires_grad_()
    llama.logits(llama.hidden_states(embeds)).sum().backward()
    assert embeds.grad.abs().sum() > 0


def test_hidden_states_ignore_padding(llama, ids):
    embeds = llama.embed(ids)
    mask = torch.ones(2, 30, dtype=torch.bool)
    mask[1, 12:] = False
    states = llama.hidden_states(embeds, mask)
    alone = llama.hidden_states(embeds[1:, :12])
    torch.testing.assert_close(states[1, :12], alone[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        (LlamaOptions(dtype="bfloat16"), 0.05),
        (LlamaOptions(dtype="float16"), 0.01),
        (LlamaOptions(device_map="auto"), 0.0),
    ],
)
def test_precision_and_placement(llama_folder, llama, ids, options, tolerance):
    if options.device_map:
        pytest.importorskip("accelerate")
    expected = logits_of(llama, ids)
    error = (logits_of(load_llama(llama_folder, options), ids) - expected).abs().mean()
    assert float(error) <= tolerance * float(expected.std())


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 0.1), (4, 0.5)])
@pytest.mark.filterwarnings("ignore")
def test_loading_in_few_bits(tmp_path, ids, bits, tolerance):
    pytest.importorskip("bitsandbytes")
    folder = TinyLlama(d_model=64, d_feedforward=64, num_kv_heads=4).save(tmp_path)
    expected = logits_of(load_llama(folder), ids)
    llama = load_llama(folder, LlamaOptions(load_in_bits=bits))
    error = float((logits_of(llama, ids) - expected).abs().mean())
    assert 0 < error < tolerance * float(expected.std())
    assert "bitsandbytes" in type(llama.model.model.layers[0].mlp.up_proj).__module__


def test_few_bits_without_the_library(llama_folder, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "bitsandbytes" else find_spec(name, *rest),
    )
    with pytest.raises(ConfigError, match=r"pip install .*quantized"):
        load_llama(llama_folder, LlamaOptions(load_in_bits=8))


@pytest.mark.parametrize("change", [{"dtype": "int8"}, {"load_in_bits": 3}])
def test_impossible_options(change):
    with pytest.raises(ConfigError):
        LlamaOptions(**change)


@pytest.mark.parametrize("source", ["nowhere/at/all", "./nowhere", "no-such-llama.gguf", "/nowhere"])
def test_missing_sources_are_named(source):
    with pytest.raises(CheckpointError, match=source):
        load_llama(source)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_llama(tmp_path)


def test_another_kind_of_model_is_refused(tmp_path, llama_folder):
    from transformers import MistralConfig, MistralForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = MistralConfig(vocab_size=259, num_key_value_heads=2, **sizes)
    MistralForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="MistralForCausalLM, not LlamaForCausalLM"):
        load_llama(tmp_path)


@pytest.fixture(scope="module")
def original():
    """The Llama that is in the file."""
    return TinyLlama(vocab_size=260).build()


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory, original):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path, original)
    return path


def test_a_gguf_file_gives_the_same_llama(gguf_file, original, llama, ids, capfd):
    loaded = load_llama(gguf_file)
    with torch.inference_mode():
        expected = original(input_ids=ids).logits
    torch.testing.assert_close(logits_of(loaded, ids), expected, atol=1e-5, rtol=1e-5)
    assert loaded.tokenizer.encode("Grüße<|im_end|>") == llama.tokenizer.encode("Grüße<|im_end|>")
    assert loaded.tokenizer.encode("her")[1:] == [259]
    assert loaded.tokenizer.end_ids == {2}
    assert capfd.readouterr() == ("", "")  # no progress bars
    with pytest.raises(ConfigError, match="quantized already"):
        load_llama(gguf_file, LlamaOptions(load_in_bits=8))


def test_a_converted_gguf_is_a_folder_like_any_other(gguf_file, original, ids, tmp_path):
    with torch.inference_mode():
        expected = original(input_ids=ids).logits
    convert_gguf(gguf_file, tmp_path / "half")
    converted = load_llama(tmp_path / "half")
    assert converted.embedding_table.dtype == torch.float32  # stored in 16 bits, computed in 32
    assert float((logits_of(converted, ids) - expected).abs().mean()) < 0.01 * float(expected.std())
    convert_gguf(gguf_file, tmp_path / "full", torch.float32)
    full = load_llama(tmp_path / "full")
    torch.testing.assert_close(logits_of(full, ids), expected, atol=1e-5, rtol=1e-5)
    turns = [Turn("user", ("Hello",))]
    assert render(full.tokenizer, turns) == render(load_llama(gguf_file).tokenizer, turns)


def test_a_broken_gguf_is_refused(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(CheckpointError, match=r"broken\.gguf cannot be loaded"):
        load_llama(tmp_path / "broken.gguf")


@pytest.mark.slow
def test_a_broken_torchaudio_is_named(llama_folder, tmp_path):
    """A torchaudio like the one that breaks transformers beside a CPU build of torch: no import works."""
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text("raise OSError('libc10_cuda.so: cannot open')\n")
    info = tmp_path / "torchaudio-2.11.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torchaudio\nVersion: 2.11.0\n")
    code = "import sys; from speech_adapter.llama import load_llama; load_llama(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    result = subprocess.run(
        [sys.executable, "-c", code, str(llama_folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ConfigError: transformers cannot be imported because torchaudio" in result.stderr
    assert "pip uninstall torchaudio" in result.stderr
