"""Costs of training: counted operations against torch's own counter, sizes against the published ones."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from recipes.training_costs import LLAMAS, RunConfig, costs, main
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS
from speech_encoder.config import ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder


def cost(llama: str, stage: str, **changes):
    return next(one for one in costs(RunConfig(llamas=(llama,), **changes)) if one.stage == stage)


@pytest.mark.parametrize(
    ("llama", "parameters"),
    [
        ("smollm2-135m", 134_515_008),
        ("llama-3.2-1b", 1_235_814_400),
        ("llama-3.2-3b", 3_212_749_824),
        ("llama-3.1-8b", 8_030_261_248),
        ("llama-3.1-70b", 70_553_706_496),
    ],
)
def test_sizes_are_those_published(llama, parameters):
    assert LLAMAS[llama].num_parameters == parameters


def test_operations_are_those_torch_counts():
    """Four seconds through the small encoder and adapter, forward and backward; attention is left out."""
    torch.manual_seed(0)
    encoder, adapter = SpeechEncoder(ENCODER_PRESETS["small"]), SpeechAdapter(ADAPTER_PRESETS["small"])
    counter = FlopCounterMode(display=False)
    with counter:
        encodings, lengths = encoder(torch.randn(1, 400, 80), torch.tensor([400]))
        embeds, _ = adapter(encodings, lengths)
        embeds.sum().backward()
    table = 4096 * 576 * 4 * 12.5 / 1e9  # the CTC head, which is not run here
    counted = counter.get_total_flops() / 4 / 1e9
    assert cost("smollm2-135m", "ctc").gflop_per_s - table == pytest.approx(counted, rel=0.1)


def test_operations_of_a_frozen_llama_are_those_torch_counts():
    from transformers import LlamaConfig, LlamaForCausalLM

    size = LLAMAS["smollm2-135m"]
    config = LlamaConfig(
        hidden_size=size.d_model,
        intermediate_size=size.d_feedforward,
        num_hidden_layers=2,
        num_attention_heads=size.num_heads,
        num_key_value_heads=size.num_kv_heads,
        head_dim=size.d_head,
        vocab_size=64,
    )
    llama = LlamaForCausalLM(config).requires_grad_(False)
    counter = FlopCounterMode(display=False)
    with counter:
        embeds = torch.randn(1, 100, size.d_model, requires_grad=True)
        llama.model(inputs_embeds=embeds, use_cache=False).last_hidden_state.sum().backward()
    counted = counter.get_total_flops() / 100
    assert 4 * size.layer_weights * 2 / size.num_layers == pytest.approx(counted, rel=0.1)


def test_costs_grow_as_they_should():
    one = cost("llama-3.1-8b", "llama")
    assert cost("llama-3.1-8b", "llama", hours=2000.0).gpu_hours == pytest.approx(2 * one.gpu_hours)
    assert cost("llama-3.1-8b", "llama", utilization=0.175).price == pytest.approx(2 * one.price)
    assert cost("llama-3.1-70b", "llama").gpu_hours > 5 * one.gpu_hours
    assert cost("llama-3.1-70b", "best-rq").gpu_hours == cost("llama-3.2-1b", "best-rq").gpu_hours
    assert one.gpu_gb > cost("llama-3.1-8b", "ctc").gpu_gb + 2 * 8.0


def test_the_command_prints_a_table_or_json(capsys):
    main(["--llamas", "llama-3.1-8b"])
    assert capsys.readouterr().out.splitlines()[2].startswith("| llama-3.1-8b | best-rq | 1,203 M |")
    main(["--llamas", "llama-3.1-8b", "--json"])
    assert [one["stage"] for one in json.loads(capsys.readouterr().out)] == ["best-rq", "ctc", "llama"]


@pytest.mark.parametrize("wrong", [["--utilization", "2"], ["--hours", "0"], ["--llamas", "llama-9"]])
def test_wrong_options_end_with_usage(wrong):
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2
