"""Labels inferred from pairs: the right rules, every token once, unsolved pairs named."""

import pytest

from tts_frontend.labels import Labelled, Unsolved, infer
from tts_frontend.languages import load_language

ENGLISH = load_language("en")


def rules_of(written, spoken):
    found = infer(written, spoken, ENGLISH)
    assert isinstance(found, Labelled)
    assert [label.start for label in found.labels] == [0, *[label.end for label in found.labels[:-1]]]
    assert found.labels[-1].end == len(found.tokens)
    return [label.rule for label in found.labels if label.rule not in ("space", "keep", "punctuation")]


@pytest.mark.parametrize(
    ("written", "spoken", "rules"),
    [
        ("in 1984.", "in nineteen eighty four.", ["year"]),
        ("1984 sheep", "one thousand nine hundred and eighty four sheep", ["cardinal"]),
        ("code 1984", "code one nine eight four", ["digit_string"]),
        ("2/3", "two thirds", ["fraction"]),
        ("2/3", "february third", ["date_md"]),
        ("St. John", "saint John", ["saint"]),
        ("Oak St.", "Oak street", ["street"]),
        ("17 March 2013", "march seventeenth twenty thirteen", ["day_of_month", "year"]),
        ("November 22", "November twenty-two", ["month_day"]),
        ("the UK", "the u k", ["letters"]),
        ("$3.85", "three dollars and eighty five cents", ["money"]),
        ("3-2", "three minus two", ["cardinal", "minus", "cardinal"]),
        ("3-2", "three to two", ["cardinal", "to", "cardinal"]),
        ("isn't colour", "isn't color", []),
    ],
)
def test_rules_are_found(written, spoken, rules):
    assert rules_of(written, spoken) == rules


def test_what_no_rule_says_is_named():
    found = infer("pay 5 now", "pay six now", ENGLISH)
    assert isinstance(found, Unsolved)
    assert found.token is not None
    assert found.token.text == "5"


def test_the_rules_own_choice_explains_itself():
    from tests.tts_frontend.reading import normalize

    for text in ("On 3/4/2024 at 5pm, 10-15 km.", "Chapter IV, p. 5: $5.2 million", "a@b.com # 5"):
        found = infer(text, normalize(text), ENGLISH)
        assert isinstance(found, Labelled)


def test_empty_pair():
    found = infer("", "", ENGLISH)
    assert isinstance(found, Labelled)
    assert found.labels == ()
