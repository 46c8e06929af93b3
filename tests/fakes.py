"""Small stand-ins that behave like the real parts: a random Llama, a byte tokenizer, a clock, a tone."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# Like SmolLM2's: ChatML, with a system turn of its own where the conversation has none.
TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a tiny Llama<|im_end|>\n{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


@dataclass(frozen=True)
class TinyLlama:
    """Sizes of a random Llama."""

    num_layers: int = 2
    d_model: int = 32
    d_feedforward: int = 48
    vocab_size: int = len(SPECIAL) + 256
    num_heads: int = 4
    num_kv_heads: int = 2
    tied: bool = True
    rope: dict[str, Any] = field(default_factory=lambda: {"rope_type": "default", "rope_theta": 10_000.0})
    seed: int = 1
    max_positions: int = 512

    def build(self) -> Any:
        """A transformers LlamaForCausalLM whose greedy answers vary (wide weights, few loops)."""
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(
            vocab_size=self.vocab_size,
            hidden_size=self.d_model,
            intermediate_size=self.d_feedforward,
            num_hidden_layers=self.num_layers,
            num_attention_heads=self.num_heads,
            num_key_value_heads=self.num_kv_heads,
            max_position_embeddings=self.max_positions,
            tie_word_embeddings=self.tied,
            rope_parameters=self.rope,
            initializer_range=0.4,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=2,
        )
        torch.manual_seed(self.seed)
        return LlamaForCausalLM(config).eval()

    def save(self, folder: Path) -> Path:
        """The same in a folder, with tokenizer and chat template."""
        model = self.build()
        folder.mkdir(parents=True, exist_ok=True)
        save_file(model.state_dict() if not self.tied else _without_head(model), folder / "model.safetensors")
        model.config.save_pretrained(folder)
        model.generation_config.save_pretrained(folder)
        save_byte_tokenizer(folder)
        return folder


def _without_head(model: Any) -> dict[str, torch.Tensor]:
    """Weights of a Llama whose head is its embedding matrix."""
    return {name: tensor for name, tensor in model.state_dict().items() if name != "lm_head.weight"}


def save_byte_tokenizer(folder: Path, special: tuple[str, ...] = SPECIAL) -> None:
    """A tokenizer with a token for every byte and some control tokens: these have the first ids.

    Its settings name the tokens and the template of SPECIAL.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: number for number, text in enumerate((*special, *letters))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in special])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": SPECIAL[1], "eos_token": SPECIAL[2], "pad_token": SPECIAL[2]}
    settings = {**names, "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


class FakeClock:
    """A clock that moves only when told."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        """Seconds since the start."""
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


def tone(
    frequency_hz: float, duration_s: float, sample_rate: int = 16_000, level: float = 0.3
) -> NDArray[np.float32]:
    """A sine, (samples,) float32."""
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    return (level * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)
