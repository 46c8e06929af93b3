"""Other systems that read unknown words, for comparison: the networks of g2p-en and of hibari-tts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tts_frontend.languages.en.phones import CONSONANTS, VOWELS, canonical, from_ipa

Phones = tuple[str, ...]
Read = Callable[[str], Phones]

_MOST_PHONES = 20  # as g2p-en stops


def _g2p_en_symbols() -> list[str]:
    """Its output symbols in their order: four control symbols, then ARPAbet in alphabetical order."""
    symbols = [vowel + stress for vowel in VOWELS for stress in "012"]
    return ["<pad>", "<unk>", "<s>", "</s>", *sorted([*symbols, *CONSONANTS, "UW"])]


def g2p_en_reader(checkpoint: Path) -> Read:
    """The recurrent network of g2p-en 2.1.0 (checkpoint20.npz inside its wheel), greedy as it is there."""
    weights = {name: torch.from_numpy(value).float() for name, value in np.load(checkpoint).items()}
    encoder, decoder = _cell(weights, "enc"), _cell(weights, "dec")
    letters = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
    symbols = _g2p_en_symbols()

    @torch.inference_mode()
    def read(word: str) -> Phones:
        hidden = torch.zeros(1, encoder.hidden_size)
        for letter in [*word.lower(), "</s>"]:
            number = letters.index(letter) if letter in letters else 1
            hidden = encoder(weights["enc_emb"][number][None], hidden)
        found, number = [], symbols.index("<s>")
        for _ in range(_MOST_PHONES):
            hidden = decoder(weights["dec_emb"][number][None], hidden)
            number = int((hidden @ weights["fc_w"].T + weights["fc_b"]).argmax())
            if symbols[number] == "</s>":
                break
            found.append(symbols[number])
        return canonical([symbol for symbol in found if symbol[0] != "<"])

    return read


def _cell(weights: dict[str, Tensor], name: str) -> nn.GRUCell:
    cell = nn.GRUCell(weights[f"{name}_w_ih"].shape[1], weights[f"{name}_w_hh"].shape[1])
    parts = {"weight_ih": "w_ih", "weight_hh": "w_hh", "bias_ih": "b_ih", "bias_hh": "b_hh"}
    cell.load_state_dict({own: weights[f"{name}_{theirs}"] for own, theirs in parts.items()})
    return cell


def hibari_reader() -> Read:
    """The network of hibari-tts for words its lexicon lacks; it learnt from readings of espeak-ng."""
    from hibari.g2p.oov import OOV

    network = OOV()
    return lambda word: canonical(from_ipa(network(word) or ""))
