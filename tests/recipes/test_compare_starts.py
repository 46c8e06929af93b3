"""The comparison of starts: whole pairs, equal options but for the start, a report of what is complete."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from accelerate.state import AcceleratorState

from recipes import compare_starts, pretrain_encoder
from recipes.compare_starts import PRETRAINED, SCRATCH, Run, RunConfig, arguments, planned_legs, planned_runs
from speech_core.errors import InputError
from tests.speech_data import SENTENCES, spoken, write_cache, write_llama

TINY = "--encoder-preset tiny --adapter-preset tiny --precision fp32 --batch-frames 2000"


def write_run(folder, wers: dict[int, float]) -> None:
    """The figures of a run, as the loop writes them."""
    folder.mkdir(parents=True)
    lines = [{"kind": "train", "step": 1, "loss": 5.0}]
    for step, wer in wers.items():
        lines.append(
            {
                "kind": "evaluation",
                "step": step,
                "train_s": 2.0 * step,
                "wer": wer,
                "held_out_ctc_loss": wer / 20,
            }
        )
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def encoder(tmp_path):
    folder = tmp_path / "speech_encoder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "training.json").write_text(json.dumps({"train_hours": 0.5, "audio_hours": 20.0}))
    return folder


def test_pairs_differ_in_the_start_alone(tmp_path):
    config = RunConfig(encoder=tmp_path / "enc", out=tmp_path, label_hours=(1.0, 0.0), seeds=(0, 3), steps=50)
    runs = planned_runs(config)
    assert len(runs) == len({run.name for run in runs}) == 8
    for scratch, pretrained in zip(runs[::2], runs[1::2], strict=True):
        assert (scratch.start, pretrained.start) == (SCRATCH, PRETRAINED)
        own, other = arguments(scratch, 50, config), arguments(pretrained, 50, config)
        assert other[-2:] == ["--encoder", str(tmp_path / "enc")]
        assert [a for a in other[:-2] if PRETRAINED not in a] == [a for a in own if SCRATCH not in a]
    assert arguments(runs[0], 50, RunConfig(more="--precision fp32"))[-2:] == ["--precision", "fp32"]


def test_the_start_from_nothing_goes_on_for_the_time_of_pretraining(tmp_path):
    config = RunConfig(label_hours=(1.0,), seeds=(0, 3), steps=50, extra_steps=30, evaluations=5)
    legs = planned_legs(config)
    assert [steps for _, steps in legs] == [50] * 4 + [80] * 2  # pairs first
    assert {run.start for run, _ in legs[4:]} == {SCRATCH}
    assert planned_legs(replace(config, extra_steps=0)) == legs[:4]
    first, later = (dict(pairwise(arguments(legs[0][0], steps, config))) for steps in (50, 80))
    assert (first["--max-steps"], later["--max-steps"]) == ("50", "80")
    for name, value in {"--evaluate-every-steps": "10", "--warmup-steps": "5"}.items():
        assert first[name] == later[name] == value  # one run, not two


def test_the_report_holds_complete_pairs_and_what_pretraining_cost(tmp_path, encoder):
    config = RunConfig(
        encoder=encoder, out=tmp_path, label_hours=(1.0, 0.0), seeds=(0, 1), steps=20, extra_steps=10
    )
    for seed, (scratch, pretrained) in enumerate([(90.0, 80.0), (94.0, 70.0)]):
        further = {30: scratch - 20} if seed == 0 else {}
        write_run(tmp_path / Run(SCRATCH, 1.0, seed).name, {10: 99.0, 20: scratch, **further})
        write_run(tmp_path / Run(PRETRAINED, 1.0, seed).name, {10: 98.0, 20: pretrained})
    write_run(tmp_path / Run(SCRATCH, 0.0, 0).name, {10: 97.0})  # cut short
    compare_starts.write_report(config)
    summary = (tmp_path / "starts.md").read_text()
    assert "| 1 | 2 | word error rate, % | 92.00 (90.00, 94.00) | 75.00 (80.00, 70.00) | 70.00 |" in summary
    assert "| 1 | 2 | held-out CTC loss per token | 4.60 (" in summary
    assert "phone" not in summary  # no dictionary was given
    assert "| all |" not in summary
    assert "0.50 h for 20.0 h of audio" in summary
    rows = (tmp_path / "starts.tsv").read_text().splitlines()
    assert len(rows) == 1 + 3 + 2 + 2 * 2
    assert (tmp_path / "starts.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_encoder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="holds no encoder"):
        compare_starts.compare(RunConfig(encoder=tmp_path, out=tmp_path))


@pytest.mark.slow
def test_a_comparison_runs_and_goes_on(tmp_path, capfd):
    AcceleratorState._reset_state(reset_partial_state=True)
    words = write_cache(tmp_path / "words", spoken(SENTENCES[:4]))
    llama = write_llama(tmp_path / "llama")
    paths = ["--caches", str(words), "--run-dir", str(tmp_path / "rq"), "--max-steps", "1"]
    pretrain_encoder.main(
        ["--preset", "tiny", "--learning-rate", "0.003", "--precision", "fp32", "--min-frames", "30", *paths]
    )
    config = ["--llama", str(llama), "--encoder", str(tmp_path / "rq" / "export" / "speech_encoder")]
    config += ["--caches", str(words), "--held-out", str(words), "--out", str(tmp_path / "starts")]
    config += ["--label-hours", "0", "--seeds", "0", "--steps", "2", "--evaluations", "2", "--more", TINY]
    compare_starts.main([*config, "--extra-steps", "1"])
    rows = (tmp_path / "starts" / "starts.tsv").read_text().splitlines()
    assert [row.split("\t")[2:4] for row in rows[1:]] == [
        *([SCRATCH, step] for step in "123"),
        *([PRETRAINED, step] for step in "12"),
    ]
    assert "| all | 1 | word error rate" in (tmp_path / "starts" / "starts.md").read_text()
