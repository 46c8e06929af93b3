"""Results of recognition as Markdown tables for people, and parts that the tables of other tasks share."""

from collections.abc import Iterable, Sequence

from llama_speech.evaluation.asr import FASTEST_CHARS_PER_S, TOO_FAST, AsrResult, SetResult, SystemResult
from llama_speech.evaluation.paper import SYSTEMS as PAPER_SYSTEMS
from llama_speech.evaluation.paper import paper_rows, system_names
from llama_speech.evaluation.scores import Comparison, Score

MAX_EXAMPLES = 8  # confusions shown per kind


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; `|` in a cell is escaped."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def percent(rate: float | None) -> str:
    """Return a fraction as percent with one decimal, or a dash."""
    return "-" if rate is None else f"{100 * rate:.1f}"


def score_text(score: Score) -> str:
    """Return a rate with its interval, such as 12.3 [10.1, 14.9]."""
    return f"{percent(score.rate)} [{percent(score.low)}, {percent(score.high)}]"


def comparison_text(found: Comparison) -> str:
    """Return a difference of rates with interval and p-value."""
    if found.delta is None or found.low is None or found.high is None:
        return "-"
    low, high = 100 * found.low, 100 * found.high
    return f"{100 * found.delta:+.1f} [{low:+.1f}, {high:+.1f}], p = {found.p_value:.3f}"


def _sum(parts: Iterable[float]) -> float:
    return float(sum(parts))


def _score_table(result: AsrResult, metric: str) -> str:
    """Return the table of one metric: a row per set, a column per system."""
    names = [system.name for system in result.sets[0].systems]
    rows = []
    for one in result.sets:
        words = one.systems[0].scores[metric].reference_units
        cells = [score_text(system.scores[metric]) for system in one.systems]
        rows.append([one.name, str(len(one.items)), str(words), *cells])
    if len(result.sets) > 1 and metric in {score.metric for score in result.pooled.values()}:
        items, words = (
            sum(len(one.items) for one in result.sets),
            next(iter(result.pooled.values())).reference_units,
        )
        rows.append(
            ["all items", str(items), str(words), *(score_text(result.pooled[name]) for name in names)]
        )
    return markdown_table(["set", "items", "units", *names], rows)


def _comparisons(result: AsrResult) -> str:
    """Return the paired comparisons of the systems under test with the others."""
    rows = [
        [one.name, system.name, peer, comparison_text(found)]
        for one in result.sets
        for system in one.systems
        for peer, found in system.against.items()
    ]
    if len(result.sets) > 1:
        rows += [
            ["all items", name, peer, comparison_text(found)]
            for name, table in result.pooled_against.items()
            for peer, found in table.items()
        ]
    return markdown_table(["set", "system", "against", "difference (points)"], rows) if rows else ""


def _errors(one: SetResult) -> list[list[str]]:
    """Return rows of error kinds for each system on a set."""
    rows = []
    for system in one.systems:
        score = next(iter(system.scores.values()))
        kinds = [str(value) for value in (score.substitutions, score.deletions, score.insertions)]
        rows.append([one.name, system.name, *kinds, str(score.empty_references), str(system.failed)])
    return rows


def _speed(result: AsrResult) -> str:
    """Return real-time factors over all sets, both ways stated."""
    rows = []
    for index, system in enumerate(result.sets[0].systems):
        parts: list[SystemResult] = [one.systems[index] for one in result.sets]
        audio_s = _sum(part.audio_s for part in parts)
        if audio_s:
            wall, cpu = (
                _sum(part.wall_s for part in parts) / audio_s,
                _sum(part.cpu_s for part in parts) / audio_s,
            )
            rows.append(
                [
                    system.name,
                    f"{audio_s / 60:.1f}",
                    f"{wall:.3f}",
                    f"{1 / max(wall, 1e-9):.1f}",
                    f"{cpu:.3f}",
                ]
            )
    return markdown_table(
        ["system", "audio (min)", "wall s per audio s", "audio s per wall s", "CPU s per audio s"], rows
    )


def _confusions(one: SetResult) -> str:
    """Return the most frequent confusions of each system on a set, one line each."""
    lines = []
    for system in one.systems:
        pairs = ", ".join(f"{a} -> {b} ({n})" for a, b, n in system.confusions["substituted"][:MAX_EXAMPLES])
        gone = ", ".join(f"{word} ({n})" for word, n in system.confusions["deleted"][:MAX_EXAMPLES])
        new = ", ".join(f"{word} ({n})" for word, n in system.confusions["inserted"][:MAX_EXAMPLES])
        lines.append(
            f"- {one.name}, {system.name}: {pairs or '-'}; deleted: {gone or '-'}; inserted: {new or '-'}"
        )
    return "\n".join(lines) + "\n"


def dropped_text(one: SetResult) -> str:
    """Return how many items of the manifest a set left out and why."""
    total = sum(one.dropped.values())
    reasons = "; ".join(f"{count} {reason}" for reason, count in one.dropped.items())
    text = f"{one.name}: {len(one.items)} items scored, {total} left out{f' ({reasons})' if total else ''}"
    return text + too_fast_text(one)


def too_fast_text(one: SetResult) -> str:
    """Return a remark on items whose text is too long for their audio; they stay in the score."""
    groups = {group.group: group for group in one.systems[0].by_pace}
    if TOO_FAST not in groups:
        return ""
    rates = []
    for system in one.systems:
        rest = next((group.rate for group in system.by_pace if group.group != TOO_FAST), None)
        rates.append(f"{system.name} {percent(rest)}")
    number = groups[TOO_FAST].items
    remark = (
        f"{number} of them have over {FASTEST_CHARS_PER_S:g} characters of text a second (audio cut off?)"
    )
    return f"; {remark} and count; without them: {', '.join(rates)}"


def _no_speech(result: AsrResult) -> str:
    """Return the words written where nothing is said."""
    systems = list(dict.fromkeys(found.system for found in result.no_speech))
    rows = []
    for kind in dict.fromkeys(found.kind for found in result.no_speech):
        found = {item.system: item for item in result.no_speech if item.kind == kind}
        minutes = next(iter(found.values())).audio_s / 60
        cells = ["failed" if found[name].error else str(found[name].words) for name in systems]
        rows.append([kind, f"{minutes:g}", *cells])
    return markdown_table(["audio", "minutes", *(f"{name}: words" for name in systems)], rows)


def _groups(result: AsrResult) -> str:
    """Error rates by length, worst speakers and noise, of all sets together; nothing for a single group."""
    text = ""
    for key, title in (
        ("by_length", "words of the reference"),
        ("by_speaker", "speaker"),
        ("by_noise", "noise"),
    ):
        errors: dict[tuple[str, str], float] = {}
        units: dict[str, int] = {}
        for one in result.sets:
            for place, system in enumerate(one.systems):
                for group in getattr(system, key):
                    name = (group.group, system.name)
                    errors[name] = errors.get(name, 0.0) + (group.rate or 0.0) * group.reference_units
                    if place == 0:
                        units[group.group] = units.get(group.group, 0) + group.reference_units
        names = [system.name for system in result.sets[0].systems]
        groups = [group for group, number in units.items() if number]
        if len(groups) < 2:
            continue
        if key == "by_speaker":
            groups = sorted(groups, key=lambda group: -errors[group, names[0]] / units[group])[:MAX_EXAMPLES]
        rows = [
            [
                group,
                str(units[group]),
                *(percent(errors.get((group, name), 0.0) / units[group]) for name in names),
            ]
            for group in groups
        ]
        title = f"By {title}" if key != "by_speaker" else f"Worst speakers of {len(units)}"
        text += f"## {title}\n\n{markdown_table(['group', 'units', *names], rows)}\n"
    return text


def _paper(result: AsrResult) -> str:
    """The paper's Table 31 beside sets that match; nothing otherwise."""
    rates = [
        (
            one.name,
            one.language,
            {s.name: {m: score.rate for m, score in s.scores.items()} for s in one.systems},
        )
        for one in result.sets
    ]
    rows = paper_rows(rates)
    if not rows:
        return ""
    header = ["WER or CER, %", *system_names(rates), *(f"paper: {name}" for name in PAPER_SYSTEMS)]
    return f"## The paper (Table 31)\n\n{markdown_table(header, rows)}"


def to_markdown(result: AsrResult) -> str:
    """Return the report for people: tables of rates, differences, errors, speed, confusions, and every
    signature.
    """
    first = result.sets[0].systems[0]
    metrics = list(first.scores)
    parts = [f"# Recognition\n\n{result.created}, {result.machine}\n"]
    for index, metric in enumerate(metrics):
        parts.append(f"## {metric} in percent, with interval\n" if index == 0 else f"## {metric}\n")
        parts.append(_score_table(result, metric) + f"\nSignature: `{first.scores[metric].signature}`\n")
    comparisons = _comparisons(result)
    if comparisons:
        signature = next(iter(result.pooled_against.values())).values()
        parts.append(f"## Differences of {metrics[0]}\n\n{comparisons}")
        parts += [f"Signature: `{found.signature}`\n" for found in list(signature)[:1]]
    header = ["set", "system", "substituted", "deleted", "inserted", "empty references", "failed"]
    rows = [row for one in result.sets for row in _errors(one)]
    parts.append(f"## Errors by kind ({metrics[0]})\n\n{markdown_table(header, rows)}")
    parts.append("## Items\n\n" + "".join(f"- {dropped_text(one)}\n" for one in result.sets))
    parts += [part for part in (_groups(result), _paper(result)) if part]
    parts.append(f"## Speed\n\n{_speed(result)}")
    if result.no_speech:
        parts.append(f"## Words where nothing is said\n\n{_no_speech(result)}")
    parts.append("## Most confused words\n\n" + "".join(_confusions(one) for one in result.sets))
    parts.append("## Systems\n\n" + "".join(f"- `{system.signature}`\n" for system in result.sets[0].systems))
    return "\n".join(parts)
