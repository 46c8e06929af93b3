"""Fine-tuning by CTC from the command line: it learns to spell tone words, resumes exactly, and exports."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recipes import finetune_speech, pretrain_encoder
from recipes.data.features_cache import FeatureCache
from recipes.finetune_speech import RunConfig, random_chunking
from recipes.loop import options
from speech_adapter.model import load_speech_model
from speech_core.checkpoint import read_json
from speech_encoder.features import log_mel
from tests.recipes.test_teacher_states import write_states
from tests.speech_data import SENTENCES, ctc_log_probs, recorded, spoken, tone_words, write_cache, write_llama

pytestmark = pytest.mark.usefixtures("fresh_accelerator")

SOUNDS = {"a": "AH0", "b": "B", "c": "K", "d": "D", "e": "EH1", "f": "F"}
TINY = [
    "--encoder-preset",
    "tiny",
    "--adapter-preset",
    "tiny",
    "--precision",
    "fp32",
    "--log-every-steps",
    "1",
]


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return write_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("words"), spoken())


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The clips of samples/, one of them without its text."""
    (audio, _), *others = recorded()
    return write_cache(tmp_path_factory.mktemp("real"), [(audio, None), *others])


def arguments(llama, caches, run_dir, *more: str) -> list[str]:
    paths = ["--llama", str(llama), "--caches", *map(str, caches), "--run-dir", str(run_dir)]
    rates = ["--learning-rate", "0.003", "--warmup-steps", "10", "--batch-frames", "3000"]
    return [*paths, *rates, *TINY, *more]


def finetune(llama, caches, run_dir, *more: str) -> None:
    finetune_speech.main(arguments(llama, caches, run_dir, *more))


def build(llama, caches, run_dir, *more: str):
    run_dir.mkdir(parents=True, exist_ok=True)
    steps = ["--max-steps", "1"]
    return finetune_speech.build(
        options.parse(RunConfig, "", arguments(llama, caches, run_dir, *steps, *more))
    )


def lines(run_dir, kind: str = "train") -> list[dict]:
    found = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


def without_times(line: dict) -> dict:
    return {name: value for name, value in line.items() if name not in ("train_s", "times_real_time")}


def test_a_run_on_real_speech_writes_figures_and_a_usable_model(llama, real, cache, tmp_path):
    more = ["--max-steps", "12", "--held-out", str(real), str(cache), "--evaluate-every-steps", "6"]
    finetune(llama, [real, cache], tmp_path, *more)
    train = lines(tmp_path)
    assert train[-1]["loss"] < train[0]["loss"]
    assert {"ctc_loss", "auxiliary_loss", "gradient_norm"} <= set(train[0])
    evaluation = lines(tmp_path, "evaluation")
    assert [line["step"] for line in evaluation] == [6, 12]
    assert {"wer", f"wer_{real.name}", f"wer_{cache.name}"} <= set(evaluation[0])
    model = load_speech_model(tmp_path / "export", llama)
    log_probs, lengths = ctc_log_probs(model, torch.randn(1, 90, 80), torch.tensor([90]))
    assert log_probs.shape == (1, int(lengths), 1 + len(model.ctc.token_ids))
    record = read_json(tmp_path / "export" / "speech_adapter" / "training.json")
    assert record["method"] == "CTC"
    assert [source["cache"] for source in record["sources"]] == [real.name, cache.name]
    assert read_json(tmp_path / "run.json")["llama"] == str(llama)


def test_resuming_equals_an_uninterrupted_run(llama, cache, tmp_path):
    finetune(llama, [cache], tmp_path / "whole", "--max-steps", "8")
    finetune(llama, [cache], tmp_path / "parts", "--max-steps", "3")
    finetune(llama, [cache], tmp_path / "parts", "--max-steps", "8")
    whole, parts = ([without_times(line) for line in lines(tmp_path / name)] for name in ("whole", "parts"))
    assert parts == whole
    for component in ("speech_encoder", "speech_adapter"):
        weights = [
            (tmp_path / name / "export" / component / "model.safetensors").read_bytes()
            for name in ("whole", "parts")
        ]
        assert weights[0] == weights[1]


def test_a_teacher_is_learned_from_and_leaves_no_trace(llama, tmp_path):
    folder = write_cache(tmp_path / "words", spoken())
    write_states(folder, 0)
    more = ["--max-steps", "6", "--teacher-weight", "2"]
    finetune(llama, [folder], tmp_path / "whole", *more)
    losses = [line["teacher_loss"] for line in lines(tmp_path / "whole")]
    assert losses[-1] < losses[0]
    finetune(llama, [folder], tmp_path / "parts", "--max-steps", "3", "--teacher-weight", "2")
    finetune(llama, [folder], tmp_path / "parts", *more)
    whole, parts = ([without_times(line) for line in lines(tmp_path / name)] for name in ("whole", "parts"))
    assert parts == whole
    record = read_json(tmp_path / "whole" / "export" / "speech_adapter" / "training.json")
    assert record["method"] == "CTC (states of Whisper whisper)"
    names = load_file(tmp_path / "whole" / "export" / "speech_encoder" / "model.safetensors").keys()
    assert not [name for name in names if "teacher" in name]
    plain = build(llama, [folder], tmp_path / "plain")
    assert plain.model.teacher is None
    assert next(iter(plain.batches)).teacher is None


def test_phones_of_a_dictionary_are_learned(llama, tmp_path):
    folder = write_cache(tmp_path / "words", spoken())
    dictionary = tmp_path / "words.dict"
    words = {word for text in SENTENCES for word in text.split()}
    dictionary.write_text(
        "".join(f"{word} {' '.join(SOUNDS[letter] for letter in word)}\n" for word in words)
    )
    more = ["--max-steps", "8", "--dictionary", str(dictionary), "--no-spec-augment"]
    more += ["--held-out", str(folder)]
    finetune(llama, [folder], tmp_path / "run", *more)
    losses = [line["dictionary_loss"] for line in lines(tmp_path / "run")]
    assert losses[-1] < losses[0]
    (evaluation,) = lines(tmp_path / "run", "evaluation")
    assert evaluation["held_out_phone_loss"] < losses[0]
    assert evaluation["phone_error_rate"] > 0
    task = build(llama, [folder], tmp_path / "run", *more)
    assert len([p for group in task.parameter_groups(1.0) for p in group["params"]]) == len(
        list(task.model.parameters())
    )


@pytest.mark.slow
def test_a_few_utterances_are_learned_by_heart(llama, cache, tmp_path):
    more = ["--max-steps", "260", "--decay-steps", "60", "--average-decay", "0", "--held-out", str(cache)]
    finetune(llama, [cache], tmp_path, *more, "--no-spec-augment", "--learning-rate", "0.006")
    assert lines(tmp_path, "evaluation")[-1]["wer"] == 0.0
    model = load_speech_model(tmp_path / "export", llama).eval()
    for number, text in enumerate(SENTENCES):
        features = log_mel(torch.from_numpy(tone_words(text, seed=number)), model.encoder.config.features)
        log_probs, lengths = ctc_log_probs(model, features[None], torch.tensor([len(features)]))
        (found,) = model.ctc.greedy(log_probs, lengths)
        assert bytes_of(found.token_ids) == text


def bytes_of(token_ids: list[int]) -> str:
    """Text of byte tokens, as the Llama's own tokenizer writes them."""
    from tokenizers import decoders, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    return str(decoders.ByteLevel().decode([letters[number - 3] for number in token_ids]))


def test_a_run_goes_on_from_another_with_its_tokens(llama, cache, real, tmp_path):
    finetune(llama, [cache], tmp_path / "first", "--max-steps", "2")
    task = build(llama, [real], tmp_path / "second", "--init", str(tmp_path / "first" / "export"))
    first = load_speech_model(tmp_path / "first" / "export", llama)
    own = task.model.speech.state_dict()
    assert all(torch.equal(own[name], value) for name, value in first.state_dict().items())
    assert task.model.targets.token_ids == first.ctc.token_ids.tolist()
    task.export(task.model, tmp_path / "after", {"step": 0})
    record = read_json(tmp_path / "after" / "speech_adapter" / "training.json")
    assert [(stage["method"], stage["step"]) for stage in record["earlier"]] == [("CTC", 2)]


def test_a_run_goes_on_from_another_with_parts_of_words(llama, cache, real, tmp_path):
    finetune(llama, [cache], tmp_path / "first", "--max-steps", "2")
    more = ("--init", str(tmp_path / "first" / "export"), "--pieces", "20", "--least-count", "2")
    task = build(llama, [real], tmp_path / "second", *more)
    before = load_speech_model(tmp_path / "first" / "export", llama)
    assert len(task.model.speech.ctc.token_ids) == task.model.speech.adapter.config.ctc_vocabulary
    assert len(task.model.speech.ctc.token_ids) != len(before.ctc.token_ids)
    torch.testing.assert_close(task.model.speech.ctc.blank, before.ctc.blank)
    torch.testing.assert_close(task.model.speech.encoder.state_dict(), before.encoder.state_dict())


def test_a_pretrained_encoder_is_taken_with_its_normalisation(llama, cache, real, tmp_path):
    rates = ["--learning-rate", "0.003", "--precision", "fp32", "--min-frames", "50"]
    run = ["--preset", "tiny", "--caches", str(real), "--run-dir", str(tmp_path / "rq"), "--max-steps", "1"]
    pretrain_encoder.main([*run, *rates, "--batch-frames", "2000"])
    folder = tmp_path / "rq" / "export" / "speech_encoder"
    task = build(llama, [cache], tmp_path / "ctc", "--encoder", str(folder))
    own, stored = task.model.speech.encoder.state_dict(), load_file(folder / "model.safetensors")
    assert all(torch.equal(own[name], value) for name, value in stored.items())
    task.export(task.model, tmp_path / "out", {"step": 0})
    record = read_json(tmp_path / "out" / "speech_adapter" / "training.json")
    assert [stage["method"] for stage in record["earlier"]] == ["BEST-RQ"]


def test_a_new_model_starts_as_the_text_is_distributed(llama, cache, tmp_path):
    model = build(llama, [cache], tmp_path).model.speech.requires_grad_(False)
    tokens = torch.bincount(torch.tensor([n for t in SENTENCES for n in t.encode()]), minlength=256)
    assert len(model.ctc.token_ids) == int((tokens > 0).sum())
    silent = model.ctc.log_probs(torch.zeros(1, 1, 32)).exp()[0, 0]
    assert float(silent[0]) == pytest.approx(0.8, rel=1e-4)
    letters = sorted((tokens[tokens > 0] + 1).tolist())
    assert sorted(silent[1:].tolist()) == pytest.approx([0.2 * n / sum(letters) for n in letters], rel=1e-3)


def weights_of(llama, caches, run_dir, *more: str) -> np.ndarray:
    config = options.parse(RunConfig, "", arguments(llama, caches, run_dir, "--max-steps", "1", *more))
    return finetune_speech._item_weights(config, FeatureCache(caches))


def test_items_without_text_too_long_or_wrongly_labelled_are_left_out(llama, real, cache, tmp_path):
    count = len(SENTENCES)
    assert weights_of(llama, [real, cache], tmp_path).tolist() == [0.0, 1.0, 1.0] + [1.0] * count
    more = ["--weights", "0.5", "3", "--max-item-frames", "600"]
    assert weights_of(llama, [real, cache], tmp_path, *more).tolist() == [0.0, 0.0, 0.5] + [3.0] * count
    lengths = FeatureCache([cache]).lengths
    spoken_in_time = [len(text) <= 6.7 * n / 100 for text, n in zip(SENTENCES, lengths, strict=True)]
    assert 0 < sum(spoken_in_time) < count
    found = weights_of(llama, [cache], tmp_path, "--most-letters-per-s", "6.7")
    assert found.tolist() == [float(kept) for kept in spoken_in_time]


def test_a_share_of_the_labels_can_be_taken(llama, cache, tmp_path):
    hours = FeatureCache([cache]).hours
    found = weights_of(llama, [cache], tmp_path, "--label-hours", str(hours / 2))
    kept = FeatureCache([cache]).lengths[found > 0].sum() / 360_000
    assert 0.2 * hours < kept <= hours / 2
    assert found.tolist() == weights_of(llama, [cache], tmp_path, "--label-hours", str(hours / 2)).tolist()


def test_padding_changes_no_loss(llama, cache, tmp_path):
    task = build(llama, [cache], tmp_path, "--no-spec-augment", "--chunk-share", "0.0")
    batch = next(iter(task.batches))
    poisoned = batch.features.clone()
    for row, length in zip(poisoned, batch.lengths.tolist(), strict=True):
        row[length:] = float("nan")
    model = task.model.eval()
    with torch.no_grad():
        clean, _ = model(batch)
        object.__setattr__(batch, "features", poisoned)
        assert torch.equal(model(batch)[0], clean)


def test_blocks_are_drawn_for_a_share_of_the_batches():
    generator = torch.Generator().manual_seed(0)
    drawn = [random_chunking(0.4, 2, generator) for _ in range(600)]
    blocks = [chunking for chunking in drawn if chunking]
    assert len(blocks) / 600 == pytest.approx(0.4, abs=4 * math.sqrt(0.24 / 600))
    assert {chunking.size for chunking in blocks} == set(range(16, 50, 2))
    assert min(c.left_context for c in blocks) >= 32
    assert max(c.left_context for c in blocks) <= 128
    assert all(c.left_context % 2 == 0 for c in blocks)
    assert random_chunking(0.0, 2, generator) is None
    assert random_chunking(1.0, 2, generator) is not None


def test_the_encoder_learns_at_a_rate_of_its_own(llama, cache, tmp_path):
    task = build(llama, [cache], tmp_path, "--encoder-rate", "0.25")
    groups = task.parameter_groups(1.0)
    scale = {id(p): group["scale"] for group in groups for p in group["params"]}
    assert len(scale) == sum(1 for _ in task.model.parameters())  # every parameter, once
    assert {scale[id(p)] for p in task.model.speech.encoder.parameters()} == {0.25}
    assert {scale[id(p)] for p in task.model.speech.adapter.parameters()} == {1.0}


def test_at_rate_zero_the_encoder_stays_and_can_learn_later(llama, cache, tmp_path):
    more = ["--encoder-rate", "0"]
    weights = tmp_path / "checkpoint" / "model.safetensors"
    finetune(llama, [cache], tmp_path, "--max-steps", "3", *more)
    before = load_file(weights)
    finetune(llama, [cache], tmp_path, "--max-steps", "6", *more)
    still = load_file(weights)
    finetune(llama, [cache], tmp_path, "--max-steps", "9")
    after = load_file(weights)
    encoder = [name for name in before if name.startswith("speech.encoder.layers")]
    adapter = "speech.adapter.project.weight"
    assert all(torch.equal(before[name], still[name]) for name in encoder)
    assert not torch.equal(before[adapter], still[adapter])
    assert sum(not torch.equal(still[name], after[name]) for name in encoder) > len(encoder) / 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--encoder-preset", "huge"], "huge"),
        (["--adapter-preset", "paper"], "paper_8b"),
        (["--weights", "1", "2"], "1 caches have 2 weights"),
    ],
)
def test_wrong_options_end_with_usage(llama, cache, tmp_path, wrong, words, capsys):
    with pytest.raises(SystemExit) as caught:
        finetune(llama, [cache], tmp_path, "--max-steps", "2", *wrong)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err
