"""How well a prosody model foresees how held-out texts were read: likelihood and errors, with intervals.

Likelihood is that of the training view, in nats of a phone (F0: of a voiced phone; all values known to the
resolution of the model's configuration). Errors are those of the mean of each distribution: given what was
read before, and of the stream as it is used, on its own choices. Texts are drawn with replacement for the
intervals, the same for all systems; several checkpoints of a system, such as several seeds, count as their
mean. A speaker whom the model has not heard gets the embedding of its first speaker, and constants of
normalisation measured on these texts.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llama_speech.evaluation.scores import BootstrapConfig
from prosody.items import ProsodyItem, ProsodySet
from prosody.likelihood import TERMS, make_batch, nats
from prosody.model import ProsodyModel
from prosody.predictor import ProsodyOptions, ProsodyStream, load_prosody
from prosody.targets import Targets, denormalise, expected_values, measure_normalisation
from speech_core.errors import InputError
from speech_core.events import ProsodyEvent

_DB = 10 / math.log(10)  # of a natural logarithm of power
_CENTS = 1200 / math.log(2)  # of a natural logarithm of Hz
Sums = NDArray[np.float64]  # (items, 2): what is summed, and how many it is divided by


@dataclass(frozen=True)
class Metric:
    """One column of the table. name: JSON key; title: with its unit."""

    name: str
    title: str
    digits: int = 3


_ERRORS = (
    Metric("duration_ms", "duration, ms", 2),
    Metric("pause_ms", "pauses, ms", 1),
    Metric("f0_cents", "F0, cents", 1),
    Metric("power_db", "power, dB", 2),
    Metric("voicing_errors", "voicing errors, share", 4),
)
METRICS = (
    Metric("nats", "likelihood of all, nats"),
    Metric("nats_duration", "duration, nats"),
    Metric("nats_f0", "F0, nats"),
    Metric("nats_power", "power, nats"),
    Metric("nats_voiced", "voicing, nats"),
    *(Metric(m.name, f"error given what came before: {m.title}", m.digits) for m in _ERRORS),
    *(Metric(f"own_{m.name}", f"error on its own choices: {m.title}", m.digits) for m in _ERRORS),
)


@dataclass(frozen=True)
class System:
    """A model under test: its name and its checkpoints, one for each seed."""

    name: str
    folders: tuple[Path, ...]


@dataclass(frozen=True)
class Figure:
    """A mean over texts and checkpoints, its interval, and the value of each checkpoint."""

    value: float
    low: float
    high: float
    each: tuple[float, ...]


@dataclass(frozen=True)
class SystemResult:
    """All figures of a system on one set; `against` are differences from the first system of the table."""

    system: str
    parameters: int
    figures: dict[str, Figure]
    against: dict[str, Figure]


@dataclass(frozen=True)
class ProsodyResult:
    """One set: its name, texts, phones, and the systems."""

    data: str
    texts: int
    phones: int
    systems: tuple[SystemResult, ...]
    signature: str


Pairs = dict[str, tuple[float, float]]  # what is summed over a text, and how many it is divided by


@torch.inference_mode()
def given_sums(model: ProsodyModel, item: ProsodyItem) -> Pairs:
    """Nats and errors of one text when the model is told how everything before was read."""
    batch = make_batch([item], model.config)
    outputs = model(batch.inputs, batch.values, batch.voiced)
    terms = nats(outputs, batch)
    phones, voiced = float(batch.valid.sum()), float(batch.voiced.sum())
    sums = {f"nats_{name}": (float(terms[name].sum()), phones) for name in TERMS}
    sums["nats_f0"] = (sums["nats_f0"][0], voiced)
    sums["nats"] = (sum(float(term.sum()) for term in terms.values()), phones)
    speakers = batch.inputs.speakers
    expected = expected_values(outputs.mixture, speakers, model.config)
    means = denormalise(expected, speakers, model.config)
    return {**sums, **error_sums(item, Targets(means[0], outputs.voiced[0] > 0))}


def own_sums(model: ProsodyModel, item: ProsodyItem) -> Pairs:
    """Errors of one text when the model reads it by itself."""
    stream = ProsodyStream(model, ProsodyOptions(speaker=item.speaker))
    events = [*stream.push(item.groups), *stream.flush()]
    return {f"own_{name}": pair for name, pair in error_sums(item, as_targets(events)).items()}


def as_targets(events: Sequence[ProsodyEvent]) -> Targets:
    """What a stream says, as quantities."""
    rows = [(event.log_duration, event.log_f0 or 0.0, event.log_power) for event in events]
    voiced = torch.tensor([event.log_f0 is not None for event in events], dtype=torch.bool)
    return Targets(torch.tensor(rows).view(-1, 3), voiced)


def error_sums(item: ProsodyItem, said: Targets) -> Pairs:
    """Absolute errors of one text, and the number of phones they belong to.

    Durations of pauses count apart, everything else for phones only; F0 where both have one. Raises
    InputError when another number of phones was said.
    """
    if said.values.shape != item.targets.values.shape:
        raise InputError(f"text {item.id} has {len(item.phones)} phones, but {len(said.values)} were said")
    spoken = torch.tensor([phone.word >= 0 for phone in item.phones], dtype=torch.bool)
    both = spoken & said.voiced & item.targets.voiced
    late_ms = 1000 * (said.values[:, 0].exp() - item.targets.values[:, 0].exp()).abs()
    off = (said.values - item.targets.values).abs()
    columns = {
        "duration_ms": (late_ms, spoken),
        "pause_ms": (late_ms, ~spoken),
        "f0_cents": (_CENTS * off[:, 1], both),
        "power_db": (_DB * off[:, 2], spoken),
        "voicing_errors": ((said.voiced != item.targets.voiced).float(), spoken),
    }
    return {name: (float(column[mask].sum()), float(mask.sum())) for name, (column, mask) in columns.items()}


def measure(
    model: ProsodyModel, items: Sequence[ProsodyItem], own_texts: int | None = None
) -> dict[str, Sums]:
    """Sums of every metric for every text; own choices for the first `own_texts` (None: for all)."""
    rows: dict[str, list[tuple[float, float]]] = {metric.name: [] for metric in METRICS}
    for number, item in enumerate(items):
        pairs = given_sums(model, item)
        if own_texts is None or number < own_texts:
            pairs |= own_sums(model, item)
        for name, column in rows.items():
            column.append(pairs.get(name, (0.0, 0.0)))
    return {name: np.array(pairs, dtype=np.float64).reshape(-1, 2) for name, pairs in rows.items()}


def with_speakers(model: ProsodyModel, items: ProsodySet) -> ProsodyModel:
    """The model, extended by the speakers of the items that it does not know."""
    config = model.config
    for name in dict.fromkeys(items.speakers):
        if name in config.speakers:
            continue
        own = [item.targets for item in items if item.speaker == name]
        means, deviations = measure_normalisation(own)
        config = replace(
            config,
            speakers=(*config.speakers, name),
            means=config.means + means,
            deviations=config.deviations + deviations,
        )
    extended = ProsodyModel(config)
    weights = model.state_dict()
    table = weights["phones.speaker.weight"]
    added = table[:1].expand(len(config.speakers) - len(table), -1)
    extended.load_state_dict({**weights, "phones.speaker.weight": torch.cat([table, added])})
    return extended.eval().requires_grad_(False)


def _mean_rate(sums: Sequence[Sums], draws: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Mean over checkpoints of sum / count; draws (resamples, items): how often each text was drawn."""
    rates = []
    for one in sums:
        total = one.sum(0, keepdims=True) if draws is None else draws @ one
        with np.errstate(divide="ignore", invalid="ignore"):
            rates.append(total[:, 0] / total[:, 1])
    return np.asarray(np.mean(rates, axis=0))


def _figure(sums: Sequence[Sums], others: Sequence[Sums] | None, draws: NDArray[np.float64]) -> Figure:
    """A figure, or its difference from that of others over the same texts."""
    value, drawn = _mean_rate(sums), _mean_rate(sums, draws)
    if others is not None:
        value, drawn = value - _mean_rate(others), drawn - _mean_rate(others, draws)
    finite = drawn[np.isfinite(drawn)]
    low, high = np.percentile(finite, [2.5, 97.5]) if len(finite) else (math.nan, math.nan)
    each = tuple(float(_mean_rate([one])[0]) for one in sums)
    return Figure(float(value[0]), float(low), float(high), each)


def evaluate_prosody(
    name: str,
    items: ProsodySet,
    systems: Sequence[System],
    bootstrap: BootstrapConfig,
    own_texts: int | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> ProsodyResult:
    """Measure all systems on one set; own choices on its first `own_texts`.

    Raises CheckpointError or InputError where a model does not fit the set.
    """
    texts = list(items)
    measured: list[list[dict[str, Sums]]] = []
    sizes: list[int] = []
    for system in systems:
        measured.append([])
        for folder in system.folders:
            model = with_speakers(load_prosody(folder), items)
            measured[-1].append(measure(model, texts, own_texts))
            progress(f"{name}: {system.name}, {folder}")
        sizes.append(sum(parameter.numel() for parameter in model.parameters()))
    generator = np.random.default_rng(bootstrap.seed)
    chosen = generator.integers(0, len(texts), (bootstrap.resamples, len(texts)))
    draws = np.stack([np.bincount(row, minlength=len(texts)) for row in chosen]).astype(np.float64)
    results = tuple(
        SystemResult(system.name, size, *_figures(own, measured[0], draws))
        for system, size, own in zip(systems, sizes, measured, strict=True)
    )
    count = len(texts) if own_texts is None else min(own_texts, len(texts))
    signature = (
        f"prosody|errors:mean-duration|own-choices:{count}-texts|ci:bootstrap-text-{bootstrap.resamples}"
        f"|seed:{bootstrap.seed}"
    )
    return ProsodyResult(name, len(texts), int(items.num_phones.sum()), results, signature)


def _figures(
    own: Sequence[dict[str, Sums]], first: Sequence[dict[str, Sums]], draws: NDArray[np.float64]
) -> tuple[dict[str, Figure], dict[str, Figure]]:
    """All figures of the seeds of a system, and their differences from those of the first system."""
    figures, against = {}, {}
    for metric in METRICS:
        sums = [one[metric.name] for one in own]
        figures[metric.name] = _figure(sums, None, draws)
        against[metric.name] = _figure(sums, [one[metric.name] for one in first], draws)
    return figures, against


def to_markdown(results: Sequence[ProsodyResult]) -> str:
    """A table for each set with 95 % intervals, checkpoints in brackets; then differences from the first."""
    parts = []
    for result in results:
        first = result.systems[0].system
        parts.append(f"### {result.data}: {result.texts} texts, {result.phones} phones\n")
        parts.append(_table(result, lambda system: system.figures, "figure"))
        if len(result.systems) > 1:
            parts.append(_table(result, lambda system: system.against, f"difference from {first}", skip=1))
        parts.append(f"`{result.signature}`\n")
    return "\n".join(parts)


def _table(
    result: ProsodyResult, figures: Callable[[SystemResult], dict[str, Figure]], head: str, skip: int = 0
) -> str:
    systems = result.systems[skip:]
    names = [f"{system.system} ({len(system.figures['nats'].each)})" for system in systems]
    lines = ["| " + " | ".join([head, *names]) + " |", "|---" * (1 + len(names)) + "|"]
    for metric in METRICS:
        found = [figures(system)[metric.name] for system in systems]
        cells = [f"{one.value:.{metric.digits}f} {_interval(one, metric.digits)}" for one in found]
        lines.append("| " + " | ".join([metric.title, *cells]) + " |")
    return "\n".join(lines) + "\n"


def _interval(figure: Figure, digits: int) -> str:
    return f"[{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def to_plain(results: Sequence[ProsodyResult]) -> list[dict[str, Any]]:
    """The results as JSON values; a figure that was not measured is None."""
    from dataclasses import asdict

    return [_without_nan(asdict(result)) for result in results]


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
