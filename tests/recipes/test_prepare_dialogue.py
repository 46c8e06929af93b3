"""Dialogue data: the Llama's own answers, what is left out, and sets nobody trains on."""

import json
import shutil

import pytest

from recipes.data.manifests import Utterance, read_manifest, write_manifest
from recipes.data.personal_data import PatternScanner
from recipes.prepare_dialogue import (
    Answered,
    DialogueOptions,
    answer_prompts,
    learned,
    load_answerer,
    prepare,
    usable,
)
from speech_core.errors import ConfigError
from tests.fakes import TinyLlama

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return TinyLlama().save(tmp_path_factory.mktemp("llama"))


def options_of(tmp_path, llama, **more):
    return DialogueOptions(out=tmp_path / "out", manifest=tmp_path / "in.jsonl", llama=llama, **more)


def test_answers_are_the_llamas_and_kept(tmp_path, llama):
    from llama_speech.batch_answers import answer_texts
    from speech_adapter.prompts import Turn

    prompts = [("a", "Hello"), ("b", "What is it?")]
    chosen = options_of(tmp_path, llama, max_tokens=6)
    path = tmp_path / "answers.jsonl"
    found = answer_prompts(path, prompts, llama, chosen)
    expected = answer_texts(load_answerer(llama), [[Turn("user", ("Hello",))]], 6)[0]
    assert (found["a"].answer, found["a"].reason) == (expected.text, expected.reason)
    path.write_text(path.read_text().replace('"a", "text"', '"a", "text"').replace("Hello", "Changed"))
    again = answer_prompts(path, [*prompts, ("c", "Yes")], llama, chosen)
    assert again["a"].text == "Changed"  # known: not asked again
    assert len(path.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("answer", "reason", "ok"),
    [
        ("Fine.", "end", True),
        ("", "end", False),
        ("and on and", "length", True),
        ("no no no", "loop", False),
        ("write to a@b.de", "end", False),
    ],
)
def test_which_answers_are_learned_from(answer, reason, ok):
    counts: dict[str, int] = {}
    assert usable(Answered("a", "Hi", answer, reason, "llama"), PatternScanner(), counts) is ok
    assert sum(counts.values()) == (not ok)


def test_a_cut_answer_is_marked():
    whole, cut = Answered("a", "Hi", "Fine.", "end", "llama"), Answered("a", "Hi", "Fi", "length", "llama")
    assert learned(whole) == {"task": "dialogue", "answer": "Fine.", "answered_by": "llama"}
    assert learned(cut) == {"task": "dialogue", "answer": "Fi", "answered_by": "llama", "cut": True}


def test_transcripts_of_a_set_are_answered(tmp_path, llama):
    clips = [
        Utterance(f"u{number}", f"clips/{number}.opus", text, "en", "s", 1.0, "c", "CC0")
        for number, text in enumerate(["Hello", None, "What is it?", "Tell me more"])
    ]
    write_manifest(tmp_path / "in.jsonl", clips)
    counts = prepare(options_of(tmp_path, llama, max_tokens=40))
    found = list(read_manifest(tmp_path / "out" / "train.jsonl"))
    assert counts["answered"] == len(found)
    assert sum(counts.values()) == 3  # the one without text is not asked
    for one in found:
        assert one.extra["task"] == "dialogue"
        assert one.extra["answer"]
        assert one.audio.startswith(str(tmp_path))
    assert json.loads((tmp_path / "out" / "counts.json").read_text()) == counts


@needs_flite
def test_dev_questions_are_never_to_be_trained_on(tmp_path):
    import gzip

    folder = tmp_path / "text" / "dialogue"
    folder.mkdir(parents=True)
    rows = [f"dev\tWho is number {name}?\tNobody\twebquestions\t" for name in ("one", "two", "three")]
    for name, lines in (("trivia", rows), ("requests", ["dev\tplay music\tplay\tslurp"])):
        with gzip.open(folder / f"{name}.tsv.gz", "wt") as file:
            file.write("\n".join(lines) + "\n")
    chosen = DialogueOptions(out=tmp_path / "dev", text_dir=tmp_path / "text", part="dev", limit=4)
    prepare(chosen)
    sets = {
        name: list(read_manifest(tmp_path / "dev" / f"{name}.jsonl")) for name in ("dev", "turns", "switched")
    }
    assert [one.extra["answers"] for one in sets["dev"]] == [["Nobody"]] * 3 + [[]]
    assert [turn["role"] for turn in sets["turns"][0].extra["context"]] == ["user", "assistant"]
    assert {tuple(one.extra["languages"]) for one in sets["switched"]} >= {("en", "es"), ("en", "fr")}
    assert all(
        one.extra["never_train"] and one.speaker == "flite-awb" for found in sets.values() for one in found
    )


def test_what_must_be_given(tmp_path):
    with pytest.raises(ConfigError, match="one of --text-dir, --sets and --manifest"):
        DialogueOptions(out=tmp_path)
    with pytest.raises(ConfigError, match="--llama is needed"):
        DialogueOptions(out=tmp_path, text_dir=tmp_path)
