"""Sentences to be spoken are clean, have one reading, are never held out; the plan repeats and grows."""

import gzip
from itertools import islice

import pytest

from recipes.data.held_out import HeldOutTexts
from recipes.data.sentences import (
    PlanConfig,
    Sentence,
    clean_text,
    cut_plan,
    is_speakable,
    read_sentences,
    speaking_plan,
    unique_sentences,
)
from speech_core.errors import ConfigError, InputError

NOTHING = HeldOutTexts([])


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("‘What do you call yourself?’ the Fawn said.", "What do you call yourself? the Fawn said."),
        ('"Let me help you.', "Let me help you."),
        ("It’s the dogs' bowl.", "It's the dogs bowl."),
        ("suit--yes, I believe", "suit, yes, I believe"),
        ("suit,--yes", "suit, yes"),
        ("Well — no –", "Well, no"),
        ("a dog-kennel", "a dog-kennel"),
        ("  two   spaces ", "two spaces"),
        ("Wait…", "Wait..."),
        ("one ,two", "one, two"),
    ],
)
def test_cleaning(text, cleaned):
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("text", "speakable"),
    [
        ("Mr. Jenks said so.", True),
        ("I am a man; are you?", True),
        ("It won't do.", True),
        ("Is that so? No.", True),
        ("In 1455 it began.", False),
        ("Fifty % of it", False),
        ("He joined the FBI.", False),
        ("At three A.M. he left.", False),
        ("Chapter V begins.", False),
        ("He lives in St. James street.", False),
        ("J. K. Rowling", False),
        ("Say no. five times", False),
        ("Grüße an alle", False),
        ("(An aside.)", False),
        ("", False),
        ("word " * 80, False),
    ],
)
def test_only_texts_with_one_reading_are_spoken(text, speakable):
    assert is_speakable(text) is speakable


def sentences(count=60):
    words = ["red", "green", "blue", "black", "white"]
    return [
        Sentence(
            f"The {words[i % 5]} number {words[i // 5 % 5]} is {words[i // 25]}, and it stays.",
            f"s{i % 2}",
            "CC0",
        )
        for i in range(count)
    ]


def test_double_and_held_out_sentences_are_left_out():
    source = [Sentence(text, "s", "CC0") for text in ("Go on.", "go ON!", "Held out text.", "Fine.")]
    assert [s.text for s in unique_sentences(source, HeldOutTexts(["held out, text"]))] == ["Go on.", "Fine."]
    with pytest.raises(InputError, match="no sentence"):
        unique_sentences(source, HeldOutTexts(["go on", "held out text", "fine"]))


def test_sources_are_read_by_their_columns_and_only_train_rows(tmp_path):
    files = {
        "sentences/en.txt.gz": "A first line.\nHeld out.\n",
        "dialogue/requests.tsv.gz": 'train\tcall "my mother\tx\tc\ndev\tnever say this\tx\tc\n',
        "homographs/train.tsv.gz": '"homograph"\t"wordid"\t"sentence"\n"a"\t"b"\t"The ""close"" door."\n',
        "parallel/de-en.tsv.gz": "train\tja\tOh yes indeed.\tt\ndev\tnein\tNot this one.\tt\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(tmp_path / name, "wt", encoding="utf-8") as out:
            out.write(content)
    names = ["common-voice-sentences", "requests", "homographs", "tatoeba-de"]
    got = read_sentences(tmp_path, HeldOutTexts(["held out"]), names)
    wanted = ["A first line.", "call my mother", "sentence", "The close door.", "Oh yes indeed."]
    assert [s.text for s in got] == wanted
    assert got[1].source == "requests"
    with pytest.raises(InputError, match="'poems' is unknown"):
        read_sentences(tmp_path, NOTHING, ["poems"])
    with pytest.raises(InputError, match="does not exist"):
        read_sentences(tmp_path, NOTHING, ["trivia"])


def test_a_plan_repeats_with_its_seed_and_a_longer_one_begins_alike():
    short = cut_plan(speaking_plan(sentences(), NOTHING, PlanConfig(seed=3)), 0.02, 36.0)
    long = cut_plan(speaking_plan(sentences(), NOTHING, PlanConfig(seed=3)), 0.05, 36.0)
    assert len(short) == 2
    assert len(long) == 5
    assert long[:2] == short
    other = cut_plan(speaking_plan(sentences(), NOTHING, PlanConfig(seed=4)), 0.02, 36.0)
    assert other != short
    numbers = [item.number for shard in long for item in shard]
    assert numbers == list(range(len(numbers)))


def test_a_pass_speaks_every_sentence_and_the_next_in_another_order():
    config = PlanConfig(joined_share=0.0, clause_share=0.0)
    items = list(islice(speaking_plan(sentences(), NOTHING, config), 120))
    wanted = {s.text for s in sentences()}
    assert {item.text for item in items[:60]} == wanted
    assert {item.text for item in items[60:]} == wanted
    assert [item.text for item in items[:60]] != [item.text for item in items[60:]]
    assert len({item.seed for item in items}) == 120


def test_some_items_are_passages_of_one_source_and_some_are_clauses():
    config = PlanConfig(joined_share=0.3, clause_share=0.3)
    items = list(islice(speaking_plan(sentences(), NOTHING, config), 60))
    joined = [item for item in items if item.text.count("stays.") > 1]
    assert joined
    assert any(item.text in ("and it stays.",) for item in items)
    sources = {s.text: s.source for s in sentences()}
    for item in joined:
        parts = [part.strip() + "." for part in item.text.split(".") if part.strip()]
        assert {sources[part] for part in parts} == {item.source}
    assert max(item.expected_s for item in items) < 30


def test_clauses_and_passages_that_are_held_out_are_not_planned():
    config = PlanConfig(joined_share=0.0, clause_share=1.0)
    held_out = HeldOutTexts(["and it stays"])
    items = list(islice(speaking_plan(sentences(), held_out, config), 30))
    assert not any(held_out.holds(item.text) for item in items)


def test_teachers_come_by_their_shares():
    config = PlanConfig(shares={"hibari": 3.0, "pico-en-US": 1.0})
    items = list(islice(speaking_plan(sentences(), NOTHING, config), 400))
    share = sum(item.teacher == "hibari" for item in items) / 400
    assert 0.68 < share < 0.82


@pytest.mark.parametrize(
    "change", [{"shares": {}}, {"shares": {"hibari": -1.0}}, {"joined_share": 0.8, "clause_share": 0.4}]
)
def test_impossible_plans_are_refused(change):
    with pytest.raises(ConfigError):
        PlanConfig(**change)
