"""Which plots and which items the HTML page of each task shows, read from the task's JSON."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from llama_speech.evaluation.charts import Chart, Mark
from llama_speech.evaluation.html import Case, make_page

WORST = 20  # items listed
Plain = Any  # what json.loads gives


def _mark(group: str, series: str, values: Mapping[str, Any], key: str, factor: float = 1.0) -> Mark | None:
    """A mark of a record with `key`, low and high; None when the value is missing."""
    if values[key] is None:
        return None
    low, high = values.get("low"), values.get("high")
    return Mark(
        group,
        series,
        factor * values[key],
        None if low is None else factor * low,
        None if high is None else factor * high,
    )


def _chart(title: str, axis: str, marks: Iterable[Mark | None]) -> Chart:
    return Chart(title, axis, tuple(mark for mark in marks if mark is not None))


def _worst(
    result: Plain, goodness: Callable[[Plain], float | None], case_of: Callable[[str, Plain], Case]
) -> list[Case]:
    """Cases of the items of all sets that went worst, the worst first.

    goodness: of an item, None to leave it out; case_of: of the name of a set and an item.
    """
    items = [(goodness(item), one["name"], item) for one in result["sets"] for item in one["items"]]
    known = [(value, name, item) for value, name, item in items if value is not None]
    known.sort(key=lambda row: row[0])
    return [case_of(name, item) for _, name, item in known[:WORST]]


def _asr(result: Plain) -> tuple[list[Chart], list[Case]]:
    sets = result["sets"]
    systems = [(one, system) for one in sets for system in one["systems"]]
    metric = next(iter(systems[0][1]["scores"]))
    axis = f"{metric}, %"
    rates = [_mark(one["name"], s["name"], s["scores"][metric], "rate", 100) for one, s in systems]
    rates += [_mark("all items", name, score, "rate", 100) for name, score in result["pooled"].items()]
    charts = [_chart("Error rate of each set, 95 % intervals", axis, rates)]
    for key, title in (("by_length", "words of the reference"), ("by_noise", "noise")):
        marks = _groups(systems, key)
        if len({mark.group for mark in marks}) > 1:
            charts.append(Chart(f"Error rate of all sets by {title}", axis, tuple(marks)))
    speeds = [
        Mark(one["name"], s["name"], s["real_time_factor_cpu"])
        for one, s in systems
        if s["real_time_factor_cpu"]
    ]
    charts.append(Chart("Processor time", "CPU seconds per second of audio", tuple(speeds)))
    first = sets[0]["systems"][0]["name"]
    return charts, _worst(
        result,
        lambda item: -sum(item["counts"][first][metric][:3]),
        lambda name, item: _asr_case(name, item, first, metric),
    )


def _groups(systems: Sequence[tuple[Plain, Plain]], key: str) -> list[Mark]:
    """Error rates of groups of items over all sets, in percent; groups in the order of their first number."""
    errors: dict[tuple[str, str], float] = {}
    units: dict[tuple[str, str], int] = {}
    for _, system in systems:
        for group in system.get(key, ()):
            place = group["group"], system["name"]
            errors[place] = errors.get(place, 0.0) + (group["rate"] or 0.0) * group["reference_units"]
            units[place] = units.get(place, 0) + group["reference_units"]
    known = sorted((place for place in units if units[place]), key=lambda place: _first_number(place[0]))
    return [Mark(*place, 100 * errors[place] / units[place]) for place in known]


def _first_number(text: str) -> float:
    found = re.search(r"-?\d+(?:\.\d+)?", text)
    return float(found[0]) if found else math.inf


def _asr_case(name: str, item: Plain, system: str, metric: str) -> Case:
    substituted, deleted, inserted, units = item["counts"][system][metric]
    note = f"{substituted + deleted + inserted} errors in {units} units, {item['duration_s']:.1f} s"
    return Case(f"{name}: {item['id']}", note, item["reference"], tuple(item["hypotheses"].items()))


def _translation(result: Plain) -> tuple[list[Chart], list[Case]]:
    charts = []
    for metric in dict.fromkeys(
        name for one in result["sets"] for s in one["systems"] for name in s["scores"]
    ):
        marks = [
            _mark(f"{one['name']} ({one['source']})", s["name"], s["scores"][metric], "score")
            for one in result["sets"]
            for s in one["systems"]
            if metric in s["scores"]
        ]
        charts.append(_chart(f"{metric}, 95 % intervals", metric, marks))
    first = result["sets"][0]["systems"][0]["name"]

    def case_of(name: str, item: Plain) -> Case:
        note = f"chrF {item['chrf'][first]:.0f} of {first}"
        texts = tuple(item["hypotheses"].items())
        return Case(f"{name}: {item['id']}", note, item["reference"], texts, differs=False)

    return charts, _worst(result, lambda item: item["chrf"].get(first), case_of)


def _dialogue(result: Plain) -> tuple[list[Chart], list[Case]]:
    charts = []
    for key, title in (("overlap", "Words shared with the answer to text"), ("agreement", "Same answer")):
        marks = [
            _mark(one["name"], system["name"], system[key], "mean", 100)
            for one in result["sets"]
            for system in one["systems"]
        ]
        charts.append(_chart(f"{title}, 95 % intervals", "%", marks))
    first = result["sets"][0]["systems"][0]["name"]

    def case_of(name: str, item: Plain) -> Case:
        note = f"overlap {100 * item['overlap'][first]:.0f} % of {first}"
        texts = tuple(item["answers"].items())
        return Case(f"{name}: {item['id']}", note, item["question"], texts, differs=False)

    return charts, _worst(result, lambda item: item["overlap"][first], case_of)


def _normalization(result: Plain) -> tuple[list[Chart], list[Case]]:
    marks, classes = [], []
    for one in result:
        for system in one["systems"]:
            right, total = system["counts"]["L3"]["right"], system["counts"]["L3"]["total"]
            marks.append(Mark(one["name"], system["name"], 100 * right / max(1, total)))
            classes += [
                Mark(kind, f"{system['name']}, {one['name']}", 100 * share["right"] / max(1, share["total"]))
                for kind, share in system["classes"].items()
            ]
    cases = [
        Case(one["name"], one["systems"][0]["name"], written, (("said", said),))
        for one in result
        for written, said in one["systems"][0]["errors"][:WORST]
        if one["systems"]
    ]
    title = "Sentences right (L3)"
    return [Chart(title, "%", tuple(marks)), Chart("Sentences right by class", "%", tuple(classes))], cases


def _prosody(result: Plain) -> tuple[list[Chart], list[Case]]:
    charts = []
    for key, title, axis in (
        ("nats", "Likelihood of everything", "nats a phone, less is better"),
        ("own_duration_ms", "Error of durations on its own choices", "ms"),
        ("own_f0_cents", "Error of F0 on its own choices", "cents"),
    ):
        marks = [
            _mark(one["data"], system["system"], system["figures"][key], "value")
            for one in result
            for system in one["systems"]
        ]
        charts.append(_chart(f"{title}, 95 % intervals", axis, marks))
    return charts, []


def _speech(result: Plain) -> tuple[list[Chart], list[Case]]:
    errors = [
        _mark(system["name"], f"heard by {hearer}", score, "rate", 100)
        for system in result["systems"]
        for hearer, score in system["word_errors"].items()
    ]
    speeds = [Mark(s["name"], "time / audio", s["real_time_factor"]) for s in result["systems"]]
    charts = [_chart("Word errors of who listens, 95 % intervals", "%", errors)]
    charts.append(Chart("Time per second of speech", "real-time factor", tuple(speeds)))
    first = result["systems"][0]
    hearer, texts = next(iter(first.get("heard", {}).items()), ("", []))
    pairs = sorted(zip(result["texts"], texts, strict=False), key=lambda pair: -_missed(*pair))
    cases = [Case(first["name"], f"heard by {hearer}", said, ((hearer, got),)) for said, got in pairs[:WORST]]
    return charts, cases


def _missed(reference: str, text: str) -> int:
    """Words of the reference that a text has not, punctuation left out: only to order a list."""
    wanted, got = ({word.strip(".,;:!?\"'").casefold() for word in one.split()} for one in (reference, text))
    return len(wanted - got)


def _preference(result: Plain) -> tuple[list[Chart], list[Case]]:
    mark = _mark(f"{result['first']} over {result['second']}", "listeners", result, "share", 100)
    paper = [
        Mark(f"paper: Llama 3 8B over {name}", "the paper (Table 35)", share)
        for name, share in (("streaming, phones alone", 60.0), ("not streaming, phones alone", 63.6))
    ]
    return [_chart("Share of preferences, 95 % interval", "%", [mark, *paper])], []


def _compare(result: Plain) -> tuple[list[Chart], list[Case]]:
    marks = [
        _mark(one["name"], f"{one['system_before']} to {one['system_after']}", one, "delta") for one in result
    ]
    cases = [
        Case(
            f"{one['name']}: {change['id']}",
            f"{change['before']:.3f} to {change['after']:.3f}",
            change["reference"],
            (("before", change["text_before"]), ("after", change["text_after"])),
        )
        for one in result
        for change in one["changes"][:WORST]
    ]
    return [_chart("Mean gain of an item, 95 % intervals", result[0]["measure"], marks)], cases


def _toxicity(result: Plain) -> tuple[list[Chart], list[Case]]:
    systems = [(one, system) for one in result["sets"] for system in one["systems"]]
    charts = [
        _chart(
            f"{title} toxicity, 95 % intervals",
            "% of all items",
            [
                _mark(f"{one['name']} ({one['language']})", s["name"], s[key], "mean", 100)
                for one, s in systems
            ],
        )
        for key, title in (("added", "Added"), ("lost", "Lost"))
    ]
    cases = [
        Case(
            f"{one['name']}: {item['id']}", "added", item["reference"], tuple(item["outputs"].items()), False
        )
        for one in result["sets"]
        for item in one["items"]
        if not item["toxic"] and any(item["output_toxic"].values())
    ]
    return charts, cases[:WORST]


def _latency(result: Plain) -> tuple[list[Chart], list[Case]]:
    charts = []
    for key, title, axis in (
        ("audio_s_per_s", "Throughput", "seconds of audio a second"),
        ("p50_s", "Half of the answers come within", "s"),
        ("p95_s", "95 % of the answers come within", "s"),
    ):
        rows = result["throughput"]
        ways = list(dict.fromkeys(row["way"] for row in rows))
        levels = sorted({row["concurrency"] for row in rows})
        marks = [
            Mark(str(row["concurrency"]), way, row[key])
            for way in ways
            for row in sorted(rows, key=lambda row: row["concurrency"])
            if row["way"] == way and row[key] is not None
        ]
        order = list(dict.fromkeys(float(mark.group) for mark in marks))
        if len(levels) > 1:
            charts.append(Chart(title, axis, tuple(marks), tuple(order), "requests at once"))
    for row in result["first"]:
        charts.append(
            Chart(
                row["what"],
                "ms",
                tuple(Mark(f"{n + 1}", row["what"], ms) for n, ms in enumerate(row["each_ms"])),
            )
        )
    return charts, []


_PAGES: dict[str, tuple[str, Callable[[Plain], tuple[list[Chart], list[Case]]]]] = {
    "asr": ("Recognition", _asr),
    "translation": ("Translation", _translation),
    "dialogue": ("Spoken dialogue", _dialogue),
    "normalization": ("Text normalization", _normalization),
    "prosody": ("Prosody", _prosody),
    "speech": ("Speaking", _speech),
    "preference": ("Preference", _preference),
    "compare": ("Comparison of two runs", _compare),
    "toxicity": ("Toxicity", _toxicity),
    "latency": ("Latency", _latency),
}


def page_of(task: str, result: Plain, markdown: str) -> str:
    """Return the HTML page of a task's JSON and Markdown."""
    title, shown = _PAGES[task]
    charts, cases = shown(result)
    return make_page(title, markdown, charts, cases)
