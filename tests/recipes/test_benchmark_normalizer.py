"""The speed recipe on a tiny Llama and a tagger of the same width."""

import json

import pytest
import torch

from llama_speech.bundle import BundleInfo, write_manifest
from recipes import benchmark_normalizer
from speech_core.checkpoint import save_component
from tests.fakes import TinyLlama
from tts_frontend.config import TaggerConfig
from tts_frontend.languages import load_language
from tts_frontend.tagger_model import TaggerModel


@pytest.mark.slow
def test_all_figures_are_there_and_positive(tmp_path, capsys):
    llama = TinyLlama().save(tmp_path / "llama")
    rules = tuple(rule.name for rule in load_language("en").inventory.rules)
    config = TaggerConfig("en", rules, num_rows=256, d_token=16, d_hidden=16, d_query=16, d_llama=32)
    torch.manual_seed(0)
    save_component(tmp_path / "bundle" / "text_normalizer", TaggerModel(config), config, {})
    write_manifest(tmp_path / "bundle", BundleInfo("test", "1"))
    pairs = tmp_path / "dev.tsv"
    pairs.write_text("In 1984 it cost $5 on 2/3.\tx\n" * 8)
    argv = ["--data", str(pairs), "--model", str(tmp_path / "bundle"), "--llama", str(llama)]
    benchmark_normalizer.main(argv)
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["rules_words_per_s"] > report["tagger_words_per_s"] > 0
    assert report["share"] == pytest.approx(
        report["normalizer_ms_per_token"] / report["llama_step_ms"], rel=0.05
    )
    assert 0 < report["start_rules_s"] < report["start_tagger_s"]
