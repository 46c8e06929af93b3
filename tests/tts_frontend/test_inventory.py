"""Rules and their inventory: matching at token ends, legal readings only, the best of several."""

import pytest

from tts_frontend.config import ReadingOptions
from tts_frontend.inventory import Inventory, Match, Reading, RuleSet, View, best_reading
from tts_frontend.text_tokens import cut

TEST = RuleSet("test")


@TEST.rule(r"\d+", "0", 2.0, cases=[("5", "number")])
def number(m: Match) -> str:
    """Any number."""
    return "number"


@TEST.rule(r"\d+ ?km", "0", lambda m: 3.0 if len(m) > 3 else 1.0)
def distance(m: Match) -> str | None:
    """A distance, but not of zero."""
    return None if m.text.startswith("0") else "distance"


@TEST.rule(r"\d", "0", 9.0)
def half_a_token(m: Match) -> str:
    """Would split a run of digits."""
    return "wrong"


@TEST.rule(r"#", "#", 1.0)
def sign(m: Match) -> str:
    """A sign."""
    return "sign"


def view(text, start=0):
    ends = frozenset(token.end for token in cut(text))
    return View(text, start, len(text), ends, 0, len(text), ReadingOptions())


INVENTORY = Inventory([TEST])


def test_a_match_must_end_with_a_token():
    assert [r.rule for r in INVENTORY.readings(view("55 km"))] == ["number", "distance"]
    assert "half_a_token" in [r.rule for r in INVENTORY.readings(view("5 km"))]


def test_a_rule_may_decline():
    assert "distance" not in [r.rule for r in INVENTORY.readings(view("0 km"))]


def test_rules_are_found_by_the_first_character():
    assert [r.rule for r in INVENTORY.readings(view("#5"))] == ["sign"]
    assert INVENTORY.readings(view("x5")) == []


def test_the_rest_of_a_long_run_of_digits_has_only_the_digit_rule():
    assert INVENTORY.readings(view("1" * 100, start=64)) == []


def test_best_is_by_score_then_length_then_order():
    readings = [Reading("a", 0, 1, "", 1.0), Reading("b", 0, 2, "", 1.0), Reading("c", 0, 2, "", 1.0)]
    assert best_reading(readings).rule == "b"
    assert best_reading([*readings, Reading("d", 0, 1, "", 1.5)]).rule == "d"


def test_what_stands_around_is_bounded():
    long = "a" * 500 + " 5 km" + "b" * 500
    place = view(long, start=501)
    assert len(place.before) < 200
    assert place.at_line_start is False
    assert view("  5", start=2).at_line_start is True
    assert view("x\n 5", start=3).at_line_start is True


def test_two_rules_of_one_name_are_refused():
    with pytest.raises(ValueError, match="same name"):
        Inventory([TEST, TEST])
