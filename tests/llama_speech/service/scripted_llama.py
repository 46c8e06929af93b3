"""A Llama that says foreseeable things: by its weights each token follows from the one before.

It is a real `LlamaForCausalLM` for the real engine, so clients can be led through a conversation: a short
answer first, then long ones, and a call of `get_time` once functions are offered and two turns were
answered.
"""

import json
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.fakes import SPECIAL, TinyLlama

CALL = '{"name": "get_time", "parameters": {"city": "Rome"}}'
SHORT = ["one ", "two ", "three ", "four ", "five "]
LONG = [f"word{number} " for number in range(400)]
TOLD = ["It ", "is ", "noon. "]
_CHAINS = {"<short>": SHORT, "<long>": LONG, "<told>": TOLD, "<call>": [CALL]}
_TEMPLATE = (
    "{% if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.tool_calls %}{{ message.tool_calls | tojson }}{% else %}{{ message.content }}{% endif %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% set turns = messages | selectattr('role', 'equalto', 'user') | list | length %}"
    "{% if messages[-1].role == 'tool' %}<told>"
    "{% elif tools and turns > 2 %}<call>"
    "{% elif turns > 1 %}<long>{% else %}<short>{% endif %}"
    "{% endif %}"
)


def write_scripted_llama(folder: Path) -> Path:
    """The Llama in a folder of the usual layout."""
    words = [word for chain in _CHAINS.values() for word in chain]
    size = len(SPECIAL) + 256 + len(_CHAINS) + len(words)
    llama = TinyLlama(
        num_layers=1, d_model=128, vocab_size=size, num_heads=2, tied=False, max_positions=4_096
    )
    llama.save(folder)
    ids = _add_tokens(folder, words)
    save_file(_weights(llama, ids), folder / "model.safetensors")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": _TEMPLATE}))
    return folder


def _add_tokens(folder: Path, words: list[str]) -> dict[str, int]:
    """Cues as control tokens and words as plain ones; the id of each."""
    from tokenizers import AddedToken, Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken(cue, special=True) for cue in _CHAINS])
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in words])
    tokenizer.save(str(folder / "tokenizer.json"))
    ids: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    return ids


def _weights(llama: TinyLlama, ids: dict[str, int]) -> dict[str, torch.Tensor]:
    """Layers that add nothing, and a head in which a token's row is the embedding of the one before."""
    weights = dict(llama.build().state_dict())
    for name in weights:
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weights[name] = torch.zeros_like(weights[name])
    embeddings = torch.nn.functional.normalize(weights["model.embed_tokens.weight"], dim=-1)
    head = torch.zeros_like(embeddings)
    for cue, chain in _CHAINS.items():
        texts = [cue, *chain, SPECIAL[2]]
        for before, after in pairwise(texts):
            head[ids[after]] += embeddings[ids[before]]
    return {**weights, "model.embed_tokens.weight": embeddings, "lm_head.weight": head}
