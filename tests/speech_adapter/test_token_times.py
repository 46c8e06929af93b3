"""Times of tokens from peaks of the CTC result, by hand and as properties."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_adapter.token_times import even_spans, peak_spans, token_spans

HEARD = [10, 11, 12]
PEAKS = [(0.4, 0.5), (0.6, 0.7), (1.8, 1.9)]


def near(spans):
    return [pytest.approx(span) for span in spans]


def test_peaks_in_seconds():
    assert peak_spans([0, 5], [1, 7], 0.08) == near([(0.0, 0.08), (0.4, 0.56)])
    assert peak_spans([], [], 0.08) == []


def test_tokens_reach_half_way_but_not_into_pauses():
    spans = token_spans(HEARD, HEARD, PEAKS, 3.0)
    assert spans == near([(0.15, 0.55), (0.55, 0.95), (1.55, 2.15)])


def test_nothing_reaches_beyond_the_segment():
    spans = token_spans(HEARD, HEARD, PEAKS, 1.95)
    assert spans[0][0] == pytest.approx(0.15)
    assert spans[-1] == pytest.approx((1.55, 1.95))


def test_a_token_the_llama_changed_keeps_the_place():
    assert token_spans([10, 99, 12], HEARD, PEAKS, 3.0) == near(token_spans(HEARD, HEARD, PEAKS, 3.0))


def test_two_tokens_for_one_share_its_peak():
    first, second, third, fourth = token_spans([10, 50, 51, 12], HEARD, PEAKS, 3.0)
    assert [*second, *third] == pytest.approx([0.55, 0.65, 0.65, 0.95])
    assert first[1] <= second[0]
    assert fourth == pytest.approx((1.55, 2.15))


def test_an_inserted_token_lies_in_the_gap():
    spans = token_spans([10, 11, 50, 12], HEARD, PEAKS, 3.0)
    assert 0.7 <= spans[2][0] < spans[2][1] <= 1.8


def test_without_peaks_tokens_share_the_segment():
    assert token_spans([1, 2], [], [], 1.0) == near([(0.0, 0.5), (0.5, 1.0)])
    assert token_spans([], HEARD, PEAKS, 3.0) == []


@given(
    said=st.lists(st.integers(0, 5), max_size=12),
    heard=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(1, 3)), max_size=12),
)
def test_times_are_in_order_and_inside(said, heard):
    starts, ends, now = [], [], 0
    for _, pause, length in heard:
        starts.append(now + pause)
        now += pause + length
        ends.append(now)
    duration_s = now * 0.08 + 0.1
    spans = token_spans(said, [token for token, _, _ in heard], peak_spans(starts, ends, 0.08), duration_s)
    assert len(spans) == len(said)
    edges = [edge for span in spans for edge in span]
    assert all(0 <= edge <= duration_s for edge in edges)
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(edges))


def test_even_spans_share_the_speech():
    assert even_spans(4, [(1.0, 1.2), (2.0, 3.0)]) == [(1.0, 1.5), (1.5, 2.0), (2.0, 2.5), (2.5, 3.0)]
    assert even_spans(2, []) == [(0.0, 0.0)] * 2
    assert even_spans(0, [(1.0, 2.0)]) == []
