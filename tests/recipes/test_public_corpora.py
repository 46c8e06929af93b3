"""Public corpora, read from a few clips laid out as their archives unpack."""

import gzip

import numpy as np
import pytest
import soundfile

from recipes.data.manifests import validate_utterance
from recipes.data.public_corpora import PUBLIC_CORPORA, read_public_corpus
from speech_core.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")  # of lhotse and what it imports


def clip(path, seconds=1.0, **kind):
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.random.default_rng(0).normal(0, 0.05, round(16_000 * seconds)).astype(np.float32)
    soundfile.write(path, sound, 16_000, **kind)


def make_librispeech(root):
    for part in ("train-clean-100", "dev-clean"):
        folder = root / part / "103" / "1240"
        for number in range(2):
            clip(folder / f"103-1240-000{number}.flac")
        lines = f"103-1240-0000 {part[:4].upper()} HELLO\n103-1240-0001 GOOD BYE\n"
        (folder / "103-1240.trans.txt").write_text(lines, encoding="utf-8")


def make_mls(root, folder="mls_german", suffix="flac", **kind):
    for split in ("train", "dev", "test"):
        clip(root / folder / split / "audio" / "12" / "34" / f"12_34_000000.{suffix}", **kind)
        (root / folder / split / "transcripts.txt").write_text(
            f"12_34_000000\teins {split}\n", encoding="utf-8"
        )
    (root / folder / "metainfo.txt").write_text(" SPEAKER | GENDER |\n 12 | M |\n", encoding="utf-8")


def make_common_voice(root):
    clip(root / "en" / "clips" / "common_voice_en_1.mp3", format="MP3")
    head = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tvariant\tlocale\tsegment\n"
    for split in ("train", "dev", "test"):
        row = f"abc\tcommon_voice_en_1.mp3\tHello, {split}.\t2\t0\t\t\t\t\ten\t\n"
        (root / "en" / f"{split}.tsv").write_text(head + row, encoding="utf-8")


def make_voxpopuli(root):
    session = "20190101-0900-PLENARY"
    clip(root / "raw_audios" / "en" / "2019" / f"{session}_en.ogg", 6.0, format="OGG", subtype="VORBIS")
    head = "session_id|id_|original_text|normed_text|speaker_id|split|gender|start_time|end_time\n"
    rows = [
        f"{session}|x|Thank you.|thank you|7|train|female|1.0|2.5\n",
        f"{session}|y|Yes.|yes|7|dev|female|3.0|4.0\n",
        f"{session}|z|No.|no|7|test|female|4.0|5.0\n",
    ]
    with gzip.open(root / "asr_en.tsv.gz", "wt", encoding="utf-8") as out:
        out.write(head + "".join(rows))


def make_fleurs(root):
    for split in ("train", "dev", "test"):
        clip(root / "en_us" / split / "111.wav")
        table = root / "metadata" / "en_us" / f"{split}.tsv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(f"5\t111.wav\tHello {split}\thello {split}\th e |\t16000\tMALE\n", encoding="utf-8")


def test_librispeech(tmp_path):
    make_librispeech(tmp_path)
    train = read_public_corpus("librispeech", tmp_path, "train")
    assert [u.id for u in train] == [f"librispeech/train-clean-100/103-1240-000{n}" for n in (0, 1)]
    assert [u.text for u in train] == ["trai hello", "good bye"]
    assert {u.speaker for u in train} == {"librispeech-103"}
    assert read_public_corpus("librispeech", tmp_path, "dev")[0].text == "dev- hello"
    assert [validate_utterance(u, tmp_path) for u in train] == [[], []]
    with pytest.raises(InputError, match="no test part"):
        read_public_corpus("librispeech", tmp_path, "test")
    with pytest.raises(InputError, match="English"):
        read_public_corpus("librispeech", tmp_path, "train", "de")


@pytest.mark.parametrize(
    ("language", "folder", "suffix", "kind"),
    [
        ("de", "mls_german", "flac", {}),
        ("pl", "mls_polish_opus", "opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
)
def test_mls(tmp_path, language, folder, suffix, kind):
    make_mls(tmp_path, folder, suffix, **kind)
    (utterance,) = read_public_corpus("mls", tmp_path, "train", language)
    assert (utterance.text, utterance.language, utterance.duration_s) == ("eins train", language, 1.0)
    assert validate_utterance(utterance, tmp_path) == []
    with pytest.raises(InputError, match="unpack MLS english"):
        read_public_corpus("mls", tmp_path, "train", "en")


@pytest.mark.slow  # lhotse starts a process for each split
def test_common_voice(tmp_path):
    make_common_voice(tmp_path)
    (utterance,) = read_public_corpus("common-voice", tmp_path, "dev")
    assert (utterance.text, utterance.speaker) == ("Hello, dev.", "common-voice-abc")
    assert validate_utterance(utterance, tmp_path) == []


def test_voxpopuli_has_pieces_of_long_recordings(tmp_path):
    make_voxpopuli(tmp_path)
    (utterance,) = read_public_corpus("voxpopuli", tmp_path, "train")
    assert (utterance.text, utterance.duration_s, utterance.extra) == ("thank you", 1.5, {"start_s": 1.0})


def test_fleurs(tmp_path):
    make_fleurs(tmp_path)
    (utterance,) = read_public_corpus("fleurs", tmp_path, "dev")
    assert (utterance.text, utterance.language) == ("hello dev", "en")
    assert validate_utterance(utterance, tmp_path) == []


@pytest.mark.parametrize("name", PUBLIC_CORPORA)
def test_a_folder_laid_out_otherwise_is_an_input_error(tmp_path, name):
    (tmp_path / "en").mkdir()
    with pytest.raises(InputError, match=str(tmp_path.name)):
        read_public_corpus(name, tmp_path, "train")


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(InputError, match="corpus 'timit'"):
        read_public_corpus("timit", tmp_path, "train")
    with pytest.raises(InputError, match="part 'all'"):
        read_public_corpus("mls", tmp_path, "all")
    with pytest.raises(InputError, match="language 'sw'"):
        read_public_corpus("mls", tmp_path, "train", "sw")
    with pytest.raises(InputError, match="no folder"):
        read_public_corpus("mls", tmp_path / "none", "train")
