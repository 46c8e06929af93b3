"""Counting what a recogniser understood, item by item, from packed windows too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.data.checking import (
    GAP_S,
    CheckReport,
    TeacherCounts,
    WhisperChecker,
    pack_items,
    plain_characters,
    split_errors,
)


def distance(a, b):
    """Plain edit distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))
        row = new
    return row[-1]


def test_plain_characters():
    assert plain_characters("It's “well-known”,  Mr. O'Hara!") == "its well known mr ohara"


@pytest.mark.parametrize(
    ("texts", "heard", "errors"),
    [
        (["Hello there.", "Good bye!"], "hello there good bye", [0, 0]),
        (["Hello there.", "Good bye!"], "hello there good bite", [0, 2]),
        (["Hello there.", "Good bye!"], "good bye", [12, 0]),
        (["one", "two", "six"], "one tow six", [0, 2, 0]),
        (["one"], "", [3]),
        (["one"], "one and more", [9]),
        ([""], "noise", [5]),
    ],
)
def test_errors_belong_to_the_item_they_are_in(texts, heard, errors):
    assert split_errors(texts, heard) == errors


TEXT = st.text("abc ", min_size=1, max_size=12).map(lambda t: " ".join(t.split())).filter(bool)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4), st.text("abc ", max_size=30))
def test_the_errors_sum_to_the_edit_distance(texts, heard):
    assert sum(split_errors(texts, heard)) == distance(" ".join(texts), heard)


@given(st.lists(st.floats(0.2, 40.0), max_size=30))
def test_packs_hold_every_item_once_in_order_and_fit_the_window(durations_s):
    packs = pack_items(durations_s)
    assert [index for pack in packs for index in pack] == list(range(len(durations_s)))
    for pack in packs:
        length_s = sum(durations_s[index] for index in pack) + GAP_S * (len(pack) - 1)
        assert length_s <= 28.0 + 1e-6 or len(pack) == 1


def test_reports_sum_and_come_back_from_json():
    first = CheckReport({"a": TeacherCounts(items=2, seconds=3600.0, checked=1, characters=100, errors=5)})
    second = CheckReport({"a": TeacherCounts(items=1, dropped=1), "b": TeacherCounts(failed=1)})
    first.add(CheckReport.from_dict(second.to_dict()))
    assert first.of("a") == TeacherCounts(3, 3600.0, 0, 1, 1, 100, 5)
    lines = first.table().splitlines()
    assert lines[0].split("\t")[-1] == "CER %"
    assert lines[1].split("\t") == ["a", "3", "1.00", "0", "1", "1", "5.0"]
    assert lines[2].split("\t")[-1] == "-"


class Deaf(WhisperChecker):
    """A checker whose recogniser returns what the test wants; the model itself is not loaded."""

    def __init__(self, answers):
        self.answers = answers

    def transcribe(self, audio):
        return self.answers[audio.size]


def test_a_doubtful_item_of_a_pack_is_heard_again_alone():
    one, two = np.zeros(16_000, np.float32), np.zeros(24_000, np.float32)
    together = 16_000 + 24_000 + round(GAP_S * 16_000)
    checker = Deaf({together: "hello", 16_000: "hello", 24_000: "good bye"})
    assert checker.count_errors([(one, "Hello."), (two, "Good bye.")]) == [0, 0]
    checker = Deaf({together: "hello", 16_000: "hello", 24_000: "wood bye"})
    assert checker.count_errors([(one, "Hello."), (two, "Good bye.")]) == [0, 1]
