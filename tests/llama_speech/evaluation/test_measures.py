import pytest

from llama_speech.evaluation.measures import MeasureCache


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    return path


def test_a_value_is_made_once_for_a_sound(tmp_path, sound):
    cache = MeasureCache(tmp_path / "cache" / "sounds.jsonl")
    assert cache.get("q", sound, lambda: {"a": 1.5}) == {"a": 1.5}
    again = MeasureCache(tmp_path / "cache" / "sounds.jsonl")
    assert again.get("q", sound, lambda: pytest.fail("made twice")) == {"a": 1.5}
    assert again.get("other", sound, lambda: 2) == 2
    sound.write_bytes(b"another")
    assert again.get("q", sound, lambda: 3) == 3


def test_half_a_line_is_made_again(tmp_path, sound):
    path = tmp_path / "sounds.jsonl"
    MeasureCache(path).get("q", sound, lambda: 1)
    path.write_bytes(path.read_bytes()[:-3])
    assert MeasureCache(path).get("q", sound, lambda: 2) == 2
    assert MeasureCache(path).get("q", sound, lambda: pytest.fail("made twice")) == 2


def test_without_a_file_it_remembers(sound):
    cache = MeasureCache()
    assert [cache.get("q", sound, lambda value=value: value) for value in (1, 2)] == [1, 1]
