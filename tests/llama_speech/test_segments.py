"""Cutting at pauses and at quiet places: covers the speech, bounded pieces, any chunking, bounded memory."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_speech.segments import AudioBuffer, PauseSegmenter, QuietSegmenter, SegmentConfig, iter_pieces
from llama_speech.voice_activity import SAMPLE_RATE, load_voice_activity
from speech_core.audio import load_audio
from speech_core.errors import ConfigError, StreamClosedError

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples").glob("*.flac"))


def silence(duration_s: float) -> np.ndarray:
    return (np.random.default_rng(1).standard_normal(int(duration_s * SAMPLE_RATE)) * 1e-4).astype(np.float32)


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    return [load_audio(path) for path in SAMPLES]


@pytest.fixture(scope="module")
def talk(clips) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The clips with three seconds of near silence around each, and where each lies."""
    parts, places, at = [silence(3.0)], [], 3 * SAMPLE_RATE
    for clip in clips:
        places.append((at, at + clip.size))
        parts += [clip, silence(3.0)]
        at += clip.size + 3 * SAMPLE_RATE
    return np.concatenate(parts), places


def chunked(audio: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    edges = np.cumsum(sizes)
    return np.split(audio, edges[edges < audio.size])


def test_pieces_hold_the_speech_and_little_else(talk):
    audio, places = talk
    pieces = list(iter_pieces([audio], SegmentConfig(), load_voice_activity()))
    assert len(pieces) >= len(places)
    for start, end in places:
        inside = [p for p in pieces if p.start_samples < end and p.start_samples + p.audio.size > start]
        assert inside, "a clip without a piece"
        assert inside[0].start_samples < start + 0.6 * SAMPLE_RATE
        assert inside[-1].start_samples + inside[-1].audio.size > end - 0.8 * SAMPLE_RATE
    kept = sum(piece.audio.size for piece in pieces)
    assert kept < sum(end - start for start, end in places) + 3 * 1.2 * SAMPLE_RATE


def test_no_window_of_speech_is_outside_the_pieces(talk):
    import torch

    audio, _ = talk
    config, voice = SegmentConfig(), load_voice_activity()
    whole = torch.from_numpy(audio[: audio.size // 512 * 512])[None]
    probabilities = voice.step(whole, voice.init_state())[0][0].numpy()
    covered = np.zeros(audio.size, dtype=bool)
    for piece in iter_pieces([audio], config, voice):
        covered[piece.start_samples : piece.start_samples + piece.audio.size] = True
    loud = np.flatnonzero(probabilities >= config.enter)
    assert loud.size
    assert all(covered[window * 512 : (window + 1) * 512].all() for window in loud)


def test_pieces_are_cut_from_the_audio_in_order_without_overlap(talk):
    audio, _ = talk
    for voice in (load_voice_activity(), None):
        reached = 0
        for piece in iter_pieces(chunked(audio, [16000] * 99), SegmentConfig(), voice):
            assert piece.start_samples >= reached
            reached = piece.start_samples + piece.audio.size
            assert np.array_equal(piece.audio, audio[piece.start_samples : reached])
            assert piece.end_s - piece.start_s == pytest.approx(piece.audio.size / SAMPLE_RATE)


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.sampled_from([0, 1, 511, 512, 513, 5000, 40000, 300000]), max_size=30))
def test_streaming_equals_offline(talk, sizes):
    audio, _ = talk
    config = SegmentConfig(target_s=4.0, max_s=8.0)
    for voice in (load_voice_activity(), None):
        whole = list(iter_pieces([audio], config, voice))
        streamed = list(iter_pieces(chunked(audio, sizes), config, voice))
        assert [p.start_samples for p in streamed] == [p.start_samples for p in whole]
        assert all(np.array_equal(a.audio, b.audio) for a, b in zip(streamed, whole, strict=True))


@pytest.mark.parametrize("max_s", [2.0, 5.0, 30.0, 60.0])
def test_no_piece_is_longer_than_allowed_and_no_speech_is_lost(clips, max_s):
    """Speech without a pause: cut where it is weakest, the parts joined are the whole."""
    speech = np.concatenate([clip[4000:-4000] for clip in clips * 4])
    config = SegmentConfig(target_s=max_s, max_s=max_s, long_pause_s=60, short_pause_s=60, pad_s=0.1)
    pieces = list(iter_pieces([speech], config, load_voice_activity()))
    assert max(piece.audio.size for piece in pieces) <= max_s * SAMPLE_RATE
    inner = pieces[1:-1] or pieces
    assert min(piece.audio.size for piece in inner) >= 0.4 * min(max_s, 15) * SAMPLE_RATE
    for before, after in itertools.pairwise(pieces):
        assert after.start_samples == before.start_samples + before.audio.size


@pytest.mark.parametrize("duration_s", [0, 1 / SAMPLE_RATE, 0.02, 0.032, 0.033, 1.0, 100.0])
def test_silence_and_noise_give_nothing_with_voice_activity(duration_s):
    samples = round(duration_s * SAMPLE_RATE)
    noise = (np.random.default_rng(0).standard_normal(samples) * 0.1).astype(np.float32)
    for audio in (np.zeros(samples, np.float32), noise):
        assert list(iter_pieces([audio], SegmentConfig(), load_voice_activity())) == []


@pytest.mark.parametrize("duration_s", [0, 1 / SAMPLE_RATE, 0.5, 19.9, 25.0, 25.5, 26.1, 61.0, 200.0])
def test_without_voice_activity_pieces_tile_everything(duration_s):
    audio = np.random.default_rng(0).standard_normal(round(duration_s * SAMPLE_RATE)).astype(np.float32)
    pieces = list(iter_pieces(chunked(audio, [16000] * 300), SegmentConfig(), None))
    assert np.array_equal(np.concatenate([p.audio for p in pieces] or [audio]), audio)
    assert all(p.audio.size <= 30 * SAMPLE_RATE for p in pieces)
    if len(pieces) > 1:
        assert min(p.audio.size for p in pieces) >= SAMPLE_RATE


def test_without_voice_activity_the_cut_is_where_it_is_quiet():
    audio = np.random.default_rng(0).standard_normal(40 * SAMPLE_RATE).astype(np.float32) * 0.1
    audio[round(21.00 * SAMPLE_RATE) : round(21.05 * SAMPLE_RATE)] = 0.0
    first = next(iter(iter_pieces([audio], SegmentConfig(), None)))
    assert 21.0 <= first.end_s <= 21.05


def test_longer_pieces_end_in_shorter_pauses():
    config = SegmentConfig()
    pauses = [config.ending_pause_s(length) for length in (0, 5, 10, 20, 50)]
    assert pauses == sorted(pauses, reverse=True)
    assert pauses[0] == config.long_pause_s
    assert pauses[-1] == pauses[-2] == pytest.approx(config.short_pause_s)


def test_memory_is_bounded_by_the_longest_piece(clips):
    speech = np.concatenate(clips * 6)
    config = SegmentConfig(target_s=10, max_s=10)
    for segmenter in (PauseSegmenter(config, load_voice_activity()), QuietSegmenter(config)):
        held = 0
        for block in chunked(speech, [16000] * 999):
            segmenter.push(block)
            buffer = segmenter._buffer
            held = max(held, buffer.end - buffer.start)
        assert held <= 12 * SAMPLE_RATE


def test_push_after_flush_is_refused():
    for segmenter in (
        PauseSegmenter(SegmentConfig(), load_voice_activity()),
        QuietSegmenter(SegmentConfig()),
    ):
        assert segmenter.flush() == []
        assert segmenter.flush() == []
        with pytest.raises(StreamClosedError):
            segmenter.push(silence(1.0))


@pytest.mark.parametrize(
    "values",
    [
        {"target_s": 0},
        {"target_s": 40, "max_s": 30},
        {"max_s": 61},
        {"short_pause_s": 0},
        {"short_pause_s": 3},
        {"pad_s": -1},
        {"enter": 0.2},
        {"leave": 0},
    ],
)
def test_impossible_settings_are_refused(values):
    with pytest.raises(ConfigError):
        SegmentConfig(**values)


def test_buffer_is_addressed_by_absolute_places():
    buffer = AudioBuffer()
    for start in range(0, 100, 10):
        buffer.append(np.arange(start, start + 10, dtype=np.float32))
    buffer.drop_before(37)
    buffer.drop_before(20)
    assert (buffer.start, buffer.end) == (37, 100)
    assert buffer.read(37, 40).tolist() == [37, 38, 39]
    assert buffer.read(95, 100).tolist() == [95, 96, 97, 98, 99]
    assert buffer.read(50, 50).size == 0
    buffer.drop_before(100)
    assert buffer.start == 100
    buffer.append(np.zeros(3, np.float32))
    assert buffer.read(100, 103).size == 3
