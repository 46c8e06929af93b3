"""COMET is optional: what is missing is said, and what its package returns becomes a score.

The package itself (gigabytes, a model from a hub) does not run in tests; a module of its name stands for it.
"""

import importlib.metadata
import sys
import types

import pytest

from llama_speech.evaluation import comet
from llama_speech.evaluation.comet import Comet
from llama_speech.evaluation.scores import BootstrapConfig
from speech_core.errors import ConfigError, InputError


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A file, and a package whose model rates a translation by its length."""

    class Model:
        def predict(self, rows, batch_size, gpus):
            assert [sorted(row) for row in rows] == [["mt", "ref", "src"]] * len(rows)
            return {"scores": [len(row["mt"]) / 10 for row in rows]}

    module = types.ModuleType("comet")
    module.load_from_checkpoint = lambda path: Model()
    monkeypatch.setitem(sys.modules, "comet", module)
    monkeypatch.setattr(comet, "version", lambda name: "2.2.7")
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"weights")
    return path


def test_scores_of_the_package_become_a_mean_with_an_interval(checkpoint):
    score = Comet(checkpoint).score(["a", "b"], ["c", "d"], ["eeee", "ff"], BootstrapConfig(resamples=50))
    assert score.score == pytest.approx(30.0)
    assert 20.0 <= score.low <= score.high <= 40.0
    assert score.signature.startswith("comet|checkpoint:model.ckpt-")
    assert "|version:2.2.7|" in score.signature


def test_lists_that_do_not_fit_are_refused(checkpoint):
    with pytest.raises(InputError, match="not 1, 2 and 2"):
        Comet(checkpoint).score(["a"], ["c", "d"], ["e", "f"], BootstrapConfig())


def test_a_missing_checkpoint_or_package_is_said(checkpoint, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is no file"):
        Comet(tmp_path / "none.ckpt")

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(comet, "version", missing)
    with pytest.raises(ConfigError, match="pip install unbabel-comet"):
        Comet(checkpoint)
