"""Tokens to words, words to segments."""

from dataclasses import dataclass

import pytest

from llama_speech.words import group_words, one_line, to_segments

PIECES = [" He", "llo", ",", " wor", "ld", ".", " It", " is", " five", " o", "'", "clock", "."]


def decode(token_ids: list[int]) -> str:
    return "".join(PIECES[token] for token in token_ids)


@dataclass(frozen=True)
class Result:
    """What a recognizer says."""

    text: str
    token_ids: list[int]
    token_log_probs: list[float]
    token_times_s: list[tuple[float, float]]
    no_speech_prob: float = 0.01
    avg_logprob: float = -0.5


def result(times: list[tuple[float, float]], token_ids: list[int] | None = None) -> Result:
    ids = list(range(len(PIECES))) if token_ids is None else token_ids
    return Result(decode(ids), ids, [-0.1 * (place % 3) for place in range(len(ids))], times)


def steady(count: int, step_s: float = 0.2) -> list[tuple[float, float]]:
    return [(place * step_s, place * step_s + step_s / 2) for place in range(count)]


def test_marks_and_parts_of_words_join_their_word():
    words = group_words(range(len(PIECES)), decode)
    assert [word for word, _, _ in words] == [" Hello,", " world.", " It", " is", " five", " o'clock."]
    assert [(first, last) for _, first, last in words] == [(0, 3), (3, 6), (6, 7), (7, 8), (8, 9), (9, 13)]


def test_tokens_within_a_character_are_kept_together():
    data = [b" caf", b"\xc3", b"\xa9", b" \xe2", b"\x82", b"\xac", b"5"]

    def decode_bytes(token_ids: list[int]) -> str:
        return b"".join(data[token] for token in token_ids).decode("utf-8", errors="replace")

    words = group_words(range(7), decode_bytes)
    assert words == [(" café", 0, 3), (" €5", 3, 7)]


def test_line_breaks_become_spaces():
    parts = ["A", ":", "\n", '"', "B", "  ", " C", "\n\n"]

    def decode_parts(token_ids: list[int]) -> str:
        return "".join(parts[token] for token in token_ids)

    words = group_words(range(8), decode_parts)
    assert words == [("A:", 0, 2), (' "B', 2, 5), (" C", 6, 7)]
    whole = Result(decode_parts(list(range(8))), list(range(8)), [0.0] * 8, [])
    (segment,) = to_segments(whole, (0.0, 1.0), decode_parts, first_id=0)
    assert segment.text == 'A: "B C'


def test_control_characters_are_left_out():
    assert one_line("a\x1b[31m b\x00\x07c\u0085d") == "a[31m bc d"
    assert group_words([0, 1], lambda ids: " a\x07" + " \x1b" * (len(ids) - 1)) == [(" a", 0, 1)]
    assert to_segments(Result("\x07", [0], [0.0], []), (0.0, 1.0), lambda ids: "\x07", first_id=0) == []


def test_one_segment_with_words():
    segments = to_segments(result(steady(13)), (10.0, 20.0), decode, first_id=4)
    assert len(segments) == 1
    segment = segments[0]
    assert segment.words is not None
    assert (segment.id, segment.text) == (4, "Hello, world. It is five o'clock.")
    assert "".join(word.word for word in segment.words) == segment.text
    assert segment.start == pytest.approx(10.0)
    assert segment.end == pytest.approx(12.5)
    assert [round(word.start, 3) for word in segment.words] == [10.0, 10.6, 11.2, 11.4, 11.6, 11.8]
    assert segment.tokens == tuple(range(13))
    assert segment.avg_logprob == pytest.approx(-0.1 * (0 + 1 + 2) * 4 / 13)
    assert segment.words[2].probability == pytest.approx(1.0)
    assert segment.no_speech_prob == 0.01


def test_a_pause_ends_a_segment():
    times = steady(6) + [(start + 3.0, end + 3.0) for start, end in steady(7)]
    first, second = to_segments(result(times), (0.0, 10.0), decode, first_id=0)
    assert (first.id, first.text, second.id, second.text) == (0, "Hello, world.", 1, "It is five o'clock.")
    assert first.end <= second.start
    assert first.tokens + second.tokens == tuple(range(13))


@pytest.mark.parametrize(
    ("step_s", "pause_s", "segments"), [(0.1, 1.0, 1), (0.1, 1.8, 2), (0.7, 0.1, 1), (0.7, 1.2, 2)]
)
def test_the_longer_a_segment_the_shorter_the_pause_that_ends_it(step_s, pause_s, segments):
    ids = [8] * 6 + [7] * 4
    times = [(start + (pause_s if place >= 6 else 0), end + (pause_s if place >= 6 else 0))
             for place, (start, end) in enumerate(steady(10, step_s))]  # fmt: skip
    assert len(to_segments(result(times, ids), (0.0, 20.0), decode, first_id=0)) == segments


def test_a_sentence_ends_a_segment_that_is_long_enough():
    first, second = to_segments(result(steady(13, step_s=0.8)), (0.0, 20.0), decode, first_id=0)
    assert (first.text, second.text) == ("Hello, world.", "It is five o'clock.")


def test_no_segment_is_too_long():
    ids = [7] * 60
    segments = to_segments(result(steady(60, step_s=0.5), ids), (0.0, 30.0), decode, first_id=0)
    assert sum(len(segment.words or ()) for segment in segments) == 60
    assert max(segment.end - segment.start for segment in segments) <= 10.0
    assert len(segments) <= 6


def test_times_never_run_backwards_or_leave_the_piece():
    times = [(5.0, 4.0), (1.0, 9.0), (0.0, 0.0)] + [(99.0, -3.0)] * 10
    segments = to_segments(result(times), (2.0, 8.0), decode, first_id=0)
    edges = [time for segment in segments for word in segment.words or () for time in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 2.0
    assert edges[-1] <= 8.0


def test_without_times_the_piece_is_one_segment():
    (segment,) = to_segments(result([]), (1.0, 3.0), decode, first_id=0)
    assert (segment.start, segment.end, segment.words) == (1.0, 3.0, None)
    assert segment.text == "Hello, world. It is five o'clock."


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_no_text_no_segment(text):
    assert to_segments(Result(text, [], [], []), (0.0, 1.0), decode, first_id=0) == []
