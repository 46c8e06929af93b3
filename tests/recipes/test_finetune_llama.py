"""The stage through the Llama: what learns, what stays, and that the loss falls."""

import importlib.util
import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from recipes import training_loop
from recipes.batches.mixture import MixtureConfig, Target
from recipes.data.features_cache import CacheItem, FeatureCacheWriter
from recipes.data.manifests import Utterance
from recipes.finetune_llama import RunConfig, build
from recipes.losses.ctc_targets import CtcTargets
from recipes.training_loop import LoopConfig
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS
from speech_adapter.ctc import CtcHead
from speech_adapter.model import SpeechModel, load_speech_model, read_token_embeddings, save_speech_model
from speech_adapter.prompts import Speech, recognition_turns
from speech_adapter.sequence import NO_LABEL
from speech_core.errors import ConfigError
from speech_encoder.config import ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder
from tests.fakes import TinyLlama


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    """A tiny Llama, a tiny speech model for it, and a cache of four items."""
    llama = TinyLlama().save(tmp_path / "llama")
    torch.manual_seed(0)
    sizes = ADAPTER_PRESETS["tiny"]
    ctc = CtcHead(sizes.ctc_vocabulary, sizes.d_llama)
    ctc.token_ids = torch.arange(3, 3 + sizes.ctc_vocabulary)
    ctc.bind(read_token_embeddings(llama))
    model = SpeechModel(SpeechEncoder(ENCODER_PRESETS["tiny"]), SpeechAdapter(sizes), ctc)
    stage = {"method": "CTC", "audio_hours": 0.0, "step": 0, "train_hours": 0.0}
    save_speech_model(tmp_path / "speech", model, stage)
    random = np.random.default_rng(0)
    items = [
        CacheItem(
            Utterance(str(number), "", text, "en", "none", 1.2, "test", "CC0"),
            random.normal(size=(120, 80)).astype(np.float16),
        )
        for number, text in enumerate(("a b", "ab ab", "b", "ba"))
    ]
    FeatureCacheWriter(tmp_path / "cache").write_shard(0, items)
    return {"llama": llama, "init": tmp_path / "speech", "cache": tmp_path / "cache", "run": tmp_path / "run"}


def config_for(parts: dict[str, Path], steps: int = 2, **changes) -> RunConfig:
    loop = LoopConfig(
        parts["run"], steps, learning_rate=0.05, warmup_steps=1, precision="fp32", average_decay=0.0
    )
    return RunConfig(loop, llama=parts["llama"], init=parts["init"], caches=(parts["cache"],), **changes)


@pytest.mark.parametrize(
    ("train", "changed"),
    [
        ("boundaries", {"boundaries"}),
        ("adapter", {"boundaries", "adapter"}),
        ("all", {"boundaries", "adapter", "encoder"}),
    ],
)
def test_only_what_was_asked_for_learns(parts: dict[str, Path], train: str, changed: set[str]) -> None:
    training_loop.run(build(config_for(parts, train=train)), config_for(parts).loop)
    before = load_speech_model(parts["init"], parts["llama"])
    after = load_speech_model(parts["run"] / "export", parts["llama"])
    found = set()
    for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        if not torch.equal(old, new):
            found.add("boundaries" if name.endswith("boundaries") else name.split(".")[0])
    assert found - {"ctc"} == changed


def test_boundaries_learn_on_text_alone(parts: dict[str, Path]) -> None:
    config = config_for(parts, steps=40, text_share=1.0)
    task = build(config)
    batch = next(iter(task.batches))
    with torch.no_grad():
        before = float(task.model(batch)[0])
    training_loop.run(task, config.loop)
    with torch.no_grad():
        after = float(task.model(batch)[0])
    assert after < 0.9 * before


def test_joined_and_disturbed_texts_make_other_sequences(parts: dict[str, Path]) -> None:
    clean = build(config_for(parts, text_share=1.0))
    disturbed = build(config_for(parts, text_share=1.0, text_join=4, text_noise=0.5, text_mix=0.3))
    batch = next(iter(clean.batches))
    with torch.no_grad():
        assert float(clean.model(batch)[0]) != float(disturbed.model(batch)[0])
        assert float(disturbed.model(batch)[0]) == float(disturbed.model(batch)[0])


def test_text_is_written_as_the_ctc_head_hears_it(parts: dict[str, Path]) -> None:
    model = build(config_for(parts)).model
    tokenizer = model._llama.tokenizer
    letters = sorted({token for letter in "hot " for token in tokenizer.encode(letter)})
    model._ctc_targets = CtcTargets(Tokenizer.from_file(str(parts["llama"] / "tokenizer.json")), letters)
    for text in ("hot", "to tooth", "hoot toot"):
        assert tokenizer.decode(model._written(text)) == text
        assert set(model._written(text)) <= set(letters)
    assert model._written("cold") == tokenizer.encode("cold")  # not to be written with those


def test_a_batch_in_which_nothing_is_heard_teaches_nothing(parts: dict[str, Path]) -> None:
    task = build(config_for(parts))
    batch = next(iter(task.batches))
    silent = replace(batch, texts=[None] * len(batch.texts))
    loss, figures = task.model(silent)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert math.isnan(figures["answer_loss"])
    gradient = task.model.speech.adapter.boundaries.grad
    assert gradient is not None
    assert not gradient.any()


def test_the_record_keeps_the_stages_before(parts: dict[str, Path]) -> None:
    task = build(config_for(parts))
    assert [stage["method"] for stage in task.earlier] == ["CTC"]


def test_boundaries_can_come_from_another_run(parts: dict[str, Path], tmp_path: Path) -> None:
    training_loop.run(build(config_for(parts)), config_for(parts).loop)
    learned = load_speech_model(parts["run"] / "export", parts["llama"])
    begun = build(config_for({**parts, "run": tmp_path / "second"}, boundaries=parts["run"] / "export"))
    first = load_speech_model(parts["init"], parts["llama"])
    assert torch.equal(begun.model.speech.adapter.boundaries, learned.adapter.boundaries)
    assert not torch.equal(first.adapter.boundaries, learned.adapter.boundaries)
    assert torch.equal(begun.model.speech.adapter.project.weight, first.adapter.project.weight)
    assert len(begun.earlier) == 2


def test_an_unknown_part_is_refused(parts: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="boundaries, adapter, all"):
        config_for(parts, train="llama")


def test_a_mixture_teaches_every_task(parts: dict[str, Path], tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    tasks = [
        ({}, {}),
        ({"en": "one two"}, {"task": "translation", "to": "en"}),
        ({}, {"task": "dialogue", "answer": "fine"}),
    ]
    items = [
        CacheItem(
            Utterance(str(number), "", "eins zwei", "de", "none", 1.2, "test", "CC0", *tasks[number % 3]),
            random.normal(size=(120, 80)).astype(np.float16),
        )
        for number in range(9)
    ]
    FeatureCacheWriter(tmp_path / "mixed").write_shard(0, items)
    config = config_for({**parts, "cache": tmp_path / "mixed"}, mixture=MixtureConfig(0.5, 0.3, 0.2))
    task = build(config)
    prompts = set()
    for batch in itertools.islice(task.batches, 12):
        for target in task.model._mixed_targets(task.model._speech_parts(batch, torch.Generator())[0], batch):
            assert target is not None
            prompts.add((target.turns[0].parts[0], target.answer))
    assert prompts == {
        ("Repeat after me in German:", "eins zwei"),
        ("Translate the following sentence into English:", "one two"),
        ("", "fine"),
    }
    training_loop.run(task, config.loop)
    assert (parts["run"] / "export" / "speech_adapter" / "model.safetensors").is_file()


def test_boundaries_learn_a_mixture_from_text(parts: dict[str, Path], tmp_path: Path) -> None:
    cache = dialogue_cache(tmp_path / "dialogue", "de")
    mixture = MixtureConfig(0.0, 0.0, 1.0, dialogue_distribution=1.0)
    config = config_for({**parts, "cache": cache}, steps=30, text_share=1.0, mixture=mixture)
    task = build(config)
    batch = next(iter(task.batches))
    with torch.no_grad():
        before, figures = task.model(batch)
    assert figures["divergence"] == pytest.approx(float(before))
    training_loop.run(task, config.loop)
    with torch.no_grad():
        assert float(task.model(batch)[0]) < 0.9 * float(before)


@pytest.mark.parametrize(("language", "kept"), [("en", True), ("de", False)])
def test_the_ctc_loss_is_of_the_language_of_the_prompt(
    parts: dict[str, Path], tmp_path: Path, language: str, kept: bool
) -> None:
    cache = dialogue_cache(tmp_path / "dialogue", language)
    config = config_for(
        {**parts, "cache": cache}, train="adapter", ctc_weight=0.5, mixture=MixtureConfig(0.0, 0.0, 1.0)
    )
    task = build(config)
    loss, figures = task.model(next(iter(task.batches)))
    assert math.isnan(figures["ctc_loss"]) is not kept
    expected = figures["answer_loss"] + (0.5 * figures["ctc_loss"] if kept else 0.0)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)


def test_the_end_of_a_cut_answer_is_not_learned(parts: dict[str, Path]) -> None:
    model = build(config_for(parts)).model
    whole = Target(recognition_turns(Speech(torch.zeros(2, 32)), "English"), "a b")
    ids = [model._sequence(one.turns, one).labels for one in (whole, replace(whole, ends=False))]
    assert ids[0][ids[0] != NO_LABEL].tolist() == [*ids[1][ids[1] != NO_LABEL].tolist(), model._end]


def dialogue_cache(folder: Path, language: str) -> Path:
    """Four spoken prompts with answers."""
    random = np.random.default_rng(2)
    items = [
        CacheItem(
            Utterance(
                *(str(number), "", text, language, "none", 1.2, "test", "CC0", {}),
                {"task": "dialogue", "answer": "fine"},
            ),
            random.normal(size=(120, 80)).astype(np.float16),
        )
        for number, text in enumerate(("a b", "ab ab", "b", "ba"))
    ]
    FeatureCacheWriter(folder).write_shard(0, items)
    return folder


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.filterwarnings("ignore")
def test_the_adapter_learns_through_a_llama_of_few_bits(parts: dict[str, Path], bits: int) -> None:
    pytest.importorskip("bitsandbytes")
    config = config_for(parts, steps=1, train="adapter", llama_bits=bits)
    training_loop.run(build(config), config.loop)
    before = load_speech_model(parts["init"], parts["llama"]).adapter
    after = load_speech_model(parts["run"] / "export", parts["llama"]).adapter
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    assert not any(torch.equal(old, new) for old, new in pairs)


def test_few_bits_need_their_library(parts: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    absent = {"bitsandbytes"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else find_spec(name))
    with pytest.raises(ConfigError, match="4 bit loading needs bitsandbytes"):
        build(config_for(parts, llama_bits=4))
