"""A whole stack of the real parts, tiny and with random weights: a Llama folder and a bundle for it."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from llama_speech.bundle import BundleInfo, write_manifest
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS
from speech_adapter.ctc import CtcHead
from speech_adapter.model import SpeechModel, read_token_embeddings, save_speech_model
from speech_encoder.config import ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder

WIDTH, LAYERS, HEADS, FEED_FORWARD = 32, 2, 2, 64
SPECIAL = ("<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_llama(folder: Path) -> Path:
    """A two-layer LlamaForCausalLM over bytes, with a chat template."""
    folder.mkdir(parents=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: place for place, letter in enumerate(letters)}
    vocabulary["n"], vocabulary["Ġ"] = vocabulary["Ġ"], vocabulary["n"]  # what the random head likes: words
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    end = tokenizer.token_to_id(SPECIAL[1])
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": size,
        "hidden_size": WIDTH,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 2048,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "eos_token_id": end,
    }
    special = {"eos_token": SPECIAL[1], "pad_token": SPECIAL[1], "chat_template": TEMPLATE}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(special))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": end}))
    save_file(_llama_weights(size), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _llama_weights(vocab_size: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, generator=random).mul(columns**-0.5)

    weights = {"model.embed_tokens.weight": matrix(vocab_size, WIDTH), "model.norm.weight": torch.ones(WIDTH)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            weights[f"{name}.self_attn.{part}.weight"] = matrix(WIDTH, WIDTH)
        for part in ("gate_proj", "up_proj"):
            weights[f"{name}.mlp.{part}.weight"] = matrix(FEED_FORWARD, WIDTH)
        weights[f"{name}.mlp.down_proj.weight"] = matrix(WIDTH, FEED_FORWARD)
        for part in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{name}.{part}.weight"] = torch.ones(WIDTH)
    return weights


def write_bundle(folder: Path, llama: Path) -> Path:
    """A bundle of tiny encoder, adapter and CTC head that hears letters, spaces and the like at random."""
    torch.manual_seed(1)
    config = ADAPTER_PRESETS["tiny"]
    ctc = CtcHead(config.ctc_vocabulary, config.d_llama)
    tokenizer = Tokenizer.from_file(str(llama / "tokenizer.json"))
    letters = [tokenizer.token_to_id(letter) for letter in "ĠabcdefghijklmnopqrstuvwxyzĠ.,'"]
    ctc.token_ids.copy_(torch.tensor((letters * 4)[: config.ctc_vocabulary]))
    ctc.bind(read_token_embeddings(llama))
    ctc.start(torch.ones(config.ctc_vocabulary), blank_share=0.3)
    model = SpeechModel(SpeechEncoder(ENCODER_PRESETS["tiny"]), SpeechAdapter(config), ctc)
    save_speech_model(folder, model.eval(), {"data": "none"})
    write_manifest(folder, BundleInfo("tiny", "0", languages=("en", "es")))
    return folder
