"""Two runs of one task, item by item: what got better, what got worse, and whether that is chance."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llama_speech.evaluation.report import markdown_table
from llama_speech.evaluation.scores import BootstrapConfig
from speech_core.errors import InputError

SHOWN = 10  # items listed on either side


@dataclass(frozen=True)
class Change:
    """One item in both runs. values: what is compared, higher is better; texts: what was written."""

    id: str
    reference: str
    before: float
    after: float
    text_before: str
    text_after: str

    @property
    def gain(self) -> float:
        """How much better the second run is."""
        return self.after - self.before


@dataclass(frozen=True)
class SetComparison:
    """Both runs on one set. delta, low, high: mean gain per item with its interval; p_value two-sided."""

    name: str
    system_before: str
    system_after: str
    measure: str
    items: int
    only_before: int
    only_after: int
    better: int
    worse: int
    delta: float
    low: float
    high: float
    p_value: float
    changes: list[Change]


Items = dict[str, tuple[float, str, str]]  # id -> value (higher is better), reference, text


def _asr_items(one: Mapping[str, Any], system: str) -> Items:
    found = {}
    for item in one["items"]:
        metric = next(iter(item["counts"][system]))
        substituted, deleted, inserted, units = item["counts"][system][metric]
        errors = substituted + deleted + inserted
        found[item["id"]] = (-errors / max(units, 1), item["reference"], item["hypotheses"][system])
    return found


def _translation_items(one: Mapping[str, Any], system: str) -> Items:
    return {
        item["id"]: (item["chrf"][system], item["reference"], item["hypotheses"][system])
        for item in one["items"]
    }


def _dialogue_items(one: Mapping[str, Any], system: str) -> Items:
    return {
        item["id"]: (item["overlap"][system], item["question"], item["answers"][system])
        for item in one["items"]
    }


_TASKS: dict[str, tuple[str, Callable[[Mapping[str, Any], str], Items]]] = {
    "asr": ("minus word error rate of the item", _asr_items),
    "translation": ("chrF of the item", _translation_items),
    "dialogue": ("overlap with the answer to text", _dialogue_items),
}


def read_run(path: Path) -> dict[str, Any]:
    """The JSON of a run. Raises InputError if it is none of a task that can be compared."""
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not JSON ({error}): give what `evaluate -o` wrote") from None
    if not isinstance(run, dict) or run.get("task") not in _TASKS or not isinstance(run.get("sets"), list):
        raise InputError(f"{path} is not the result of evaluate {', '.join(_TASKS)}")
    return run


def compare_runs(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    systems: tuple[str | None, str | None],
    config: BootstrapConfig,
) -> list[SetComparison]:
    """Compare the sets both runs have. systems: names in either run; None: the first of the run.

    Raises InputError for runs of different tasks, without a set in common, or without that system.
    """
    if before["task"] != after["task"]:
        raise InputError(f"the first is a run of {before['task']}, the second of {after['task']}")
    measure, items_of = _TASKS[before["task"]]
    first = {_key(one): one for one in before["sets"]}
    second = {_key(one): one for one in after["sets"]}
    shared = [key for key in first if key in second]
    if not shared:
        raise InputError(f"the runs share no set: {', '.join(first)} and {', '.join(second)}")
    results = []
    for key in shared:
        names = _system(first[key], systems[0]), _system(second[key], systems[1])
        pairs = items_of(first[key], names[0]), items_of(second[key], names[1])
        results.append(_compared(key, (*names, measure), pairs, config))
    return results


def _key(one: Mapping[str, Any]) -> str:
    return f"{one['name']} ({one['source']})" if "source" in one else str(one["name"])


def _system(one: Mapping[str, Any], name: str | None) -> str:
    names = [str(system["name"]) for system in one["systems"]]
    if name is not None and name not in names:
        raise InputError(f"{one['name']} has no system {name}: it has {', '.join(names)}")
    return name or names[0]


def _compared(
    key: str, labels: tuple[str, str, str], pairs: tuple[Items, Items], config: BootstrapConfig
) -> SetComparison:
    before, after = pairs
    shared = [name for name in before if name in after]
    differing = [name for name in shared if before[name][1] != after[name][1]]
    if not shared or differing:
        reason = f"the reference of {differing[0]} differs" if differing else "they share no item"
        raise InputError(f"{key} cannot be compared: {reason}")
    changes = [
        Change(name, before[name][1], before[name][0], after[name][0], before[name][2], after[name][2])
        for name in shared
    ]
    gains = np.array([change.gain for change in changes])
    delta, low, high, p_value = paired_bootstrap(gains, config)
    return SetComparison(
        name=key,
        system_before=labels[0],
        system_after=labels[1],
        measure=labels[2],
        items=len(shared),
        only_before=len(before) - len(shared),
        only_after=len(after) - len(shared),
        better=int((gains > 0).sum()),
        worse=int((gains < 0).sum()),
        delta=delta,
        low=low,
        high=high,
        p_value=p_value,
        changes=sorted((change for change in changes if change.gain), key=lambda change: -abs(change.gain)),
    )


def paired_bootstrap(
    gains: "np.ndarray[Any, Any]", config: BootstrapConfig
) -> tuple[float, float, float, float]:
    """Mean gain, its interval, and the two-sided p-value of a paired bootstrap over items.

    p: twice the smaller share of draws on either side of zero, one added to each count, at most 1.
    """
    rng = np.random.default_rng(config.seed)
    draws = gains[rng.integers(0, len(gains), size=(config.resamples, len(gains)))].mean(axis=1)
    low, high = np.percentile(draws, [50 * (1 - config.confidence), 50 * (1 + config.confidence)])
    tail = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return float(gains.mean()), float(low), float(high), min(1.0, 2.0 * (tail + 1) / (len(draws) + 1))


def to_markdown(results: list[SetComparison]) -> str:
    """The comparison for people: a row per set, then the items that changed most."""
    header = ["set", "before", "after", "measure", "items", "better", "worse", "mean gain", "p"]
    rows = [
        [
            one.name,
            one.system_before,
            one.system_after,
            one.measure,
            str(one.items),
            str(one.better),
            str(one.worse),
            f"{one.delta:+.4f} [{one.low:+.4f}, {one.high:+.4f}]",
            f"{one.p_value:.3f}",
        ]
        for one in results
    ]
    parts = ["# Comparison of two runs\n", markdown_table(header, rows)]
    parts += [
        f"{one.name}: {one.only_before} items only in the first run, {one.only_after} only in the second\n"
        for one in results
        if one.only_before or one.only_after
    ]
    for one in results:
        for title, sign in (("better", 1), ("worse", -1)):
            chosen = [change for change in one.changes if sign * change.gain > 0][:SHOWN]
            if chosen:
                parts.append(f"## {one.name}: {title}\n\n" + "".join(map(_line, chosen)))
    return "\n".join(parts)


def _line(change: Change) -> str:
    texts = f"{change.text_before or '(nothing)'} -> {change.text_after or '(nothing)'}"
    return f"- {change.id} ({change.before:.3f} -> {change.after:.3f}): **{change.reference}**: {texts}\n"
