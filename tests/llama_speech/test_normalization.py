"""Choosing with the rules, with a tagger, and with a Llama's states beside it."""

import pytest
import torch

from llama_speech.bundle import BundleInfo, write_manifest
from llama_speech.normalization import (
    RULES_ALONE,
    Chooser,
    TextReader,
    load_chooser,
    load_tagger,
    normalize,
    states_of,
)
from speech_core.checkpoint import save_component
from speech_core.errors import BundleError, ConfigError
from tests.fakes import TinyLlama
from tts_frontend.config import NormalizerConfig, TaggerConfig
from tts_frontend.languages import load_language
from tts_frontend.normalizer_rules import spoken_text
from tts_frontend.tagger_model import TaggerModel

TEXT = "In 1984 he got 1984 votes (3-2). St. John St. No. 5, 2/3 cup."
RULES = tuple(rule.name for rule in load_language("en").inventory.rules)
CONFIG = TaggerConfig("en", RULES, num_rows=256, d_token=16, d_hidden=16, d_query=16, d_llama=32)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return TinyLlama().save(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    torch.manual_seed(0)
    model = TaggerModel(CONFIG)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    save_component(folder / "text_normalizer", model, CONFIG, {}, "float16")
    write_manifest(folder, BundleInfo("test", "1"))
    return folder


def test_rules_alone_are_the_default():
    assert normalize("It cost $5.") == "It cost five dollars."
    assert Chooser() == RULES_ALONE


def test_the_llama_changes_what_a_tagger_chooses(bundle, llama):
    config = NormalizerConfig()
    outputs = {
        normalize(TEXT, config),
        normalize(TEXT, config, load_chooser(bundle, with_llama=False)),
        normalize(TEXT, config, load_chooser(bundle, llama)),
    }
    assert len(outputs) == 3


def test_lines_are_read_one_by_one(bundle, llama):
    chooser = load_chooser(bundle, llama)
    reader = TextReader(NormalizerConfig(), chooser)
    pieces = [*reader.push("It is 5.\n"), *reader.push(""), *reader.push("At 6 km\n"), *reader.flush()]
    assert spoken_text(pieces).count("\n") == 2
    assert [p.start for p in pieces] == [0, *[p.end for p in pieces][:-1]]
    assert pieces[-1].end == len("It is 5.\nAt 6 km\n")


def test_explain_gives_the_odds_of_each_rule(bundle):
    reader = TextReader(NormalizerConfig(), load_chooser(bundle, with_llama=False), explain=True)
    pieces = [*reader.push("St. John"), *reader.flush()]
    odds = dict(pieces[0].odds)
    assert {"saint", "street"} <= set(odds)
    assert sum(odds.values()) == pytest.approx(1, abs=1e-4)


def test_a_llama_of_another_width_is_refused(bundle, tmp_path):
    other = TinyLlama(d_model=16).save(tmp_path)
    with pytest.raises(ConfigError, match="width 32"):
        states_of(other, load_tagger(bundle))


def test_a_bundle_without_a_tagger_says_so(tmp_path):
    (tmp_path / "x").write_text("")
    write_manifest(tmp_path, BundleInfo("test", "1"))
    with pytest.raises(BundleError, match="text_normalizer"):
        load_tagger(tmp_path)
