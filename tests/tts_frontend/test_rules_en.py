"""Every English rule against its own table of cases, and the inventory as a whole."""

import pytest

from tts_frontend.config import ReadingOptions
from tts_frontend.inventory import View
from tts_frontend.languages import load_language
from tts_frontend.languages.en import numbers as n
from tts_frontend.text_tokens import cut

ENGLISH = load_language("en")
CASES = [(rule.name, written, spoken) for rule in ENGLISH.inventory.rules for written, spoken in rule.cases]


def place(case):
    """Text, start and end of a case: braces mark the stretch that the rule reads, the rest is context."""
    if "{" in case and "}" in case[1:]:
        before, _, rest = case.partition("{")
        inside, _, after = rest.partition("}")
        return before + inside + after, len(before), len(before) + len(inside)
    return case, 0, len(case)


def view_of(text, start):
    """The view a rule has at `start`."""
    tokens = [token for token in cut(text) if token.end > start]
    chunk_end = text.find(" ", start)
    return View(
        text=text,
        start=start,
        limit=len(text),
        ends=frozenset(token.end for token in tokens),
        chunk_start=text.rfind(" ", 0, start) + 1,
        chunk_end=len(text) if chunk_end < 0 else chunk_end,
        options=ReadingOptions(),
    )


@pytest.mark.parametrize(("name", "case", "spoken"), CASES)
def test_a_rule_reads_its_cases(name, case, spoken):
    text, start, end = place(case)
    reading = ENGLISH.inventory.by_name[name].read(view_of(text, start))
    assert reading is not None
    assert (reading.start, reading.end, reading.spoken) == (start, end, spoken)


def test_every_rule_has_a_name_a_docstring_and_cases():
    for rule in ENGLISH.inventory.rules:
        assert rule.say.__doc__
        assert rule.say.__doc__.strip().endswith(".")
        assert rule.cases, rule.name
    assert len(ENGLISH.inventory.rules) >= 90


def written_of(case):
    """The stretch that a case's rule reads."""
    text, start, end = place(case)
    return text[start:end]


def test_cases_pass_the_check():
    bad = [
        (rule.name, written, spoken, found)
        for rule in ENGLISH.inventory.rules
        if rule.checked
        for written, spoken in rule.cases
        if (found := ENGLISH.problems(written_of(written), spoken))
    ]
    assert bad == []


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("0", "zero"),
        ("10", "ten"),
        ("21", "twenty one"),
        ("100", "one hundred"),
        ("115", "one hundred fifteen"),
        ("1000", "one thousand"),
        ("10101", "ten thousand one hundred one"),
        ("1000000", "one million"),
        ("1002003", "one million two thousand three"),
        ("000", "zero"),
    ],
)
def test_cardinals(digits, words):
    assert n.cardinal(digits) == words


def test_and_in_numbers():
    assert n.cardinal("105", use_and=True) == "one hundred and five"
    assert n.cardinal("1005", use_and=True) == "one thousand and five"
    assert n.cardinal("1000000", use_and=True) == "one million"


def test_number_words_parse_back():
    """An independent parser reads every number word form back to its digits."""
    from tts_frontend.languages.en.facts import digits_of

    for value in [*range(0, 2200), *range(9990, 10020), 123456, 1000001, 10**9, 10**12 + 7, 987654321]:
        digits = str(value)
        assert digits_of(n.cardinal(digits).split()) == digits
        assert digits_of(n.ordinal(digits).split()) == digits
        assert digits_of(n.digits(digits).split()) == digits
        if 1000 <= value < 2200:
            assert digits_of(n.year(digits).split()) == digits
            assert digits_of(n.pairs(digits).split()) == digits
