"""How well a prosody model foresees how held-out texts were read: likelihood and errors, with intervals.

Likelihood is that of the training view, in nats of a phone (F0: of a voiced phone; all values known to the
resolution of the model's configuration). Errors are those of the stream as it is used: on its own choices, by
the mean of each distribution. Texts are drawn with replacement for the intervals, the same for all systems;
several checkpoints of a system, such as several seeds, count as their mean. A speaker whom the model has
not heard gets the embedding of its first speaker, and constants of normalisation measured on these texts.
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
from prosody.targets import measure_normalisation
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


METRICS = (
    Metric("nats", "all, nats"),
    Metric("nats_duration", "duration, nats"),
    Metric("nats_f0", "F0, nats"),
    Metric("nats_power", "power, nats"),
    Metric("nats_voiced", "voicing, nats"),
    Metric("duration_ms", "duration, ms", 2),
    Metric("pause_ms", "pauses, ms", 1),
    Metric("f0_cents", "F0, cents", 1),
    Metric("power_db", "power, dB", 2),
    Metric("voicing_errors", "voicing errors, share", 4),
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


@torch.inference_mode()
def likelihood_sums(model: ProsodyModel, item: ProsodyItem) -> dict[str, tuple[float, float]]:
    """Nats of one text, and the number of phones they belong to."""
    batch = make_batch([item], model.config)
    terms = nats(model(batch.inputs, batch.values, batch.voiced), batch)
    phones, voiced = float(batch.valid.sum()), float(batch.voiced.sum())
    sums = {f"nats_{name}": (float(terms[name].sum()), phones) for name in TERMS}
    sums["nats_f0"] = (sums["nats_f0"][0], voiced)
    return {"nats": (sum(float(term.sum()) for term in terms.values()), phones), **sums}


def error_sums(item: ProsodyItem, events: Sequence[ProsodyEvent]) -> dict[str, tuple[float, float]]:
    """Absolute errors of one text, and the number of phones they belong to.

    F0 counts where both have one; voicing and duration of pauses apart from those of phones.
    """
    if [event.phone for event in events] != item.phones:
        raise InputError(f"text {item.id} came out with other phones than it has")
    names = ("duration_ms", "pause_ms", "f0_cents", "power_db", "voicing_errors")
    sums = dict.fromkeys(names, (0.0, 0.0))

    def add(name: str, error: float) -> None:
        total, count = sums[name]
        sums[name] = (total + error, count + 1)

    rows = zip(events, item.targets.values.tolist(), item.targets.voiced.tolist(), strict=True)
    for event, (log_duration, log_f0, log_power), voiced in rows:
        late_ms = 1000 * abs(math.exp(event.log_duration) - math.exp(log_duration))
        if event.phone.word < 0:
            add("pause_ms", late_ms)
            continue
        add("duration_ms", late_ms)
        add("power_db", _DB * abs(event.log_power - log_power))
        add("voicing_errors", float((event.log_f0 is not None) != voiced))
        if voiced and event.log_f0 is not None:
            add("f0_cents", _CENTS * abs(event.log_f0 - log_f0))
    return sums


def measure(model: ProsodyModel, items: Sequence[ProsodyItem]) -> dict[str, Sums]:
    """Sums of every metric for every text."""
    rows: dict[str, list[tuple[float, float]]] = {metric.name: [] for metric in METRICS}
    for item in items:
        stream = ProsodyStream(model, ProsodyOptions(speaker=item.speaker))
        events = [*stream.push(item.groups), *stream.flush()]
        for name, pair in {**likelihood_sums(model, item), **error_sums(item, events)}.items():
            rows[name].append(pair)
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
    progress: Callable[[str], None] = lambda line: None,
) -> ProsodyResult:
    """Measure all systems on one set. Raises CheckpointError or InputError where a model does not fit it."""
    texts = list(items)
    measured: list[list[dict[str, Sums]]] = []
    sizes: list[int] = []
    for system in systems:
        measured.append([])
        for folder in system.folders:
            model = with_speakers(load_prosody(folder), items)
            measured[-1].append(measure(model, texts))
            progress(f"{name}: {system.name}, {folder}")
        sizes.append(sum(parameter.numel() for parameter in model.parameters()))
    generator = np.random.default_rng(bootstrap.seed)
    chosen = generator.integers(0, len(texts), (bootstrap.resamples, len(texts)))
    draws = np.stack([np.bincount(row, minlength=len(texts)) for row in chosen]).astype(np.float64)
    results = []
    for system, size, own in zip(systems, sizes, measured, strict=True):
        figures, against = {}, {}
        for metric in METRICS:
            sums = [one[metric.name] for one in own]
            first = [one[metric.name] for one in measured[0]]
            figures[metric.name] = _figure(sums, None, draws)
            against[metric.name] = _figure(sums, first, draws)
        results.append(SystemResult(system.name, size, figures, against))
    signature = (
        f"prosody|errors:own-choices,mean|ci:bootstrap-text-{bootstrap.resamples}|seed:{bootstrap.seed}"
    )
    return ProsodyResult(name, len(texts), int(items.num_phones.sum()), tuple(results), signature)


def to_markdown(results: Sequence[ProsodyResult]) -> str:
    """A table for each set, with 95 % intervals; then the differences from the first system."""
    parts = []
    for result in results:
        first = result.systems[0].system
        parts.append(f"### {result.data}: {result.texts} texts, {result.phones} phones\n")
        parts.append(_table(result, lambda system: system.figures, "system"))
        if len(result.systems) > 1:
            parts.append(_table(result, lambda system: system.against, f"difference from {first}", skip=1))
        parts.append(f"`{result.signature}`\n")
    return "\n".join(parts)


def _table(
    result: ProsodyResult, figures: Callable[[SystemResult], dict[str, Figure]], head: str, skip: int = 0
) -> str:
    lines = [
        "| " + " | ".join([head, "checkpoints", *(metric.title for metric in METRICS)]) + " |",
        "|---" * (len(METRICS) + 2) + "|",
    ]
    for system in result.systems[skip:]:
        found = figures(system)
        count = len(found["nats"].each)
        cells = [
            f"{found[m.name].value:.{m.digits}f} [{found[m.name].low:.{m.digits}f}, "
            f"{found[m.name].high:.{m.digits}f}]"
            for m in METRICS
        ]
        lines.append("| " + " | ".join([system.system, str(count), *cells]) + " |")
    return "\n".join(lines) + "\n"


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
