"""Encoder, adapter and CTC head together: one model, two components on disk, beside a Llama of any make."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS
from speech_adapter.ctc import CtcHead
from speech_adapter.model import (
    EMBEDDINGS,
    SpeechModel,
    load_speech_model,
    read_token_embeddings,
    save_speech_model,
)
from speech_core.checkpoint import read_json
from speech_core.errors import CheckpointError
from speech_core.masks import Chunking
from speech_encoder.config import ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder
from tests.speech_data import ctc_log_probs
from tests.streaming_checks import batch_equals_single, by_steps, padding_does_not_leak

SIZES = ADAPTER_PRESETS["tiny"]
LLAMA_VOCABULARY = 259


@pytest.fixture
def llama(tmp_path):
    """A folder with the embedding matrix of a Llama."""
    folder = tmp_path / "llama"
    folder.mkdir()
    matrix = torch.randn(LLAMA_VOCABULARY, SIZES.d_llama, generator=torch.Generator().manual_seed(8))
    save_file({EMBEDDINGS: matrix.half(), "lm_head.weight": torch.zeros(2)}, folder / "model.safetensors")
    return folder


@pytest.fixture
def model(llama) -> SpeechModel:
    torch.manual_seed(0)
    ctc = CtcHead(SIZES.ctc_vocabulary, SIZES.d_llama)
    ctc.token_ids = torch.arange(10, 10 + SIZES.ctc_vocabulary)
    ctc.bind(read_token_embeddings(llama))
    ctc.start(torch.ones(SIZES.ctc_vocabulary))
    model = SpeechModel(SpeechEncoder(ENCODER_PRESETS["tiny"]), SpeechAdapter(SIZES), ctc)
    return model.requires_grad_(False).eval()


def features(frames: int) -> torch.Tensor:
    return torch.randn(frames, 80, generator=torch.Generator().manual_seed(frames))


def refusal(call) -> str:
    with pytest.raises(CheckpointError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_embeddings_are_read_alone_in_float32(llama):
    matrix = read_token_embeddings(llama)
    assert matrix.dtype == torch.float32
    assert torch.equal(matrix, load_file(llama / "model.safetensors")[EMBEDDINGS].float())


def test_embeddings_are_found_in_shards(llama):
    whole = read_token_embeddings(llama)
    (llama / "model.safetensors").rename(llama / "model-00002-of-00002.safetensors")
    index = {"weight_map": {EMBEDDINGS: "model-00002-of-00002.safetensors"}}
    (llama / "model.safetensors.index.json").write_text(json.dumps(index))
    assert torch.equal(read_token_embeddings(llama), whole)


def test_embeddings_of_a_real_llama_folder_are_those_the_model_uses(llama_folder):
    from speech_adapter.llama import load_llama

    ids = torch.arange(20)
    used = load_llama(llama_folder).embed(ids)
    assert torch.equal(read_token_embeddings(llama_folder)[:20], used.reshape(20, -1).float())


def test_a_folder_that_is_no_llama_is_refused(llama, tmp_path):
    assert "missing" in refusal(lambda: read_token_embeddings(tmp_path / "nowhere"))
    save_file({"other": torch.zeros(2)}, llama / "model.safetensors")
    assert "is it a Llama" in refusal(lambda: read_token_embeddings(llama))
    (llama / "model.safetensors").write_bytes(b"\x00" * 40)
    assert "damaged" in refusal(lambda: read_token_embeddings(llama))
    (llama / "model.safetensors.index.json").write_text('{"weight_map": {"other": "x"}}')
    assert "is it a Llama" in refusal(lambda: read_token_embeddings(llama))
    (llama / "model.safetensors.index.json").write_text("{")
    assert "not JSON" in refusal(lambda: read_token_embeddings(llama))


def test_saved_and_loaded_say_the_same(model, llama, tmp_path):
    save_speech_model(tmp_path / "out", model, {"step": 3})
    loaded = load_speech_model(tmp_path / "out", llama).eval().requires_grad_(False)
    batch, lengths = features(70)[None], torch.tensor([70])
    for a, b in zip(ctc_log_probs(loaded, batch, lengths), ctc_log_probs(model, batch, lengths), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(loaded.adapter.boundaries, model.adapter.boundaries)
    assert loaded.ctc.token_ids.tolist() == model.ctc.token_ids.tolist()
    for part in ("speech_encoder", "speech_adapter"):
        assert read_json(tmp_path / "out" / part / "training.json") == {"step": 3}
    stored = load_file(tmp_path / "out" / "speech_adapter" / "model.safetensors")
    assert not any("embeddings" in name for name in stored)  # the Llama is not copied


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_fewer_bits_change_little(model, llama, tmp_path, storage):
    save_speech_model(tmp_path / "out", model, {}, storage)
    loaded = load_speech_model(tmp_path / "out", llama).eval().requires_grad_(False)
    batch, lengths = features(70)[None], torch.tensor([70])
    exact, _ = model(batch, lengths)
    rounded, _ = loaded(batch, lengths)
    assert 0 < float((rounded - exact).square().mean()) < 1e-3 * float(exact.square().mean())


def test_another_llama_is_refused(model, llama, tmp_path):
    save_speech_model(tmp_path / "out", model, {})
    save_file({EMBEDDINGS: torch.zeros(300, 16)}, llama / "model.safetensors")
    line = refusal(lambda: load_speech_model(tmp_path / "out", llama))
    assert "width 32" in line
    assert "has 16" in line
    save_file({EMBEDDINGS: torch.zeros(40, 32)}, llama / "model.safetensors")
    assert "40 tokens" in refusal(lambda: load_speech_model(tmp_path / "out", llama))


@pytest.mark.parametrize("part", ["speech_encoder", "speech_adapter"])
def test_a_missing_component_is_refused(model, llama, tmp_path, part):
    save_speech_model(tmp_path / "out", model, {})
    (tmp_path / "out" / part / "model.safetensors").unlink()
    assert part in refusal(lambda: load_speech_model(tmp_path / "out", llama))


@pytest.mark.parametrize("chunking", [None, Chunking(4, 8)])
def test_batch_equals_single_and_padding_does_not_leak(model, chunking):
    def forward(x, lengths):
        return ctc_log_probs(model, x, lengths, chunking)

    items = [features(count) for count in (61, 1, 16, 0, 40)]
    batch_equals_single(forward, items, tolerance=1e-4)
    padding_does_not_leak(forward, items)


@pytest.mark.parametrize("frames", [0, 1, 15, 16, 17, 85])
def test_streaming_equals_offline_through_encoder_and_adapter(model, frames):
    def step(x, state):
        encodings, encoder = model.encoder.step(x, state[0], 8)
        embeds, adapter = model.adapter.step(encodings, state[1], 8)
        return embeds, (encoder, adapter)

    x = features(frames)[None]
    start = (model.encoder.init_state(1), model.adapter.init_state(1))
    streamed, _ = by_steps(step, start, x, 16)
    offline, _ = model(x, torch.tensor([frames]), Chunking(4, 8))
    torch.testing.assert_close(streamed, offline, atol=1e-5, rtol=1e-5)
