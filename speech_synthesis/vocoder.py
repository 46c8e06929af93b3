"""Frames to sound: pulses at the requested pitch and noise, through minimum-phase filters of their envelopes.

A differentiable harmonic-plus-noise synthesiser: the pitch is followed by construction, and a small network,
trained on the sound itself, corrects the envelopes and how far the noise swings with the pitch. Frame k is
centred at sample k * hop; a sample is final two frames later (25 ms). Sound in chunks equals the whole sound.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from speech_core.checkpoint import load_config, load_weights
from speech_core.errors import InputError, StreamClosedError
from speech_core.events import AudioChunk
from speech_synthesis.config import VocoderConfig
from speech_synthesis.mel import interpolation, split_frames, unpack_frames

_TYPICAL = (-18.0, 4.0)  # mean and deviation of log-mel densities, to scale the network's input


class VocoderState(NamedTuple):
    """What a sound in progress needs; a value, never changed in place.

    context (left_frames + 1, channels): past frames and the one not yet spoken; excitation (2, hop): pulses
    and noise before it; tail (num_fft - hop,): sound that later frames add to; cycles: of the pitch, so far.
    """

    context: Tensor
    excitation: Tensor
    tail: Tensor
    cycles: float
    num_frames: int  # received
    seed: int


class Controls(NamedTuple):
    """What the network says of each frame: corrections in log power (frames, bins) and swing (frames,)."""

    harmonic: Tensor
    noise: Tensor
    swing: Tensor


class Vocoder(nn.Module):
    """The network and the synthesis; `init_state` and `step` for one sound, `forward` for a whole one."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.bins = replace(config.frames, num_bins=config.num_fft // 2 + 1)
        width = (config.left_frames + 2) * (config.frames.num_channels + 2)
        self.hidden = nn.Sequential(
            nn.Linear(width, config.d_hidden),
            nn.GELU(),
            nn.Linear(config.d_hidden, config.d_hidden),
            nn.GELU(),
        )
        self.output = nn.Linear(config.d_hidden, 2 * config.num_corrections + 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, frames: Tensor, seed: int = 0) -> Tensor:
        """Sound of whole frames: (frames, num_channels + 1) -> (frames * hop,)."""
        if frames.shape[0] == 0:
            return frames.new_zeros(0)
        first, state = self.step(frames, self.init_state(seed))
        return torch.cat([first, self.finish(state)])

    def init_state(self, seed: int = 0) -> VocoderState:
        """The state before the first frame."""
        config, parameter = self.config, self.output.weight
        return VocoderState(
            context=parameter.new_zeros(0, config.frames.num_channels + 1),
            excitation=parameter.new_zeros(2, config.frames.hop_samples),
            tail=parameter.new_zeros(config.num_fft - config.frames.hop_samples),
            cycles=0.0,
            num_frames=0,
            seed=seed,
        )

    def step(self, frames: Tensor, state: VocoderState) -> tuple[Tensor, VocoderState]:
        """Samples that are now final: (frames, num_channels + 1) -> (samples,); none for the first frame."""
        if frames.shape[0] == 0:
            return frames.new_zeros(0), state
        context = frames[:1].expand(self.config.left_frames, -1) if state.num_frames == 0 else state.context
        known = torch.cat([context, frames])
        spoken = known[self.config.left_frames :]  # the last of them is only looked at
        kept = known[-self.config.left_frames - 1 :]
        new = state._replace(context=kept, num_frames=state.num_frames + frames.shape[0])
        if spoken.shape[0] < 2:
            return frames.new_zeros(0), new
        return self._speak(known, new, state.num_frames - 1 if state.num_frames else 0)

    def finish(self, state: VocoderState) -> Tensor:
        """The rest of the sound after the last frame."""
        if state.num_frames == 0:
            return state.tail[:0]
        last = state.context[-1:]
        rest, ended = self._speak(torch.cat([state.context, last]), state, state.num_frames - 1)
        return torch.cat([rest, ended.tail[: self.config.frames.hop_samples]])

    def _speak(self, known: Tensor, state: VocoderState, first: int) -> tuple[Tensor, VocoderState]:
        """Sound of all frames of `known` but past ones and the last; `first`: number of the first of them."""
        hop, left = self.config.frames.hop_samples, self.config.left_frames
        controls = self._controls(known)
        excitation, cycles = self._excite(known[left:, -1], controls.swing, state, first)
        whole = torch.cat([state.excitation, excitation], 1)
        pieces = whole.unfold(1, 2 * hop, hop) * torch.hann_window(2 * hop, device=known.device)
        sound = self._filter(pieces, known[left:-1], controls)
        audio, tail = _overlap_add(sound, state.tail, hop)
        audio = audio[hop:] if first == 0 else audio  # before the first sample
        return audio, state._replace(excitation=whole[:, -hop:], tail=tail, cycles=cycles)

    def _controls(self, known: Tensor) -> Controls:
        """The network over windows of frames: (left + frames + 1, channels) -> for each frame."""
        config = self.config
        mean, deviation = _TYPICAL
        mels, shares, f0_hz = split_frames(known, config.frames)
        pitch = torch.where(f0_hz > 0, (f0_hz.clamp(min=20.0) / 200.0).log(), 0.0)
        inputs = torch.cat([(mels - mean) / deviation, shares / 4, pitch, (f0_hz > 0).to(mels.dtype)], 1)
        windows = inputs.unfold(0, config.left_frames + 2, 1).flatten(1)
        outputs = self.output(self.hidden(windows))
        bands = interpolation(config.num_corrections, self.bins).to(known.device)
        harmonic, noise, swing = outputs.split([config.num_corrections, config.num_corrections, 1], 1)
        voiced = known[config.left_frames : -1, -1] > 0
        return Controls(harmonic @ bands, noise @ bands, torch.sigmoid(swing[:, 0]) * voiced)

    def _excite(self, f0_hz: Tensor, swing: Tensor, state: VocoderState, first: int) -> tuple[Tensor, float]:
        """Pulses and noise between frame centres: (frames + 1,) -> (2, frames * hop), and the cycles."""
        hop, rate = self.config.frames.hop_samples, self.config.frames.sample_rate
        pitch = _between(f0_hz.double(), hop)
        steps = pitch.flatten() / rate
        cycles = state.cycles + steps.cumsum(0)
        turns = cycles - cycles.floor()
        pulses = _pulses(turns.to(f0_hz.dtype), pitch.flatten().to(f0_hz.dtype), self.config)
        number = f0_hz.shape[0] - 1
        noise = _noise(first, number, state.seed, hop).to(f0_hz)
        depth = swing[:, None].expand(number, hop).flatten()
        wave = 1.0 + depth * torch.cos(2 * math.pi * turns).to(f0_hz.dtype)
        noise = noise * wave / (1.0 + depth.square() / 2).sqrt()
        return torch.stack([pulses, noise]), float(turns[-1])

    def _filter(self, pieces: Tensor, frames: Tensor, controls: Controls) -> Tensor:
        """Windowed excitation through the envelopes: (2, frames, 2 hops) -> sound (frames, num_fft)."""
        harmonic, noise, _ = unpack_frames(frames, self.bins)
        top = math.log(self.config.frames.sample_rate / 2)  # noise of variance 1 has its power over all hertz
        envelopes = torch.stack([harmonic + controls.harmonic, noise + controls.noise + top])
        filters = minimum_phase(envelopes / 2)
        spectrum = (torch.fft.rfft(pieces, self.config.num_fft) * filters).sum(0)
        sound: Tensor = torch.fft.irfft(spectrum, self.config.num_fft)
        return sound


def minimum_phase(log_magnitude: Tensor) -> Tensor:
    """The causal filter of a magnitude: natural logarithms (..., bins) -> complex (..., bins).

    By folding the real cepstrum; Oppenheim and Schafer, Discrete-Time Signal Processing.
    """
    cepstrum = torch.fft.irfft(log_magnitude)
    half = cepstrum.shape[-1] // 2
    fold = torch.zeros(cepstrum.shape[-1], device=cepstrum.device, dtype=cepstrum.dtype)
    fold[0], fold[half], fold[1:half] = 1.0, 1.0, 2.0
    response: Tensor = torch.fft.rfft(cepstrum * fold).exp()
    return response


def _between(f0_hz: Tensor, hop: int) -> Tensor:
    """Pitch of the samples between frame centres: (frames + 1,) -> (frames, hop), 0 where unvoiced.

    Where voice begins or ends the pitch is held to the middle.
    """
    share = (torch.arange(hop, device=f0_hz.device, dtype=f0_hz.dtype) + 0.5) / hop
    left, right = f0_hz[:-1, None], f0_hz[1:, None]
    edge = torch.where(share < 0.5, left, right)
    return torch.where((left > 0) & (right > 0), left + (right - left) * share, edge)


def _pulses(turns: Tensor, f0_hz: Tensor, config: VocoderConfig) -> Tensor:
    """All cosines below the highest harmonic, scaled to one unit of power for each hertz: (samples,)."""
    voiced = f0_hz > 0
    pitch = torch.where(voiced, f0_hz, 100.0)
    count = (config.highest_harmonic_hz / pitch).floor()
    angle = math.pi * torch.where(turns > 0.5, turns - 1.0, turns)
    sine = torch.sin(angle)
    near = sine.abs() < 1e-4
    total = torch.sin((2 * count + 1) * angle) / torch.where(near, torch.ones_like(sine), sine)
    total = (torch.where(near, 2 * count + 1, total) - 1.0) / 2
    return torch.where(voiced, total * (2 * pitch).sqrt(), 0.0)


def _noise(first: int, number: int, seed: int, hop: int) -> Tensor:
    """White noise of variance 1 that depends on seed and frame only: (number * hop,)."""
    generator = torch.Generator()
    pieces = [
        torch.randn(hop, generator=generator.manual_seed((seed * 1_000_003 + frame) & (2**63 - 1)))
        for frame in range(first, first + number)
    ]
    return torch.cat(pieces)


def _overlap_add(pieces: Tensor, tail: Tensor, hop: int) -> tuple[Tensor, Tensor]:
    """Pieces one hop apart added to what was left: (frames, size), (size - hop,) -> (frames * hop,), rest."""
    number, size = pieces.shape
    length = (number - 1) * hop + size
    columns = pieces.T[None]  # (1, size, frames)
    whole = nn.functional.fold(columns, (1, length), (1, size), stride=(1, hop))[0, 0, 0]
    start = nn.functional.pad(tail, (0, max(0, length - tail.shape[0])))[:length]
    whole = whole + start
    return whole[: number * hop], whole[number * hop :]


class VocoderStream:
    """Stream of frames (frames, num_channels + 1) to AudioChunk."""

    def __init__(self, vocoder: Vocoder, seed: int = 0) -> None:
        self.vocoder = vocoder
        self._state = vocoder.init_state(seed)
        self._closed = False

    def push(self, frames: Tensor) -> list[AudioChunk]:
        """Sound that is now final. Raises StreamClosedError after `flush`, InputError for other channels."""
        if self._closed:
            raise StreamClosedError("the vocoder stream was flushed: make a new one")
        width = self.vocoder.config.frames.num_channels + 1
        if frames.dim() != 2 or frames.shape[1] != width:
            raise InputError(f"frames have shape {tuple(frames.shape)}, need (frames, {width})")
        with torch.inference_mode():
            samples, self._state = self.vocoder.step(frames, self._state)
        return self._chunks(samples)

    def flush(self) -> list[AudioChunk]:
        """The rest; the stream is then closed."""
        if self._closed:
            return []
        self._closed = True
        with torch.inference_mode():
            return self._chunks(self.vocoder.finish(self._state))

    def _chunks(self, samples: Tensor) -> list[AudioChunk]:
        if samples.shape[0] == 0:
            return []
        return [AudioChunk(samples.clamp(-1.0, 1.0), self.vocoder.config.frames.sample_rate)]


def load_vocoder(folder: Path) -> Vocoder:
    """The component `vocoder`. Raises CheckpointError."""
    vocoder = Vocoder(load_config(folder, VocoderConfig))
    load_weights(folder, vocoder)
    return vocoder.eval()
