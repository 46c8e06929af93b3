"""No text of a dev part, nor one that overlaps with it, gets through to training."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.data.held_out import (
    HeldOutTexts,
    load_held_out,
    normalized_words,
    speech_dev_texts,
    text_dev_texts,
)

DEV = "Rather odd, commented Mr. Jenks: black paper and white ink is easy enough to make"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (DEV, True),
        ("rather ODD commented mr jenks, black paper and white ink is easy enough to make!", True),
        ("black paper and white ink", True),  # five words of it
        ("Black paper and ink", False),  # four words, not the whole
        ("white ink is easy", False),
        ("They said: " + DEV + " It was true.", True),  # contains it
        ("He saw that black paper and white ink is easy to spill", False),  # a run of seven words
        ("He saw that black paper and white ink is easy enough to spill", True),  # a run of eight
        ("paper and white ink is blue", False),
        ("Yes.", True),
        ("yes yes", False),
        ("don't", True),
        ("DONT", True),
        ("Что это?", True),
        ("", False),
    ],
)
def test_what_is_held_out(text, held):
    assert HeldOutTexts([DEV, "yes", "Don’t!", "что это"]).holds(text) is held


WORDS = st.lists(
    st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "dogs"]),
    min_size=1,
    max_size=12,
)


@given(st.lists(WORDS, max_size=6), WORDS)
def test_the_fast_search_finds_what_the_plain_definition_finds(held_out, words):
    def plain(texts, text):
        spaced = f" {' '.join(text)} "
        for other in texts:
            spaced_other = f" {' '.join(other)} "
            if "".join(other) == "".join(text):
                return True
            if min(len(text), len(other)) >= 5 and (spaced in spaced_other or spaced_other in spaced):
                return True
            runs = (f" {' '.join(text[i : i + 8])} " for i in range(len(text) - 7))
            if any(run in spaced_other for run in runs):
                return True
        return False

    texts = HeldOutTexts(" ".join(other) for other in held_out)
    assert texts.holds(" ".join(words)) is plain(held_out, words)


def test_words_are_letters_and_digits_of_any_script():
    assert normalized_words("It's 2 o’clock_now, Müller — да!") == (
        "its",
        "2",
        "oclock",
        "now",
        "müller",
        "да",
    )


def test_speech_dev_texts_are_those_of_every_dev_part_and_sample(tmp_path):
    for name, record in (
        ("a/dev.jsonl", {"text": "one", "text_raw": "1", "translation": {"de": "eins"}}),
        ("b/dev.jsonl", {"text": None}),
        ("b/samples.jsonl", {"text": "two"}),
        ("b/train.jsonl", {"text": "three"}),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(record) + "\n", encoding="utf-8")
    assert sorted(speech_dev_texts(tmp_path)) == ["1", "eins", "one", "two"]


def test_text_dev_texts_are_dev_files_and_dev_rows(tmp_path):
    files = {
        "tn/x/dev.tsv.gz": '"written text\tspoken text\tid\nnext line\tits reading"\tid\n',
        "tn/y/dev.tsv": "10 St.\tten saint ||| tenth street\tten st\n",
        "tn/x/train.tsv.gz": "not this one\tnor that\n",
        "homographs/eval.tsv.gz": '"word"\t"id"\t"A quoted ""sentence"" here."\t"1"\t"2"\n',
        "dialogue/requests.tsv.gz": "train\tnever this\ta\tb\ndev\tcall my mother\ta\tb\n",
        "parallel/de-en.tsv.gz": "dev\tdas ist\tthat is\tt\ntrain\tnein danke\tno thanks\tt\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        with (gzip.open if name.endswith("gz") else open)(tmp_path / name, "wt", encoding="utf-8") as out:
            out.write(content)
    wanted = [
        '"written text',
        "next line",
        "10 St.",
        "ten saint",
        "tenth street",
        'its reading"',
        "spoken text",
        'A quoted "sentence" here.',
        "call my mother",
        "das ist",
        "that is",
    ]
    assert sorted(text_dev_texts(tmp_path)) == sorted(wanted)
    held_out = load_held_out(None, tmp_path)
    assert held_out.holds("Call my mother!")
    assert not held_out.holds("never this")


def test_without_directories_nothing_is_held_out():
    assert len(load_held_out(None, None)) == 0
