"""Translation data: parallel sentences spoken, transcripts translated, filtered, resumed."""

import gzip
import json
import sys

import pytest

from recipes.data.manifests import Utterance, read_manifest, write_manifest
from recipes.prepare_translation import TranslationOptions, prepare
from speech_core.errors import ConfigError, InputError

ROWS = [
    "train\tGuten Morgen.\tGood morning.\ttatoeba",
    "train\tIch komme um 5.\tI come at 5.\ttatoeba",
    "train\tIch weiß es wirklich nicht.\tI really do not know it.\ttatoeba",
    "train\tDas ist ein sehr guter Satz.\tThis is a very good sentence.\ttatoeba",
    "dev\tDas ist ein sehr guter Satz.\tThis is a very good sentence.\ttatoeba",
]
ECHO = (
    f"command:{sys.executable} -c \"import sys; [print('in {{target}}: ' + l.strip()) for l in sys.stdin]\""
)
ECHO = ECHO.replace("{{", "{").replace("}}", "}")


@pytest.fixture
def text_dir(tmp_path):
    folder = tmp_path / "text" / "parallel"
    folder.mkdir(parents=True)
    with gzip.open(folder / "de-en.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(ROWS) + "\n")
    return tmp_path / "text"


def test_parallel_sentences_are_spoken(text_dir, tmp_path):
    counts = prepare(TranslationOptions(out=tmp_path / "out", text_dir=text_dir, language="de"))
    found = {one.text: one for one in read_manifest(tmp_path / "out" / "train.jsonl")}
    assert found.keys() == {"Guten Morgen.", "Ich weiß es wirklich nicht."}  # no digits, nothing of dev
    one = found["Guten Morgen."]
    assert (one.language, one.translation) == ("de", {"en": "Good morning."})
    assert (one.extra["task"], one.extra["to"], one.extra["translated_by"]) == ("translation", "en", "people")
    assert one.extra["text_licence"] == "CC BY 2.0 FR"
    assert counts["spoken"] == 2
    assert prepare(TranslationOptions(out=tmp_path / "out", text_dir=text_dir, language="de"))["known"] == 2


def test_transcripts_are_translated_and_filtered(tmp_path):
    clips = [
        Utterance("a", "a.opus", "Guten Morgen", "de", "s", 1.0, "c", "CC0"),
        Utterance("b", "b.opus", "Hallo", "de", "s", 1.0, "c", "CC0", {"en": "Hello"}),
        Utterance("c", "c.opus", None, "de", "s", 1.0, "c", "CC0"),
        Utterance("d", "d.opus", "Already English", "en", "s", 1.0, "c", "CC0"),
        Utterance("e", "e.opus", "Mail an a@b.de bitte", "de", "s", 1.0, "c", "CC0"),
    ]
    write_manifest(tmp_path / "in.jsonl", clips)
    chosen = TranslationOptions(
        out=tmp_path / "out", manifest=tmp_path / "in.jsonl", mt=ECHO, personal_data="patterns"
    )
    counts = prepare(chosen)
    found = {one.id: one for one in read_manifest(tmp_path / "out" / "train.jsonl")}
    assert found["a"].translation == {"en": "in en: Guten Morgen"}
    assert found["a"].extra["translated_by"].startswith("command:")
    assert found["b"].translation == {"en": "Hello"}
    assert found["b"].extra["translated_by"] == "the set"
    assert found.keys() == {"a", "b"}
    assert (counts["translated"], counts["personal data"]) == (2, 1)
    assert prepare(chosen)["known"] == 2
    assert len(list(read_manifest(tmp_path / "out" / "train.jsonl"))) == 2


def test_sets_bring_their_own_translations(tmp_path):
    folder = tmp_path / "speech" / "drascula"
    folder.mkdir(parents=True)
    texts = [("Buenos días", {"en": "Good morning"}), ("Adiós", {}), ("Un buen día", {"en": "A fine day"})]
    lines = [
        {"audio": f"{row}.opus", "text": text, "language": "es", "speaker": "s", "duration": 1.0}
        | {"translation": translation}
        for row, (text, translation) in enumerate(texts)
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "dev.jsonl").write_text(json.dumps({**lines[2], "text": "Otro", "audio": "x.opus"}) + "\n")
    chosen = TranslationOptions(out=tmp_path / "out", speech_dir=tmp_path / "speech", sets=("drascula",))
    prepare(chosen)
    (one,) = read_manifest(tmp_path / "out" / "train.jsonl")  # the second has none, the third is held out
    assert one.extra["translated_by"] == "the set"
    assert one.audio == str(folder / "0.opus")


def test_what_must_be_given(tmp_path, text_dir):
    with pytest.raises(ConfigError, match="one of --text-dir, --sets and --manifest"):
        TranslationOptions(out=tmp_path)
    with pytest.raises(InputError, match="give --speech-dir"):
        prepare(TranslationOptions(out=tmp_path, sets=("drascula",)))
    with pytest.raises(InputError, match="no parallel sentences of 'fr'"):
        prepare(TranslationOptions(out=tmp_path, text_dir=text_dir, language="fr"))
