"""Public test sets as they are unpacked, and lhotse's cuts, become manifests; what is missing is counted."""

import json

import numpy as np
import pytest

from llama_speech.evaluation.corpora import FLEURS, is_lhotse, is_named, language_code
from llama_speech.evaluation.datasets import expand_paths, languages_of, read_set
from speech_core.audio import load_audio, write_wav
from speech_core.errors import InputError


def sound(path, seconds=0.1):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, np.linspace(0, 0.5, int(seconds * 16000), dtype=np.float32), 16000)


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")


def read(name, tmp_path, language, **more):
    (manifest,) = expand_paths([name], tmp_path, tmp_path / "cache")
    return read_set(manifest, language, **more)


def test_librispeech_below_the_data_folder(tmp_path):
    folder = tmp_path / "LibriSpeech" / "test-other" / "12" / "34"
    sound(folder / "12-34-0000.wav")
    write(folder / "12-34.trans.txt", "12-34-0000 A GOOD DAY", "12-34-0001 ITS SOUND IS LOST")
    one = read("librispeech:test-other", tmp_path, "en")
    assert one.name == "librispeech-test-other"
    assert [(item.id, item.text, item.speaker) for item in one.items] == [
        ("12-34-0000", "A GOOD DAY", "librispeech-12")
    ]
    assert one.dropped == {"the corpus lists it, its sound is not there": 1}


def test_mls_and_voxpopuli_where_they_are_said_to_be(tmp_path):
    root = tmp_path / "elsewhere"
    sound(root / "mls_german_opus" / "test" / "audio" / "1" / "2" / "1_2_000000.wav")
    write(root / "mls_german_opus" / "test" / "transcripts.txt", "1_2_000000\tguten tag")
    assert read(f"mls:german={root}", tmp_path, "de").items[0].text == "guten tag"
    sound(root / "transcribed_data" / "en" / "2009" / "2009-x.wav")
    header = "id\traw_text\tnormalized_text\tspeaker_id\tsplit"
    write(root / "transcribed_data" / "en" / "asr_test.tsv", header, '2009-x\tI "say"\ti say\t7\ttest')
    one = read(f"voxpopuli:en={root}", tmp_path, "en")
    assert (one.name, one.items[0].text, one.items[0].speaker) == ("voxpopuli-en", "i say", "voxpopuli-7")


def test_fleurs_in_all_languages_with_translations(tmp_path):
    root = tmp_path / "fleurs"
    for code, text in (("en", "Good day."), ("hi", "नमस्ते।")):
        sound(root / FLEURS[code] / "audio" / "test" / f"{code}1.wav")
        write(root / FLEURS[code] / "test.tsv", f"5\t{code}1.wav\t{text}\t{text.lower()}\tx |\t1600\tMALE")
    (manifest,) = expand_paths(["fleurs:all"], tmp_path, tmp_path / "cache")
    assert languages_of(manifest) == ["hi", "en"] or languages_of(manifest) == ["en", "hi"]
    assert read_set(manifest, "hi").items[0].text == "नमस्ते।"
    assert read_set(manifest, "hi").items[0].duration_s == 0.1
    translated = read_set(manifest, "hi", target="en").items[0]
    assert (translated.text, translated.more["transcript"]) == ("Good day.", "नमस्ते।")
    assert len(FLEURS) == 34


def test_covost_translations(tmp_path):
    root = tmp_path / "covost2"
    sound(root / "clips" / "common_voice_de_1.wav")
    header, row = "path\tsentence\ttranslation\tclient_id", "common_voice_de_1.mp3\tGuten Tag\tGood day\tx"
    write(root / "covost_v2.de_en.test.tsv", header, row)
    one = read("covost2:de", tmp_path, "de", target="en")
    assert (one.name, one.items[0].text) == ("covost2-de", "Good day")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("librispeech:test", "has no part test: use one of test-other"),
        ("fleurs:xx", "has no part xx"),
        ("mls:german", "is not unpacked"),
        ("mls:german=/nowhere", "is not unpacked"),
    ],
)
def test_what_is_not_there_is_one_clear_line(name, message, tmp_path):
    with pytest.raises(InputError, match=message):
        expand_paths([name], tmp_path, tmp_path / "cache")


def test_an_empty_folder_is_no_corpus(tmp_path):
    for name in ("librispeech:test-other", "mls:english", "voxpopuli:en", "fleurs:all", "covost2:de"):
        with pytest.raises(InputError):
            expand_paths([f"{name}={tmp_path}"], None, tmp_path / "cache")


def test_names_and_paths_are_told_apart():
    assert is_named("fleurs:hi")
    assert is_named("librispeech:test-other=/data/x")
    assert not is_named("librispeech")
    assert not is_named("C:/librispeech")
    assert [language_code(one) for one in ("English", "de-DE", "ta", None)] == ["en", "de", "ta", None]


def test_cuts_of_lhotse_whole_and_parts_of_recordings(tmp_path):
    from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

    sound(tmp_path / "long.wav", 2.0)
    recording = Recording.from_file(tmp_path / "long.wav")
    cuts = []
    for name, start, length in (("whole", 0.0, 2.0), ("part", 0.5, 1.0)):
        said = SupervisionSegment(
            name, recording.id, 0.0, length, text=f"the {name}", language="English", speaker="s"
        )
        cuts.append(MonoCut(name, start, length, 0, [said], recording=recording))
    cuts.append(MonoCut("silent", 0.0, 2.0, 0, [], recording=recording))
    path = tmp_path / "my_cuts.jsonl.gz"
    CutSet.from_cuts(cuts).to_file(path)
    assert is_lhotse(path)
    one = read(str(path), tmp_path, "en")
    assert one.name == "my_cuts"
    assert [(item.id, item.text, item.speaker) for item in one.items] == [
        ("whole", "the whole", "s"),
        ("part", "the part", "s"),
    ]
    assert one.dropped == {"no reference text": 1}
    whole, part = (load_audio(item.audio, 16000) for item in one.items)
    np.testing.assert_allclose(part, whole[8000:24000], atol=1e-4)


def test_cuts_without_sound_are_refused(tmp_path):
    cut = {"id": "a", "supervisions": [], "recording": {"sources": [{"type": "command"}]}}
    write(tmp_path / "cuts.jsonl", json.dumps(cut))
    with pytest.raises(InputError, match="the cut a has no sound file"):
        expand_paths([str(tmp_path / "cuts.jsonl")], None, tmp_path / "cache")
