"""The tables that documents show, from the JSON of `llama-speech evaluate`: header, rows, signatures."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llama_speech.evaluation.report import markdown_table, percent

Result = Any  # the JSON of a task


@dataclass(frozen=True)
class Table:
    """A table of cells as they are printed. unit: one sentence that says what the cells are."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    unit: str
    signatures: tuple[str, ...]
    items: int
    left_out: str

    def markdown(self) -> str:
        """The table for a document."""
        return markdown_table(self.header, self.rows)


def _rate(score: Result) -> str:
    return f"{percent(score['rate'])} [{percent(score['low'])}, {percent(score['high'])}]"


def _left_out(result: Result) -> str:
    """How many items the sets left out, and why."""
    reasons: Counter[str] = Counter()
    for one in result["sets"]:
        reasons.update(one["dropped"])
    return ", ".join(f"{count} ({reason})" for reason, count in reasons.items())


def asr_table(result: Result) -> Table:
    """A row for each set and one for all, a column for each system: word error rates."""
    sets = result["sets"]
    metric = next(iter(sets[0]["systems"][0]["scores"]))
    names = [system["name"] for system in sets[0]["systems"]]
    rows = []
    for one in sets:
        scores = [system["scores"][metric] for system in one["systems"]]
        words = str(scores[0]["reference_units"])
        rows.append((one["name"], str(len(one["items"])), words, *map(_rate, scores)))
    items = sum(len(one["items"]) for one in sets)
    pooled = [result["pooled"][name] for name in names]
    rows.append(("all", str(items), str(pooled[0]["reference_units"]), *map(_rate, pooled)))
    return Table(
        ("set (`dev`)", "clips", "words", *names),
        tuple(rows),
        "Word error rate in percent, 95 % interval.",
        (sets[0]["systems"][0]["scores"][metric]["signature"],),
        items,
        _left_out(result),
    )


def no_speech_table(result: Result) -> Table:
    """Words that each system wrote for each kind of audio in which nobody speaks."""
    found = result["no_speech"]
    systems = list(dict.fromkeys(one["system"] for one in found))
    kinds = list(dict.fromkeys(one["kind"] for one in found))
    words = {(one["kind"], one["system"]): "failed" if one["error"] else str(one["words"]) for one in found}
    rows = tuple((kind, *(words[kind, system] for system in systems)) for kind in kinds)
    minutes = found[0]["audio_s"] / 60
    unit = f"Words written for {minutes:g} minutes of each."
    return Table(("audio", *systems), rows, unit, ("words with a letter or digit",), len(found), "")


def translation_table(result: Result) -> Table:
    """BLEU and chrF, a row for each set, language and metric."""
    sets = result["sets"]
    names = list(dict.fromkeys(system["name"] for one in sets for system in one["systems"]))
    rows = []
    for metric in ("BLEU", "chrF"):
        for one in sets:
            scores = {system["name"]: system["scores"][metric] for system in one["systems"]}
            cells = [_text_score(scores[name]) if name in scores else "-" for name in names]
            rows.append((one["name"], one["source"], str(len(one["items"])), metric, *cells))
    found = sets[0]["systems"][0]["scores"]
    return Table(
        ("set (`dev`)", "from", "clips", "", *names),
        tuple(rows),
        "95 % intervals.",
        tuple(found[metric]["signature"] for metric in ("BLEU", "chrF")),
        sum(len(one["items"]) for one in sets),
        _left_out(result),
    )


def _text_score(score: Result) -> str:
    return f"{score['score']:.1f} [{max(score['low'], 0.0):.1f}, {score['high']:.1f}]"


def dialogue_table(result: Result) -> Table:
    """Answers to speech beside answers to text, a row for each set and way of hearing."""
    rows = []
    for one in result["sets"]:
        items = str(len(one["items"]))
        rows.append((one["name"], items, "text", "-", "-", _share(one["text_accuracy"]), "-"))
        for system in one["systems"]:
            shares = [_share(system[key]) for key in ("agreement", "overlap", "accuracy")]
            rows.append((one["name"], items, system["name"], *shares, percent(system["word_error_rate"])))
    return Table(
        ("set", "items", "way of hearing", "same answer", "overlap", "right", "WER"),
        tuple(rows),
        "Percent, 95 % intervals.",
        (result["signature"],),
        sum(len(one["items"]) for one in result["sets"]),
        _left_out(result),
    )


def _share(found: Result) -> str:
    if found["mean"] is None:
        return "-"
    return f"{percent(found['mean'])} [{percent(found['low'])}, {percent(found['high'])}]"


def speech_table(result: Result) -> Table:
    """Word errors of those who listen and speed, a row for each voice."""
    hearers = list(result["systems"][0]["word_errors"])
    rows = [
        (
            one["name"],
            *(_rate(one["word_errors"][hearer]) for hearer in hearers),
            f"{one['real_time_factor']:.3f}",
            f"{1000 * one['first_s']:.0f}",
            str(one["failed"]),
        )
        for one in result["systems"]
    ]
    signature = result["systems"][0]["word_errors"][hearers[0]]["signature"]
    return Table(
        ("voice", *hearers, "time / audio", "first sound, ms", "failed"),
        tuple(rows),
        "Word error rate of who listens in percent, 95 % interval.",
        (signature,),
        len(result["texts"]),
        "",
    )


TABLES: dict[str, Callable[[Result], Table]] = {
    "asr": asr_table,
    "no-speech": no_speech_table,
    "translation": translation_table,
    "dialogue": dialogue_table,
    "speech": speech_table,
}
