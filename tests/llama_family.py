"""The Llamas people use, as tiny random ones of the same build: heads, rope scaling, tied head, template.

Figures from the published config.json files: query heads to key-value heads, layers, tied embeddings, rope.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes import TinyLlama, save_byte_tokenizer

SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
)
END_TOKENS = ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")
TEMPLATE = Path(__file__).parent / "data" / "chat_templates" / "llama3.jinja"


@dataclass(frozen=True)
class FamilyMember:
    """A published size and the tiny one that stands for it."""

    num_heads: int
    num_kv_heads: int
    tied: bool
    rope_factor: float  # of the "llama3" scaling
    today: str = "'26 Jul 2024'"  # in the chat template: 3.2 asks the clock

    def tiny(self) -> TinyLlama:
        """Its build, with the same ratio of heads and a context of hundreds."""
        group = self.num_heads // self.num_kv_heads
        rope = {
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": self.rope_factor,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
        return TinyLlama(
            d_model=32 if group != 3 else 24,
            num_heads=group * (2 if group < 8 else 1),
            num_kv_heads=2 if group < 8 else 1,
            tied=self.tied,
            rope=rope,
            vocab_size=len(SPECIAL) + 256,
            max_positions=2048,
        )

    def save(self, folder: Path) -> Path:
        """Weights, tokenizer, chat template and generation settings in the usual layout."""
        self.tiny().save(folder)
        save_byte_tokenizer(folder, SPECIAL)
        names = {"bos_token": SPECIAL[0], "eos_token": "<|eot_id|>", "pad_token": SPECIAL[2]}
        settings = {**names, "tokenizer_class": "PreTrainedTokenizerFast"}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        (folder / "chat_template.jinja").write_text(TEMPLATE.read_text().replace("(DAY)", self.today))
        ends: dict[str, Any] = {"eos_token_id": [SPECIAL.index(token) for token in END_TOKENS]}
        (folder / "generation_config.json").write_text(json.dumps({**ends, "bos_token_id": 0}))
        return folder


FAMILY = {
    "Llama-3.1-8B": FamilyMember(32, 8, tied=False, rope_factor=8.0),
    "Llama-3.1-70B": FamilyMember(64, 8, tied=False, rope_factor=8.0),
    "Llama-3.2-1B": FamilyMember(32, 8, tied=True, rope_factor=32.0, today="strftime_now('%d %b %Y')"),
    "Llama-3.2-3B": FamilyMember(24, 8, tied=True, rope_factor=32.0, today="strftime_now('%d %b %Y')"),
    "Llama-3.3-70B": FamilyMember(64, 8, tied=False, rope_factor=8.0),
}
