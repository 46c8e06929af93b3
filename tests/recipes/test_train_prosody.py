"""Training: the nats fall, the export speaks, and what does not fit is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prosody.config import UNLIMITED
from prosody.items import ProsodySet, write_shard
from prosody.likelihood import make_batch
from prosody.predictor import ProsodyStream, load_prosody
from recipes import training_loop
from recipes.train_prosody import RunConfig, build, without_states
from recipes.training_loop import LoopConfig
from speech_core.errors import InputError
from tests.prosody.test_items import make_item
from tests.prosody.texts import TINY, num_phones


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Texts of two speakers, one of them far higher than the other."""
    items = [make_item(number, ("low", "high")[number % 2]) for number in range(8)]
    for item in items[1::2]:
        item.targets.values[:, 1] += 0.7
    write_shard(tmp_path / "data" / "train", 0, items)
    write_shard(tmp_path / "data" / "dev", 0, items[:2])
    return tmp_path / "data"


def config_for(data: Path, steps: int = 3, **changes) -> RunConfig:
    loop = LoopConfig(
        data.parent / "run", steps, learning_rate=0.01, warmup_steps=1, precision="fp32", average_decay=0.0
    )
    return RunConfig(loop, data=(data,), preset="tiny", batch_phones=200, **changes)


def test_it_learns_and_its_export_speaks(data: Path) -> None:
    config = config_for(data, steps=40, join_share=0.3)
    task = build(config)
    before = task.evaluate(task.model)
    after = training_loop.run(task, config.loop)
    assert after["held_out_loss"] < before["held_out_loss"] - 1.0
    assert after["held_out_loss"] == pytest.approx(
        sum(after[f"held_out_{name}"] for name in ("duration", "f0", "power", "voiced")), rel=1e-4
    )
    model = load_prosody(config.loop.run_dir / "export" / "prosody")
    groups = ProsodySet([data / "dev"])[0].groups
    stream = ProsodyStream(model)
    assert len(stream.push(groups) + stream.flush()) == num_phones(list(groups))


def test_constants_are_measured_for_each_speaker(data: Path) -> None:
    config = build(config_for(data)).model.model.config
    assert config.speakers == ("low", "high")
    assert config.means[4] - config.means[1] == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize("context", ["streaming", "full"])
@pytest.mark.parametrize("states", [True, False])
def test_the_variants_of_the_table(data: Path, context: str, states: bool) -> None:
    task = build(config_for(data, context=context, states=states))
    config = task.model.model.config
    assert (config.phone_lookahead < UNLIMITED) == (context == "streaming")
    assert config.uses_tokens == states
    loss, _ = task.model(next(iter(task.batches)))
    assert loss.isfinite()


def test_a_share_of_the_texts_goes_without_states() -> None:
    inputs = make_batch([make_item(number) for number in range(8)], TINY).inputs
    assert inputs.tokens is not None
    for share in (0.0, 0.5, 1.0):
        changed = without_states(inputs, share, seed=1).tokens
        assert changed is not None
        kept = (changed.known == inputs.tokens.known).all(1)
        assert bool((kept | ~changed.known.any(1)).all())
        assert 0 < int(kept.sum()) < 8 if share == 0.5 else int(kept.sum()) == 8 * (1 - share)
        assert torch.equal(changed.states, inputs.tokens.states)


def test_data_without_states_are_refused(tmp_path: Path) -> None:
    item = make_item(1)
    item = replace(item, groups=tuple(replace(group, embeddings=None) for group in item.groups))
    for part in ("train", "dev"):
        write_shard(tmp_path / part, 0, [item])
    loop = LoopConfig(tmp_path / "run", 1, learning_rate=0.01)
    with pytest.raises(InputError, match="--no-states"):
        build(RunConfig(loop, data=(tmp_path,), preset="tiny"))
    assert not build(
        RunConfig(loop, data=(tmp_path,), preset="tiny", states=False)
    ).model.model.config.uses_tokens
