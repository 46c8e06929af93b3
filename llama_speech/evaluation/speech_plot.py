"""A picture of synthesized speech: sound, spectrum, phones with durations, requested and measured pitch."""

from pathlib import Path

import numpy as np

from llama_speech.evaluation.pitch import measure_f0
from llama_speech.speech import Speech
from speech_core.errors import InputError

_HOP_SAMPLES = 300
_MOST_S = 60.0


def plot_speech(speech: Speech, path: Path) -> None:
    """Write the picture in the format of the file's suffix. Raises InputError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("--plot needs matplotlib: pip install matplotlib") from None
    rate = speech.sample_rate
    samples = speech.samples[: round(_MOST_S * rate)]
    time_s = np.arange(len(samples)) / rate
    figure = Figure(figsize=(max(8.0, 5.0 * len(samples) / rate), 8.0), layout="constrained")
    wave, spectrum, pitch = figure.subplots(3, 1, sharex=True, height_ratios=[1, 2, 1])
    wave.plot(time_s, samples, linewidth=0.4)
    spectrum.specgram(samples + 1e-7, NFFT=768, Fs=rate, noverlap=768 - 120, vmin=-150, vmax=-40)
    measured = measure_f0(samples, rate, _HOP_SAMPLES)
    places = np.arange(len(measured)) * _HOP_SAMPLES / rate
    pitch.plot(places, np.where(measured > 0, measured, np.nan), ".", markersize=3, label="measured")
    for number, phone in enumerate(speech.phones):
        start, end = phone.start_sample / rate, phone.end_sample / rate
        if start > _MOST_S:
            break
        spectrum.axvline(start, color="white", linewidth=0.5)
        spectrum.text(start, 200 + 11_000 * (number % 2), phone.event.phone.symbol, color="white", fontsize=7)
        if phone.event.log_f0 is not None:
            hz = float(np.exp(phone.event.log_f0))
            pitch.plot([start, end], [hz, hz], "r-", label=None if number else "requested")
    for word in speech.words:
        wave.text(word.start_sample / rate, float(np.abs(samples).max()), word.word.text, fontsize=8)
    pitch.set_ylabel("pitch, Hz (line: requested)")
    pitch.set_xlabel("s")
    figure.savefig(path, dpi=80)
