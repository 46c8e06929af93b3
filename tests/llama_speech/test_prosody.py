"""Likelihood and errors of prosody models: by hand, and the command from options to table."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from llama_speech.bundle import read_bundle
from llama_speech.cli.main import main
from llama_speech.evaluation.prosody import (
    System,
    as_targets,
    error_sums,
    evaluate_prosody,
    given_sums,
    measure,
    own_sums,
    to_markdown,
    to_plain,
    with_speakers,
)
from llama_speech.evaluation.scores import BootstrapConfig
from prosody.items import ProsodySet, write_shard
from prosody.predictor import ProsodyStream, load_prosody, save_prosody
from prosody.targets import Targets
from speech_core.errors import InputError
from speech_core.events import Phone, PhoneGroup
from tests.prosody.test_items import make_item
from tests.prosody.texts import TINY, make_model

ITEM = make_item(5)  # with pauses
BOOTSTRAP = BootstrapConfig(resamples=50)


@pytest.fixture
def folders(tmp_path):
    """A set of texts and three checkpoints: two seeds of one model, one of another."""
    write_shard(tmp_path / "data", 0, [make_item(number) for number in range(4)])
    for seed in range(2):
        save_prosody(tmp_path / f"a{seed}", make_model(seed=seed), {})
    save_prosody(tmp_path / "b", make_model(replace(TINY, d_llama=0), seed=2), {})
    return tmp_path


def as_read(item, f0_factor=1.0, late_s=0.0, louder=0.0):
    """What a model would say that read the text almost as it was read."""
    values = item.targets.values.clone()
    values[:, 0] = torch.log(values[:, 0].exp() + late_s)
    values[:, 1] += math.log(f0_factor)
    values[:, 2] += louder
    return Targets(values, item.targets.voiced)


def test_errors_of_a_perfect_reading_are_zero():
    sums = error_sums(ITEM, as_read(ITEM))
    assert all(total == pytest.approx(0, abs=1e-3) for total, _ in sums.values())
    spoken = [flag for phone, flag in zip(ITEM.phones, ITEM.targets.voiced, strict=True) if phone.word >= 0]
    assert sums["f0_cents"][1] == sum(map(bool, spoken))
    assert sums["duration_ms"][1] + sums["pause_ms"][1] == len(ITEM.phones)


def test_errors_have_their_units():
    sums = error_sums(ITEM, as_read(ITEM, f0_factor=2 ** (1 / 12), late_s=0.01, louder=math.log(10)))
    rates = {name: total / count for name, (total, count) in sums.items()}
    assert rates["f0_cents"] == pytest.approx(100, rel=1e-3)
    assert rates["duration_ms"] == pytest.approx(10, rel=1e-3)
    assert rates["pause_ms"] == pytest.approx(10, rel=1e-3)
    assert rates["power_db"] == pytest.approx(10, rel=1e-3)
    assert rates["voicing_errors"] == 0


def test_voicing_errors_count_where_one_side_has_an_f0():
    said = as_read(ITEM)._replace(voiced=torch.ones(len(ITEM.phones), dtype=torch.bool))
    unvoiced = sum(
        phone.word >= 0 and not bool(flag)
        for phone, flag in zip(ITEM.phones, ITEM.targets.voiced, strict=True)
    )
    assert error_sums(ITEM, said)["voicing_errors"][0] == unvoiced > 0


def test_another_number_of_phones_is_refused():
    with pytest.raises(InputError, match="were said"):
        error_sums(ITEM, as_read(make_item(2)))


def test_likelihood_terms_sum_to_all():
    sums = given_sums(make_model(), ITEM)
    parts = sum(sums[f"nats_{name}"][0] for name in ("duration", "f0", "power", "voiced"))
    assert sums["nats"][0] == pytest.approx(parts)
    assert sums["nats_f0"][1] < sums["nats"][1] == len(ITEM.phones)


def test_on_its_own_choices_given_it_errs_as_it_does_by_itself():
    """A text that was read as the model reads it: told so, the model foresees it exactly."""
    model = make_model()
    stream = ProsodyStream(model)
    said = as_targets([*stream.push(ITEM.groups), *stream.flush()])
    sums = given_sums(model, replace(ITEM, targets=said))
    for name in ("duration_ms", "f0_cents", "power_db"):
        assert sums[name][0] / sums[name][1] < 0.5
    own = own_sums(model, replace(ITEM, targets=said))
    assert all(total == pytest.approx(0, abs=1e-3) for total, _ in own.values())


def test_own_choices_may_be_measured_on_fewer_texts(folders):
    items = list(ProsodySet([folders / "data"]))
    sums = measure(make_model(), items, own_texts=1)
    assert (sums["own_duration_ms"][:, 1] > 0).tolist() == [True, False, False, False]
    assert (sums["duration_ms"][:, 1] > 0).all()


def test_a_system_is_the_mean_of_its_checkpoints(folders):
    items = ProsodySet([folders / "data"])
    systems = [System("a", (folders / "a0", folders / "a1")), System("b", (folders / "b",))]
    result = evaluate_prosody("made up", items, systems, BOOTSTRAP)
    figure = result.systems[0].figures["nats"]
    alone = [measure(make_model(seed=seed), list(items))["nats"].sum(0) for seed in range(2)]
    assert figure.each == pytest.approx([total / count for total, count in alone], rel=1e-4)
    assert figure.value == pytest.approx(np.mean(figure.each))
    assert figure.low <= figure.value <= figure.high
    assert result.systems[0].against["nats"].value == 0
    other = result.systems[1]
    assert other.against["nats"].value == pytest.approx(other.figures["nats"].value - figure.value)
    assert other.parameters < result.systems[0].parameters


def test_a_speaker_not_heard_gets_constants_of_their_own(tmp_path):
    known, unknown = make_item(1), make_item(2, speaker="new")
    unknown.targets.values[:, 1] += 0.5
    write_shard(tmp_path, 0, [known, unknown])
    model = make_model()
    extended = with_speakers(model, ProsodySet([tmp_path]))
    assert extended.config.speakers == ("default", "new")
    assert extended.config.means[:3] == TINY.means
    voiced = unknown.targets.values[unknown.targets.voiced, 1]
    assert extended.config.means[4] == pytest.approx(float(voiced.mean()), abs=1e-4)
    before, after = (given_sums(one, known)["nats"][0] for one in (model, extended))
    assert after == pytest.approx(before)
    assert given_sums(extended, unknown)["nats"][0] > 0


def test_the_tables_name_every_system(folders):
    items = ProsodySet([folders / "data"])
    systems = [System("a", (folders / "a0",)), System("b", (folders / "b",))]
    result = evaluate_prosody("made up", items, systems, BOOTSTRAP)
    text = to_markdown([result])
    assert "made up: 4 texts" in text
    assert "difference from a" in text
    assert json.dumps(to_plain([result]), allow_nan=False)


def test_the_command(folders, capsys):
    data, out = f"texts={folders / 'data'}", str(folders / "out")
    command = ["evaluate", "prosody", "--data", data, "--system", f"x={folders / 'a0'}", "--resamples", "20"]
    assert main([*command, "-o", out]) == 0
    printed = capsys.readouterr()
    assert "| x (1) |" in printed.out
    assert "texts: x" in printed.err
    assert json.loads((folders / "out" / "prosody.json").read_text())[0]["data"] == "texts"
    assert main([*command, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["systems"][0]["system"] == "x"


@pytest.mark.bundle
def test_the_shipped_model_speaks_within_a_human_range():
    model = load_prosody(read_bundle().component("prosody"))
    symbols = ["HH", "AH0", "L", "OW1"]
    word = tuple(Phone(symbol, 0, place, 3 - place, ".") for place, symbol in enumerate(symbols))
    stream = ProsodyStream(model)
    events = stream.push(PhoneGroup((*word, Phone("SIL", punctuation=".")))) + stream.flush()
    seconds = [math.exp(event.log_duration) for event in events]
    assert all(0.015 < one < 0.5 for one in seconds)
    pitches = [math.exp(event.log_f0) for event in events if event.log_f0 is not None]
    assert len(pitches) >= 3
    assert all(60 < pitch < 400 for pitch in pitches)
    assert events[-1].log_power < min(event.log_power for event in events[1:4])


@pytest.mark.parametrize("options", [[], ["--data", "nameless"], ["--data", "a=b", "--system", "x"]])
def test_wrong_use_is_refused(options, capsys):
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(main(["evaluate", "prosody", *options]))
    assert stopped.value.code in (1, 2)
    assert capsys.readouterr().out == ""
