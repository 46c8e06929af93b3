"""The check that parses readings back: right readings pass, every kind of unforgivable error is found."""

import random

import pytest

from tts_frontend.languages import load_language

ENGLISH = load_language("en")
RIGHT = [
    ("1984", "nineteen eighty four"),
    ("1984", "one thousand nine hundred eighty four"),
    ("1984", "one nine eight four"),
    ("$5.20", "five dollars twenty cents"),
    ("$5.2 million", "five point two million dollars"),
    ("2006-08-05", "August fifth two thousand six"),
    ("2007-10-20", "October twentieth two thousand seven"),
    ("05/02/2017", "the second of May twenty seventeen"),
    ("10:05 p.m.", "ten o five p m"),
    ("2:00", "two o'clock"),
    ("3 1/2", "three and a half"),
    ("90 km/h", "ninety kilometers per hour"),
    ("XVI", "sixteen"),
    ("XVI", "the sixteenth"),
    ("FBI", "F B I"),
    ("Dr.", "doctor"),
    ("-", "minus"),
    ("650-451-1234", "six five zero, four five one, one two three four"),
]
WRONG = [
    ("1984", "nineteen eighty"),  # a digit dropped
    ("1984", "nineteen eighty five"),  # changed
    ("1984", "nineteen eighty four one"),  # invented
    ("1,003", "one hundred three"),  # a magnitude
    ("007", "seven"),  # leading zeros of a code
    ("3.14", "three hundred fourteen"),  # the point
    ("3.5 kg", "thirty five kilograms"),
    ("$5", "five euros"),  # the currency
    ("$5", "five"),
    ("5", "five dollars"),
    ("10-15", "ten to fifteen minutes"),
    ("5 km", "five miles"),  # the unit
    ("5 km", "five"),
    ("5%", "five"),
    ("5 million", "five billion"),  # the magnitude word
    ("5 million", "five"),
    ("$5.2 million", "five point two dollars"),
    ("10:05 p.m.", "ten o five"),  # the half of the day
    ("-5 kg", "five pounds"),
    ("Dr.", "mister"),  # a word
    ("word", "words"),
    ("one word", "word"),
    ("2006-08-05", "September fifth two thousand six"),
    ("7", "7"),
]


@pytest.mark.parametrize(("written", "spoken"), RIGHT)
def test_right_readings_pass(written, spoken):
    assert ENGLISH.problems(written, spoken) == []


@pytest.mark.parametrize(("written", "spoken"), WRONG)
def test_wrong_readings_are_found(written, spoken):
    assert ENGLISH.problems(written, spoken) != []


def _strings(seed, count):
    """Written forms of money, time, measures, telephone and versions."""
    draw = random.Random(seed)
    for _ in range(count):
        n, cents = draw.randint(0, 10 ** draw.randint(1, 7)), draw.randint(0, 99)
        yield from (
            f"${n:,}.{cents:02}",
            f"\u00a3{n}",
            f"${n}.{cents % 10} million",
            f"{draw.randint(0, 23)}:{draw.randint(0, 59):02}",
            f"{draw.randint(1, 12)}:{draw.randint(0, 59):02} {draw.choice(['am', 'p.m.'])}",
            f"{n:,} {draw.choice(['km', 'kg', 'mph', 'GB'])}",
            f"{n}.{cents}%",
            f"{draw.randint(200, 999)}-{draw.randint(100, 999)}-{draw.randint(1000, 9999)}",
            f"{draw.randint(0, 30)}.{draw.randint(0, 30)}.{draw.randint(0, 99)}",
            f"{draw.randint(1, 12)}/{draw.randint(1, 28)}/{draw.randint(1900, 2099)}",
        )


def test_every_reading_the_rules_choose_passes():
    """With the check switched off the rules' own choices have nothing to hide."""
    from tts_frontend.config import NormalizerConfig
    from tts_frontend.normalizer_rules import RuleNormalizer

    for text in _strings(1, 60):
        stream = RuleNormalizer(NormalizerConfig(verify=False))
        for piece in stream.push(text) + stream.flush():
            if piece.rule not in ("space", "keep"):
                assert ENGLISH.problems(text[piece.start : piece.end], piece.text) == [], text


def test_a_changed_number_word_is_always_found():
    from tests.tts_frontend.reading import normalize
    from tts_frontend.languages.en.numbers import ONES

    draw = random.Random(2)
    for text in _strings(3, 40):
        words = normalize(text).split()
        places = [i for i, word in enumerate(words) if word in ONES[1:]]
        if not places:
            continue
        place = draw.choice(places)
        changed = draw.choice([w for w in ONES[1:] if w != words[place]])
        mutated = " ".join([*words[:place], changed, *words[place + 1 :]])
        assert ENGLISH.problems(text, mutated) != [], (text, mutated)
        dropped = " ".join([*words[:place], *words[place + 1 :]])
        assert ENGLISH.problems(text, dropped) != [], (text, dropped)
