"""Blind pairwise listening: a page that people judge by ear, and what their answers say.

A page plays the same sentences from two systems, in an order and on sides that a seed decides; the key to it
lies in a file of its own. A person's answers are one JSON file, saved by the page. The share of preferences
has a Wilson interval and an exact two-sided sign test; "no preference" counts for neither side.
"""

import html
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speech_core.errors import InputError

SOUNDS = (".wav", ".flac", ".opus", ".ogg", ".mp3")
SIDES = ("a", "b")
_Z = 1.959964  # of a 95 % interval
PAPER = (  # Table 35 of arXiv 2407.21783: the prosody model with Llama 3 8B against each baseline, percent
    ("streaming, phones alone", 60.0, 40.0),
    ("not streaming, phones alone", 63.6, 36.4),
)


@dataclass(frozen=True)
class Contestant:
    """A system and the folder of its clips; clips of the same name say the same."""

    name: str
    folder: Path


@dataclass(frozen=True)
class Preference:
    """What listeners preferred: share of `first` among those who preferred one, its interval, sign test."""

    first: str
    second: str
    wins_first: int
    wins_second: int
    ties: int
    listeners: int
    share: float
    low: float
    high: float
    p_value: float


def clips_of(folder: Path) -> dict[str, Path]:
    """Sound files of a folder by their names without ending."""
    return {path.stem: path for path in sorted(folder.glob("*")) if path.suffix.lower() in SOUNDS}


def build_page(
    contestants: tuple[Contestant, Contestant], out: Path, texts: dict[str, str] | None = None, seed: int = 0
) -> int:
    """Write a page (index.html and clips) and its key (key.json beside it); returns the number of pairs.

    texts: what a clip says, by its name. Raises InputError when the two share no clip or `out` is not empty.
    """
    found = [clips_of(one.folder) for one in contestants]
    names = sorted(set(found[0]) & set(found[1]))
    if not names:
        folders = " and ".join(str(one.folder) for one in contestants)
        raise InputError(f"{folders} share no clip: give both systems' clips the same names")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: a page must not be mixed with another")
    random = np.random.default_rng(seed)
    (out / "page" / "clips").mkdir(parents=True)
    key: list[dict[str, str]] = []
    for number, place in enumerate(random.permutation(len(names)), start=1):
        swapped = bool(random.integers(2))
        sides = {}
        for side, which in zip(SIDES, (1, 0) if swapped else (0, 1), strict=True):
            source = found[which][names[place]]
            shutil.copyfile(source, out / "page" / "clips" / f"{number:03d}-{side}{source.suffix.lower()}")
            sides[side] = contestants[which].name
        key.append({"clip": names[place], **sides})
    (out / "key.json").write_text(json.dumps({"seed": seed, "pairs": key}, indent=1) + "\n", encoding="utf-8")
    (out / "page" / "index.html").write_text(
        _page(out / "page" / "clips", key, texts or {}), encoding="utf-8"
    )
    return len(names)


def _page(clips: Path, key: Sequence[dict[str, str]], texts: dict[str, str]) -> str:
    """The page; it names no system."""
    rows = []
    for number, pair in enumerate(key, start=1):
        players = []
        for side in SIDES:
            (path,) = clips.glob(f"{number:03d}-{side}.*")
            players.append(
                f'<p>{side.upper()} <audio controls preload="none" src="clips/{path.name}"></audio></p>'
            )
        choices = "".join(
            f'<label><input type="radio" name="{number:03d}" value="{value}"> {title}</label> '
            for value, title in (("a", "A is better"), ("b", "B is better"), ("none", "no preference"))
        )
        text = html.escape(texts.get(pair["clip"], ""))
        rows.append(f"<section><h2>{number}</h2><p>{text}</p>{''.join(players)}{choices}</section>")
    return _TEMPLATE.replace("ROWS", "\n".join(rows)).replace("COUNT", str(len(key)))


_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Which sounds better?</title>
<style>body{font:16px sans-serif;max-width:40em;margin:2em auto}section{border-top:1px solid #ccc}</style>
<h1>Which sounds better?</h1>
<p>Listen to both with headphones. Choose what sounds more like a person who means what they say.
Save at the end and send the file back.</p>
<form id="form">ROWS</form>
<p><button id="save">Save answers</button> <span id="left"></span></p>
<script>
document.getElementById("save").onclick = () => {
  const answers = Object.fromEntries(new FormData(document.getElementById("form")));
  const left = COUNT - Object.keys(answers).length;
  document.getElementById("left").textContent = left ? left + " not answered yet" : "";
  if (left) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify({answers})], {type: "application/json"}));
  link.download = "answers.json";
  link.click();
};
</script></html>
"""


def read_answers(folder: Path, files: Sequence[Path]) -> Preference:
    """What the listeners' files say of the page in `folder`.

    Raises InputError for a file that is not of this page, or when nobody preferred anything.
    """
    pairs = json.loads((folder / "key.json").read_text(encoding="utf-8"))["pairs"]
    first, second = sorted({pair[side] for pair in pairs for side in SIDES})
    wins = {first: 0, second: 0}
    ties = 0
    for path in files:
        for number, answer in _answers(path, len(pairs)).items():
            if answer in SIDES:
                wins[pairs[int(number) - 1][answer]] += 1
            else:
                ties += 1
    low, high = wilson_interval(wins[first], wins[first] + wins[second])
    share = wins[first] / (wins[first] + wins[second])
    p_value = sign_test(wins[first], wins[second])
    return Preference(first, second, wins[first], wins[second], ties, len(files), share, low, high, p_value)


def _answers(path: Path, count: int) -> dict[str, str]:
    try:
        answers: dict[str, str] = dict(json.loads(path.read_text(encoding="utf-8"))["answers"])
        good = all(1 <= int(number) <= count for number in answers)
    except (OSError, ValueError, KeyError, TypeError):
        good = False
    if not good or set(answers.values()) - {*SIDES, "none"}:
        raise InputError(f"{path} holds no answers to this page: give the files that it saved")
    return answers


def wilson_interval(wins: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927). Raises InputError when total is 0."""
    if total < 1:
        raise InputError("nobody preferred anything: there is no share")
    share, square = wins / total, _Z**2 / total
    centre = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / total + square / (4 * total))
    return max(0.0, centre - half), min(1.0, centre + half)


def sign_test(wins: int, losses: int) -> float:
    """Two-sided chance of a result at least as uneven when both are alike."""
    total, fewer = wins + losses, min(wins, losses)
    tail = float(sum(math.comb(total, count) for count in range(fewer + 1)) / 2**total)
    return min(1.0, 2 * tail)


def to_markdown(result: Preference) -> str:
    """The result with the paper's Table 35 beside it."""
    total = result.wins_first + result.wins_second
    lines = [
        "| preferred | against | share | 95 % interval | judgements | listeners |",
        "|---|---|---|---|---|---|",
        f"| {result.first} | {result.second} | {100 * result.share:.1f} % "
        f"| {100 * result.low:.1f} to {100 * result.high:.1f} | {total}, {result.ties} ties "
        f"| {result.listeners} |",
    ]
    lines += [
        f"| the paper, with Llama 3 8B | {against} | {ours:.1f} % | not given | not given | not given |"
        for against, ours, _ in PAPER
    ]
    return "\n".join([*lines, "", f"Sign test: p = {result.p_value:.3g}."]) + "\n"
