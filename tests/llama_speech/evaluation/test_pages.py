"""Every task has a page that shows its figures; what is plotted is what the JSON says."""

import math

import pytest

from llama_speech.evaluation.pages import _PAGES, page_of

RATE = {"rate": 0.5, "low": 0.25, "high": 0.75}
MEAN = {"mean": 0.5, "low": 0.25, "high": 0.75, "items": 2}
NOTHING = {"mean": None, "low": None, "high": None, "items": 0}
VALUE = {"value": 2.0, "low": 1.0, "high": 3.0, "each": [2.0]}


def asr():
    groups = [
        {"group": name, "rate": rate, "reference_units": 4, "items": 1}
        for name, rate in (("8-15 words", 0.5), ("1-3 words", 0.25))
    ]
    system = {"name": "ours", "scores": {"wer": RATE}, "real_time_factor_cpu": 0.1, "by_length": groups}
    items = [
        {"id": f"i{errors}", "reference": "a b", "hypotheses": {"ours": "a c"}, "duration_s": 1.0,
         "counts": {"ours": {"wer": [errors, 0, 0, 2]}}}
        for errors in (0, 2, 1)
    ]  # fmt: skip
    sets = [{"name": "dev", "systems": [system], "items": items}]
    return {"sets": sets, "pooled": {"ours": {"rate": None, "low": None, "high": None}}}


def translation():
    scores = {"BLEU": {"score": 12.0, "low": 10.0, "high": 14.0}}
    items = [{"id": "i", "reference": "r", "hypotheses": {"ours": "h"}, "chrf": {"ours": 3.0}}]
    one = {"name": "dev", "source": "es", "systems": [{"name": "ours", "scores": scores}], "items": items}
    return {"sets": [one]}


def dialogue():
    items = [{"id": "i", "question": "q", "answers": {"text": "t", "ours": "o"}, "overlap": {"ours": 0.5}}]
    one = {
        "name": "dev",
        "systems": [{"name": "ours", "overlap": MEAN, "agreement": NOTHING}],
        "items": items,
    }
    return {"sets": [one]}


def normalization():
    share = {"right": 3, "total": 4}
    system = {"name": "tagger", "counts": {"L3": share}, "classes": {"date": share}, "errors": [["5", "6"]]}
    return [{"name": "dev", "pairs": 4, "systems": [system]}]


def prosody():
    figures = dict.fromkeys(("nats", "own_duration_ms", "own_f0_cents"), VALUE)
    figures["own_f0_cents"] = {"value": None, "low": None, "high": None, "each": []}
    return [{"data": "dev", "systems": [{"system": "bundle", "figures": figures}]}]


def speech():
    system = {
        "name": "ours",
        "word_errors": {"base": RATE},
        "real_time_factor": 0.1,
        "heard": {"base": ["a", "x y"]},
    }
    return {"texts": ["a", "b c"], "systems": [system]}


def preference():
    return {"first": "a", "second": "b", "share": 0.6, "low": 0.4, "high": 0.8}


def compare():
    change = {"id": "i", "before": 0.1, "after": 0.9, "reference": "r", "text_before": "x", "text_after": "r"}
    one = {"name": "dev", "system_before": "a", "system_after": "a", "measure": "m", "changes": [change]}
    return [{**one, "delta": -0.1, "low": -0.2, "high": 0.1}]


def toxicity():
    items = [
        {
            "id": "i",
            "toxic": False,
            "reference": "r",
            "outputs": {"ours": "bad"},
            "output_toxic": {"ours": True},
        }
    ]
    one = {
        "name": "dev",
        "language": "en",
        "systems": [{"name": "ours", "added": MEAN, "lost": MEAN}],
        "items": items,
    }
    return {"sets": [one]}


def latency():
    rows = [
        {"way": "ours", "concurrency": number, "audio_s_per_s": 10.0 * number, "p50_s": None, "p95_s": None}
        for number in (1, 4)
    ]
    return {"throughput": rows, "first": [{"what": "first word", "each_ms": [10.0, 20.0]}], "streams": []}


RESULTS = {function.__name__: function for function in (asr, translation, dialogue, normalization, prosody)}
RESULTS |= {function.__name__: function for function in (speech, preference, compare, toxicity, latency)}


@pytest.mark.parametrize("task", _PAGES)
def test_every_task_has_a_page_with_its_values(task):
    result = RESULTS[task]()
    charts, _ = _PAGES[task][1](result)
    marks = [mark for chart in charts for mark in chart.marks]
    assert marks
    assert all(math.isfinite(mark.value) for mark in marks)
    page = page_of(task, result, "# Title\n\n| a |\n|---|\n| b |\n")
    assert page.count("<svg") == sum(bool(chart.marks) for chart in charts)
    assert page.count("<h1>") == 1


def test_worst_items_come_first_and_groups_in_order():
    charts, cases = _PAGES["asr"][1](asr())
    assert [case.name for case in cases] == ["dev: i2", "dev: i1", "dev: i0"]
    assert [(mark.group, mark.value) for mark in charts[1].marks] == [
        ("1-3 words", 25.0),
        ("8-15 words", 50.0),
    ]
    assert charts[0].marks[0].value == 50.0
    assert (charts[0].marks[0].low, charts[0].marks[0].high) == (25.0, 75.0)
    assert len(charts[0].marks) == 1  # a pooled score without a rate is no mark
    _, said = _PAGES["speech"][1](speech())
    assert said[0].reference == "b c"


def test_throughput_is_drawn_over_the_number_at_once():
    charts, _ = _PAGES["latency"][1](latency())
    assert charts[0].places == (1.0, 4.0)
    assert [mark.value for mark in charts[0].marks] == [10.0, 40.0]
