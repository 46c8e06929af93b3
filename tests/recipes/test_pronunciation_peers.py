"""Peers that read unknown words."""

import math

import numpy as np
import pytest

from recipes.tables.pronunciation_peers import g2p_en_reader, hibari_reader
from tts_frontend.languages.en.phones import PHONE_IDS


def test_the_network_of_g2p_en_is_a_gated_recurrent_unit(tmp_path):
    """The first symbol against the formula of Cho et al. (2014) written out."""
    random, width = np.random.default_rng(0), 6
    shapes = {"enc_emb": (29, width), "dec_emb": (74, width), "fc_w": (74, width), "fc_b": (74,)}
    for part in ("enc", "dec"):
        shapes |= {f"{part}_w_ih": (3 * width, width), f"{part}_w_hh": (3 * width, width)}
        shapes |= {f"{part}_b_ih": (3 * width,), f"{part}_b_hh": (3 * width,)}
    weights = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    np.savez(tmp_path / "checkpoint20.npz", **weights)

    def step(part: str, x: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        inner = weights[f"{part}_w_ih"] @ x + weights[f"{part}_b_ih"]
        outer = weights[f"{part}_w_hh"] @ hidden + weights[f"{part}_b_hh"]
        reset, update = (1 / (1 + np.exp(-(inner + outer)[k * width : (k + 1) * width])) for k in (0, 1))
        new = np.tanh(inner[2 * width :] + reset * outer[2 * width :])
        return np.asarray((1 - update) * new + update * hidden)

    hidden = np.zeros(width)
    for number in (3 + 2, 3 + 0, 2):  # c, a, end
        hidden = step("enc", weights["enc_emb"][number], hidden)
    first = int((weights["fc_w"] @ step("dec", weights["dec_emb"][2], hidden) + weights["fc_b"]).argmax())
    found = g2p_en_reader(tmp_path / "checkpoint20.npz")("ca")
    symbols = sorted([*(phone for phone in PHONE_IDS if phone != "SIL"), "UW"])
    assert len(symbols) == 70
    assert math.isfinite(first)
    assert len(found) <= 20
    if first >= 4:
        assert found[0] == symbols[first - 4]


def test_the_network_of_hibari():
    pytest.importorskip("hibari")
    assert hibari_reader()("hello")[0] == "HH"
    assert all(phone in PHONE_IDS for phone in hibari_reader()("Tchaikovsky"))
