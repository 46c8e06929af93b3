"""Change of sampling rate for a whole signal and for a stream; both give the same samples."""

import numpy as np
import soxr

from speech_core.errors import AudioError, StreamClosedError
from speech_core.pcm import Audio

LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 768_000


def check_rate(sample_rate: int) -> None:
    """Raise AudioError if no recording has this rate."""
    if not LOWEST_RATE_HZ <= sample_rate <= HIGHEST_RATE_HZ:
        raise AudioError(f"sample rate {sample_rate} Hz is outside {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz")


class StreamingResampler:
    """Resample one channel while it arrives; the joined output equals `resample` of the whole, bit for bit.

    Both rates in Hz. The library keeps a short history: memory does not grow with the length of the stream.
    Raises AudioError on a rate out of range.
    """

    def __init__(self, input_rate: int, output_rate: int) -> None:
        check_rate(input_rate)
        check_rate(output_rate)
        self._same = input_rate == output_rate
        self._stream = soxr.ResampleStream(input_rate, output_rate, 1, dtype="float32", quality="HQ")
        self._closed = False

    def push(self, audio: Audio) -> Audio:
        """(samples,) at the input rate -> samples at the output rate that are now final, possibly none."""
        if self._closed:
            raise StreamClosedError("push after flush: make a new StreamingResampler")
        chunk = np.ascontiguousarray(audio, dtype=np.float32)
        return chunk if self._same or not chunk.size else self._stream.resample_chunk(chunk)

    def flush(self) -> Audio:
        """The remaining samples; afterwards the stream is closed."""
        if self._closed or self._same:
            self._closed = True
            return np.zeros(0, dtype=np.float32)
        self._closed = True
        rest: Audio = self._stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
        return rest


def resample(audio: Audio, input_rate: int, output_rate: int) -> Audio:
    """Resample one whole channel: (samples,) -> (about samples * output_rate / input_rate,)."""
    stream = StreamingResampler(input_rate, output_rate)
    return np.concatenate([stream.push(audio), stream.flush()])
