"""States around homographs, kept in shards."""

import pytest
import torch

from llama_speech.text_states import TextStates
from recipes import prepare_homographs
from recipes.data.homographs import HomographSentence, read_homographs
from recipes.prepare_homographs import BEHIND, load_states, slots_of
from speech_core.events import TokenEvent
from tests.fakes import TinyLlama
from tests.homograph_data import write_homographs


def test_slots_stand_around_the_word():
    sizes = [2, 2, 1, 4, 1, 1, 1, 1]  # characters of each token
    states = [TokenEvent(n, "-" * size, torch.full((3,), float(n))) for n, size in enumerate(sizes)]
    rows, known = slots_of(states, HomographSentence("abcd", "x", "-" * 13, 5, 9))
    assert rows[:, 0].tolist() == [2, 3, 4, 5, 6, 7, 7]
    assert known.all()
    rows, known = slots_of(states, HomographSentence("ab", "x", "-" * 13, 0, 4))
    assert rows[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert known.tolist() == [False, *[True] * 6]
    rows, known = slots_of(states, HomographSentence("a", "x", "-" * 13, 12, 13))
    assert known.tolist() == [True, True, *[False] * BEHIND, True]
    assert rows[2:6].abs().sum() == 0


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Shards of small data."""
    monkeypatch.setattr(prepare_homographs, "SHARD", 10)
    data, llama = write_homographs(tmp_path / "text", repeats=4), TinyLlama().save(tmp_path / "llama")
    arguments = ["--text-dir", str(data), "--llama", str(llama), "--out", str(tmp_path / "states")]
    prepare_homographs.main([*arguments, "--dtype", "float32"])
    return tmp_path, arguments


def test_shards_hold_every_sentence_in_order(prepared):
    folder, _ = prepared
    found = load_states(folder / "states", "train")
    sentences = read_homographs(folder / "text", "train")
    assert found.states.shape == (len(sentences), BEHIND + 3, 32)
    assert found.known[:, :2].all()
    reader = TextStates.from_folder(folder / "llama", "float32")
    rows, known = slots_of(reader.events(sentences[13].text), sentences[13])
    torch.testing.assert_close(found.states[13], rows, atol=1e-2, rtol=1e-2)
    assert torch.equal(found.known[13], known)


def test_it_resumes(prepared):
    folder, arguments = prepared
    kept = {path: path.stat().st_mtime_ns for path in (folder / "states").iterdir()}
    lost = sorted(kept)[0]
    lost.unlink()
    prepare_homographs.main([*arguments, "--dtype", "float32"])
    assert lost.exists()
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items() if path != lost)
