import math

import pytest
import torch

from prosody.predictor import ProsodyOptions
from speech_core.errors import StreamClosedError
from speech_synthesis.synthesizer import SpeechStream
from tests.pronunciation_parts import D_LLAMA, token_events
from tests.streaming_checks import chunkings, closed_after_flush, join, split
from tests.voice_parts import small_parts

TEXT = "They stop -- the record; the end? 5 dogs could call. Wish"
PARTS = {"phones": small_parts(), "states": small_parts(D_LLAMA)}


class Samples:
    """A speech stream whose chunks are tensors."""

    def __init__(self, parts, options=None):
        self.stream = SpeechStream(parts, options)

    def push(self, events):
        return self._join(self.stream.push(events))

    def flush(self):
        return self._join(self.stream.flush())

    def _join(self, chunks):
        return torch.cat([chunk.samples for chunk in chunks]) if chunks else torch.zeros(0)


def said(parts, text, options=None, keep_phones=False):
    stream = SpeechStream(parts, options, keep_phones)
    chunks = stream.push_text(text) + stream.flush()
    samples = torch.cat([chunk.samples for chunk in chunks]) if chunks else torch.zeros(0)
    assert stream.num_samples == len(samples)
    return samples, stream


@pytest.mark.parametrize("name", list(PARTS))
def test_chunks_of_tokens_equal_the_whole(name):
    events = token_events(TEXT)
    whole = Samples(PARTS[name])
    offline = join([whole.push(events), whole.flush()])
    assert len(offline) > 24_000
    for sizes in chunkings(len(events), random_splits=4):
        stream = Samples(PARTS[name])
        given = [stream.push(part) for part in split(events, sizes)] + [stream.flush()]
        torch.testing.assert_close(join(given), offline, atol=1e-4, rtol=1e-4)
        assert stream.stream.word_times == whole.stream.word_times


def test_sound_comes_before_the_text_ends():
    stream = Samples(PARTS["phones"])
    given = [len(stream.push(event)) for event in token_events(TEXT)]
    assert sum(given[: len(given) // 2]) > 0.2 * sum(given) > 0


def test_the_stream_closes():
    closed_after_flush(lambda: Samples(PARTS["phones"]), token_events("They stop."))


def test_cancel_is_silent_at_once():
    stream = SpeechStream(PARTS["phones"])
    stream.push(token_events(TEXT))
    before = stream.num_samples
    stream.cancel()
    assert stream.flush() == []
    assert stream.num_samples == before
    with pytest.raises(StreamClosedError):
        stream.push_text("more")


def test_every_word_has_its_place():
    samples, stream = said(PARTS["phones"], TEXT)
    times = stream.word_times
    words = [time.word.text for time in times]
    assert words == ["They", "stop", "the", "record", "the", "end", "five", "dogs", "could", "call", "Wish"]
    edges = [edge for time in times for edge in (time.start_sample, time.end_sample)]
    assert edges == sorted(edges)
    assert 0 < edges[0] < edges[-1] <= len(samples)
    assert TEXT[times[3].word.start : times[3].word.end] == "record"


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "\n\n", "\u200b"])
def test_nothing_to_say_is_no_sound(text):
    samples, stream = said(PARTS["phones"], text)
    assert len(samples) == 0
    assert stream.word_times == []


@pytest.mark.parametrize(
    "text", ["Grüße aus Łódź", "日本", "😀 wish", "a\x00b", "x" * 300, "1e9 -- 7%", "عربي and"]
)
def test_any_unicode_is_spoken_or_left_out(text):
    samples, _ = said(PARTS["phones"], text)
    assert torch.isfinite(samples).all()
    assert float(samples.abs().max() if len(samples) else 0.0) <= 1.0


def test_rate_changes_the_length():
    slow, _ = said(PARTS["phones"], TEXT, ProsodyOptions(rate=0.5))
    fast, _ = said(PARTS["phones"], TEXT, ProsodyOptions(rate=2.0))
    assert len(slow) / len(fast) == pytest.approx(4.0, rel=0.15)


def test_phones_are_kept_for_plots_only_when_asked():
    _, stream = said(PARTS["phones"], "They stop.")
    assert stream.phones == []
    samples, stream = said(PARTS["phones"], "They stop.", keep_phones=True)
    phones = stream.phones
    assert [p.event.phone.symbol for p in phones][:2] == ["SIL", "DH"]
    assert phones[0].start_sample == 0
    assert phones[-1].end_sample == len(samples)
    for phone in phones:
        frames = (phone.end_sample - phone.start_sample) / 300
        assert frames == pytest.approx(math.exp(phone.event.log_duration) * 80, abs=1.01)
