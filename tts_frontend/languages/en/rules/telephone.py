"""Numbers that are read digit by digit in groups: telephone, social security, internet addresses, book
numbers.
"""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en import numbers as n

TELEPHONE = RuleSet("telephone")

GROUPS = re.compile(r"\d+|[A-Za-z]+")


def grouped_digits(text: str, zero: str = "zero") -> str:
    """Every group of digits one by one, a pause between groups; letters one by one or as words of
    capitals.
    """
    spoken = []
    for group in GROUPS.findall(text):
        if group.isdigit():
            spoken.append("eight hundred" if group == "800" else n.digits(group, zero))
        else:
            spoken.append(group)
    return ", ".join(spoken)


@TELEPHONE.rule(
    r"(\+)?(?:\d{1,3}[-. ]?)?(?:\(\d{3}\)[-. ]?|(?<!\d)\d{3}[-. ]{1,2})\d{3}[-. ]\d{4}(?:[-. "
    r"]\d{1,4})?(?![\d-])",
    "0(+",
    9.0,
    cases=[
        ("650-451-1234", "six five zero, four five one, one two three four"),
        ("+1 (123)-123-5678", "plus one, one two three, one two three, five six seven eight"),
        ("555.555.5555", "five five five, five five five, five five five five"),
    ],
)
def telephone(m: Match) -> str:
    """A telephone number of ten digits, with or without country code, in groups."""
    return ("plus " if m[1] else "") + grouped_digits(m.text)


@TELEPHONE.rule(
    r"\+\d{1,3}(?:[-. ]?\(?\d{1,5}\)?){2,6}(?![\d-])",
    "+",
    8.0,
    cases=[("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight")],
)
def telephone_international(m: Match) -> str:
    """A number with a country code: "+44 20 7946 0958"."""
    return "plus " + grouped_digits(m.text)


@TELEPHONE.rule(
    r"\d{3}-\d{4}(?![\d-])",
    "0",
    lambda m: 4.5,
    cases=[("555-1234", "five five five, one two three four")],
)
def telephone_short(m: Match) -> str:
    """A number of seven digits: "555-1234"."""
    return grouped_digits(m.text)


@TELEPHONE.rule(
    r"1-8\d\d(?:-[A-Z0-9]+)+\b",
    "0",
    8.5,
    cases=[("1-800-GO-U-HAUL", "one, eight hundred, GO, U, HAUL")],
)
def telephone_letters(m: Match) -> str:
    """A number that spells a word: "1-800-GO-U-HAUL"."""
    return grouped_digits(m.text)


@TELEPHONE.rule(
    r"\d{3}-\d{2}-\d{4}(?![\d-])",
    "0",
    8.0,
    cases=[("111-11-1111", "one one one, one one, one one one one")],
)
def social_security(m: Match) -> str:
    """A social security number."""
    return grouped_digits(m.text)


@TELEPHONE.rule(
    r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.]*\d)",
    "0",
    8.0,
    cases=[("123.123.0.40", "one two three dot one two three dot zero dot four zero")],
)
def internet_address(m: Match) -> str:
    """Four numbers with dots, digit by digit: "123.123.0.40"."""
    return " dot ".join(n.digits(part) for part in m.text.split("."))


@TELEPHONE.rule(
    r"\d+(?:-\d+){2,}(?:-[Xx])?(?![\w-])",
    "0",
    lambda m: 5.0 if len(m) >= 9 else 1.0,
    cases=[("978-3-16-148410-0", "nine seven eight, three, one six, one four eight four one zero, zero")],
)
def number_groups(m: Match) -> str:
    """A long number in groups, as of books and accounts, digit by digit."""
    return grouped_digits(m.text).replace("eight hundred", "eight zero zero")
