"""Test sets are read whole, and what is left out is counted."""

import json

import pytest

from llama_speech.evaluation.datasets import expand_paths, find_manifest, read_set
from speech_core.errors import InputError


def write_set(folder, records, name="dev.jsonl"):
    folder.mkdir(parents=True, exist_ok=True)
    for record in records:
        audio = record.get("audio") or record.get("audio_filepath")
        if audio:
            (folder / audio).write_bytes(b"sound of " + audio.encode())
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_items_of_the_language_are_kept_and_the_rest_is_counted(tmp_path):
    write_set(
        tmp_path / "mixed",
        [
            {"audio": "a.wav", "text": "Hello", "language": "en", "speaker": "s", "duration": 1.5},
            {"audio": "b.wav", "text": "Hallo", "language": "de"},
            {"audio": "c.wav", "text": None, "language": "en"},
            {"audio": "d.wav", "language": "en"},
            {"audio": "e.wav", "text": "no language said"},
            {"audio": "f.wav", "text": "", "language": "en"},
        ],
    )
    found = read_set(tmp_path / "mixed")
    assert found.name == "mixed"
    assert [item.id for item in found.items] == ["a.wav", "e.wav", "f.wav"]
    assert found.dropped == {"language is not en": 1, "no reference text": 2}
    assert (found.items[0].speaker, found.items[0].duration_s) == ("s", 1.5)
    assert len(found.items) + sum(found.dropped.values()) == 6
    assert len(read_set(tmp_path / "mixed", language=None).items) == 4


def test_the_limit_is_counted_too(tmp_path):
    write_set(tmp_path, [{"audio": f"{i}.wav", "text": "x"} for i in range(5)])
    found = read_set(tmp_path, limit=2)
    assert len(found.items) == 2
    assert found.dropped == {"over the limit of 2": 3}


def test_nemo_fields_and_a_named_manifest(tmp_path):
    path = write_set(tmp_path, [{"audio_filepath": "a.wav", "text": "x", "duration": 2}], "my-test.jsonl")
    found = read_set(path)
    assert (found.name, found.items[0].duration_s) == ("my-test", 2.0)


def test_own_manifest_fields(tmp_path):
    write_set(tmp_path, [{"id": "u1", "audio": "a.wav", "text": "x", "duration_s": 3.5}])
    item = read_set(tmp_path).items[0]
    assert (item.id, item.duration_s) == ("u1", 3.5)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", r"dev.jsonl:2 is not JSON"),
        ("[1]", r"dev.jsonl:2 is not a JSON object"),
        ('{"text": "x"}', "names no audio"),
        ('{"audio": "gone.wav", "text": "x"}', "gone.wav does not exist"),
        ('{"audio": "a.wav", "text": "again"}', "comes twice"),
    ],
)
def test_bad_lines_are_one_clear_error(tmp_path, line, message):
    path = write_set(tmp_path, [{"audio": "a.wav", "text": "x"}])
    path.write_text(path.read_text() + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_set(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_sets_and_manifests(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        find_manifest(tmp_path / "nowhere")
    with pytest.raises(InputError, match="has no manifest"):
        find_manifest(tmp_path)
    (tmp_path / "dev.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_set(tmp_path)


def test_a_folder_of_sets_and_names_below_the_data_folder(tmp_path):
    for name in ("two", "one"):
        write_set(tmp_path / name, [{"audio": "a.wav", "text": "x"}])
    (tmp_path / "notes").mkdir()
    found = expand_paths([str(tmp_path)])
    assert [path.parent.name for path in found] == ["one", "two"]
    assert expand_paths(["two"], tmp_path) == [tmp_path / "two" / "dev.jsonl"]
    with pytest.raises(InputError, match="no such file or folder"):
        expand_paths(["three"], tmp_path)
