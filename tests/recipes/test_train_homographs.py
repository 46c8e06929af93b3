"""The homograph recipe learns readings that a neighbour decides; the scores and the component follow."""

import pytest
import torch
from accelerate.state import AcceleratorState

from recipes import (
    pack_pronunciation,
    prepare_homographs,
    prepare_lexicon,
    score_homographs,
    train_homographs,
)
from recipes.data.homographs import read_homographs
from recipes.train_homographs import DataSource, load_examples, readings_of, surroundings_of
from speech_core.checkpoint import read_json
from speech_core.errors import InputError
from tests.fakes import TinyLlama
from tests.homograph_data import write_homographs
from tests.recipes.test_prepare_lexicon import sources  # noqa: F401  a fixture
from tts_frontend.frontend import phones_of
from tts_frontend.homographs import HomographsConfig
from tts_frontend.pronunciation import load_pronouncer

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def test_surroundings_are_what_the_front_end_sees(tmp_path):
    sentence = read_homographs(write_homographs(tmp_path), "train")[0]
    around = surroundings_of(sentence, HomographsConfig(("record/x",), words_before=2, words_after=2))
    assert around.text == "record"
    assert around.before == (("a", ","), ("the", ""))
    assert around.after == (("here", "."),)


def test_examples_allow_the_readings_of_their_word(tmp_path):
    folder = write_homographs(tmp_path)
    readings = readings_of(read_homographs(folder, "train"))
    assert readings[-2:] == ("*/noun", "*/verb")
    examples = load_examples(DataSource(folder, None), HomographsConfig(readings), "eval")
    assert bool(examples.allowed[torch.arange(36), examples.targets].all())
    assert examples.allowed.sum(1).tolist() == [2] * 36
    assert sorted(set(examples.shared.tolist())) == [-1, 0, 1]


def test_states_that_do_not_fit_are_refused(tmp_path):
    folder = write_homographs(tmp_path / "text")
    llama = TinyLlama().save(tmp_path / "llama")
    arguments = ["--text-dir", str(folder), "--llama", str(llama), "--out", str(tmp_path / "states")]
    prepare_homographs.main([*arguments, "--limit", "3", "--dtype", "float32"])
    sizes = HomographsConfig(readings_of(read_homographs(folder, "train")), d_llama=32)
    with pytest.raises(InputError, match="3 of 36 sentences"):
        load_examples(DataSource(folder, tmp_path / "states"), sizes, "train")


@pytest.mark.slow
def test_from_sentences_to_a_component(tmp_path, sources, capsys):  # noqa: F811
    text, llama = write_homographs(tmp_path / "text", repeats=12), TinyLlama().save(tmp_path / "llama")
    states = ["--states", str(tmp_path / "states")]
    base = ["--text-dir", str(text)]
    prepare_homographs.main([*base, "--llama", str(llama), "--out", states[1], "--dtype", "float32"])
    options = ["--max-steps", "40", "--learning-rate", "0.02", "--batch-size", "32", "--precision", "fp32"]
    for name, more in (("states", states), ("words", [])):
        AcceleratorState._reset_state(reset_partial_state=True)
        train_homographs.main([*base, *more, *options, "--run-dir", str(tmp_path / name)])
    models = [str(tmp_path / name / "export" / "homographs") for name in ("states", "words")]
    score_homographs.main([*base, *states, "--models", *models, "--out", str(tmp_path / "scores.json")])
    scores = {(one["system"], one["metric"]): one["value"] for one in read_json(tmp_path / "scores.json")}
    assert scores[("most frequent reading", "accuracy")] < 0.8
    assert scores[("words, 2 behind", "accuracy")] > 0.95
    assert scores[("states, 3 tokens behind", "balanced accuracy")] > 0.95
    assert "most frequent reading" in capsys.readouterr().out
    check_component(tmp_path, sources, models)


def check_component(folder, dictionaries, models) -> None:
    cmudict = ["--cmudict", str(dictionaries / "cmudict.dict.gz"), "--misaki", str(dictionaries)]
    prepare_lexicon.main([*cmudict, "--out", str(folder / "lexicon")])
    parts = ["--states", models[0], "--words", models[1], "--scores", str(folder / "scores.json")]
    where = ["--lexicon", str(folder / "lexicon"), "--text-dir", str(folder / "text")]
    pack_pronunciation.main([*where, *cmudict, *parts, "--out", str(folder / "component")])
    assert read_json(folder / "component" / "training.json")["scores"]
    pronouncer = load_pronouncer(folder / "component")
    for text, phones in (("the record here", "R EH1 K"), ("to record here", "R AH0 K")):
        groups = phones_of(text, pronouncer)
        assert phones in " ".join(phone.symbol for group in groups for phone in group.phones)
