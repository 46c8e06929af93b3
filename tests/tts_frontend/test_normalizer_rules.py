"""The rule-only normalizer: readings in context, streaming equal to offline, never an exception, bounded
work.
"""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_core.errors import ConfigError, StreamClosedError
from tests.tts_frontend.reading import normalize
from tts_frontend.config import NormalizerConfig, ReadingOptions
from tts_frontend.normalizer_rules import RuleNormalizer, spoken_text

SENTENCES = [
    # the same written form in places that call for different readings
    ("St. John lives on Oak St. in May.", "saint John lives on Oak street in May."),
    ("Dr. Smith of 12 Elm Dr. left.", "doctor Smith of twelve Elm drive left."),
    (
        "In 1984 he got 1984 votes.",
        "In nineteen eighty four he got one thousand nine hundred eighty four votes.",
    ),
    ("Add 2/3 cup on 2/3.", "Add two thirds cup on February third."),
    ("Answer: No. I had No. 5.", "Answer: No. I had number five."),
    ("Henry V. fought; see Chapter V.", "Henry the fifth. fought; see Chapter five."),
    ("I am up at 5 am.", "I am up at five a m."),
    ("3 - 2 = 1, but they won 3-2.", "three minus two equals one, but they won three to two."),
    ("#5 and #music", "number five and hash music"),
    ("He lives at 221B Baker St. now", "He lives at two twenty one B Baker street now"),
    ("Dr. M.G.R. and Oak Dr. now", "doctor M G R and Oak drive now"),
    ("I live in Kansas City, MO.", "I live in Kansas City, Missouri."),
    ("Queen st, Grey st. The end", "Queen street, Grey street. The end"),
    ("Report 9/20: done (2/22)", "Report September twentieth: done (February twenty second)"),
    # what grammars got wrong
    ("United States Census, 1,000 cases", "United States Census, one thousand cases"),
    ("In the 1990s and '90s", "In the nineteen nineties and nineties"),
    ("AT&T's 100 hp engine is 2x faster.", "A T and T's one hundred horsepower engine is two times faster."),
    ("He is 5'11\" tall.", "He is five feet eleven inches tall."),
    ("$3.50 million", "three point five o million dollars"),
    ("Version 2.0.1", "Version two point zero point one"),
    ("October 7, 1963", "October seventh, nineteen sixty three"),
    ("The 7 October 1963 session", "The seventh of October nineteen sixty three session"),
    # what a chat model writes
    ("## **Bold** title\n- one\n1. `two`", "Bold title\none\none. two"),
    ("See [the docs](https://example.com/a_b?c=1).", "See the docs."),
    ("| a | b |\n|---|---|\n| 1 | 2 |", "a , b\n\none , two"),
    (
        "mail a.b@site.org or www.site.org/x-1",
        "mail a dot b at site dot org or w w w dot site dot org slash x dash one",
    ),
    ("open src/main.py", "open src slash main dot p y"),
    ("E = mc\u00b2", "E equals mc squared"),
    ("It's 20\u00b0C \U0001f600", "It's twenty degrees Celsius grinning face"),
    ("twenty-one don't and/or", "twenty-one don't and or"),
]


@pytest.mark.parametrize(("written", "spoken"), SENTENCES)
def test_sentences(written, spoken):
    assert normalize(written) == spoken


@pytest.mark.parametrize(
    ("options", "written", "spoken"),
    [
        (ReadingOptions(date_order="dmy"), "on 1/4/2024", "on the first of April twenty twenty four"),
        (ReadingOptions(date_style="month_day"), "17 March", "March seventeenth"),
        (ReadingOptions(date_style="day_month"), "March 17", "the seventeenth of March"),
        (ReadingOptions(number_and=True), "105 men", "one hundred and five men"),
        (ReadingOptions(zero="oh"), "in 1905 at 10:05", "in nineteen oh five at ten oh five"),
        (ReadingOptions(hours=12), "at 17:30", "at five thirty p m"),
        (ReadingOptions(emoji="skip"), "ok \U0001f44d", "ok"),
        (ReadingOptions(code="skip"), "```\nx = 5\n```\nend", "\n\n\nend"),
    ],
)
def test_locale_options(options, written, spoken):
    assert normalize(written, NormalizerConfig(reading=options)) == spoken


def test_punctuation_of_other_scripts_is_punctuation():
    assert normalize("Tokyo。「Kyoto」、Osaka！ नमस्ते।") == 'Tokyo."Kyoto",Osaka! नमस्ते.'


def test_characters_without_width_take_no_place_in_the_right_context():
    stream = RuleNormalizer(NormalizerConfig(lookahead_tokens=1))
    assert "five" not in spoken_text(stream.push("He saw 5 \u200b\u2060 "))
    assert "five" in spoken_text(stream.push("men "))


TEXT = st.one_of(
    st.text(st.characters(codec=None), max_size=60),
    st.text(st.sampled_from("0123456789.,:/-$%#*_`|[](){}<>'\" \nIVXampkSt\u2013\u00bd\u00b2"), max_size=60),
    st.lists(st.sampled_from([w for s, _ in SENTENCES for w in s.split(" ")]), max_size=12).map(" ".join),
)


@given(TEXT, st.integers(0, 2**32), st.sampled_from([0, 1, 3, 48]))
@settings(max_examples=400, deadline=None)
def test_streaming_equals_offline(text, seed, lookahead):
    config = NormalizerConfig(lookahead_tokens=lookahead)
    whole = RuleNormalizer(config)
    expected = whole.push(text) + whole.flush()
    draw, stream, out, at = random.Random(seed), RuleNormalizer(config), [], 0
    while at < len(text):
        size = draw.randint(0, 6)
        out += stream.push(text[at : at + size])
        at += size
    assert out + stream.flush() == expected


@given(TEXT)
@settings(max_examples=300, deadline=None)
def test_spans_cover_the_text_and_no_digit_is_left(text):
    stream = RuleNormalizer()
    pieces = stream.push(text) + stream.flush()
    assert [p.start for p in pieces] == [0, *[p.end for p in pieces]][: len(pieces)]
    assert (pieces[-1].end if pieces else 0) == len(text)
    said = spoken_text(pieces)
    assert not any(c.isdecimal() for c in said)
    assert said.count("\n") == text.count("\n")


@pytest.mark.parametrize("sign", "$%&@#*+=<>^~\\|\u20ac\u00a3_`")
@pytest.mark.parametrize("text", ["a {} b", "5{}5", "{}", "x{}", "{}{}{}", "5 {}"])
def test_no_raw_symbol_is_left(sign, text):
    said = normalize(text.replace("{}", sign))
    assert sign not in said


@pytest.mark.parametrize(
    "text",
    [
        "7" * 200_000,
        "a" * 100_000,
        "1,234," * 1_500,
        "$" * 4_000,
        "*" * 4_000,
        "(" * 2_000 + "[" * 2_000,
        "1.2" * 2_000,
        "http://" + "a." * 2_000,
        "_a" * 2_000,
        "<a " * 1_500,
        "I. " * 1_500,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_input_takes_time_in_proportion(text):
    """Each takes about a second of a slow core; work that grows with the length would take minutes."""
    start = time.process_time()
    stream = RuleNormalizer()
    pieces = stream.push(text) + stream.flush()
    assert pieces[-1].end == len(text)
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "written", ["On May 12, 1981 he", "at 10:30 p.m. on", "left at 5 1/4 miles from", "$5.2 million for"]
)
def test_an_open_item_is_waited_for(written):
    """With three tokens of lookahead a date, a time or an amount of many tokens is read as one."""
    assert normalize(written, NormalizerConfig(lookahead_tokens=3)) == normalize(written)
    assert normalize(written, NormalizerConfig(lookahead_tokens=1)) == normalize(written)


def test_words_come_out_before_the_text_ends():
    stream = RuleNormalizer(NormalizerConfig(lookahead_tokens=3))
    out = spoken_text(stream.push("Hello there, this is "))
    assert out == "Hello there, this is"
    assert "ten" not in spoken_text(stream.push("10"))
    assert spoken_text(stream.push(" of them ")) == ""
    assert spoken_text(stream.push("all ")).startswith("ten")


def test_explain_tells_all_readings_best_first():
    stream = RuleNormalizer(explain=True)
    pieces = stream.push("1984") + stream.flush()
    scores = [r.score for r in pieces[0].considered]
    assert scores == sorted(scores, reverse=True)
    assert {"year", "cardinal", "digit_string"} <= {r.rule for r in pieces[0].considered}


def test_another_chooser_may_pick_and_is_checked():
    def digits(view, readings):
        return next((r for r in readings if r.rule == "digit_string"), readings[0])

    stream = RuleNormalizer(choose=digits)
    assert spoken_text(stream.push("in 1984") + stream.flush()) == "in one nine eight four"


@given(TEXT, st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_whatever_a_chooser_says_nothing_is_lost(text, seed):
    """A chooser that picks at random among readings cannot drop, invent or change what the check knows."""
    from tts_frontend.languages import load_language

    draw, english = random.Random(seed), load_language("en")
    stream = RuleNormalizer(choose=lambda view, readings: draw.choice(readings))
    for piece in stream.push(text) + stream.flush():
        rule = english.inventory.by_name.get(piece.rule)
        if rule is not None and rule.checked and piece.rule != "keep":
            assert english.problems(text[piece.start : piece.end], piece.text) == []
        assert not any(c.isdecimal() for c in piece.text)


def test_wrong_use_is_refused():
    stream = RuleNormalizer()
    assert stream.flush() == []
    with pytest.raises(StreamClosedError):
        stream.push("a")
    with pytest.raises(ConfigError):
        NormalizerConfig(language="xx")
    with pytest.raises(ConfigError):
        NormalizerConfig(lookahead_tokens=-1)
