"""Score homograph models on the evaluation split of the Wikipedia Homograph Data.

    python -m recipes.score_homographs --text-dir DIR --states DATA/homographs \
        --models RUNS/homographs-states/export/homographs RUNS/homographs-words/export/homographs

Beside them stands the most frequent reading of each word in the training split. Accuracy is over sentences;
balanced accuracy is the mean over readings that occur, each by its share of right sentences. The `*` rows
score the shared noun-verb head alone. With --hibari, the front end of hibari-tts (misaki's lexicon, chosen by
part of speech) on the same sentences: the reading nearest to what it says is taken as its choice.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recipes.data.homographs import HomographSentence, read_homographs, read_readings
from recipes.loop.command import run_scoring
from recipes.loop.options import option
from recipes.prepare_lexicon import load_dictionary
from recipes.tables.pronunciation_scores import Figure, Phones, edit_distance, interval, record
from recipes.train_homographs import DataSource, load_examples, predict, predict_shared
from speech_core.checkpoint import load_config, load_weights
from tts_frontend.homographs import HomographModel, HomographsConfig
from tts_frontend.languages.en.phones import from_ipa

_DATA = "Wikipedia Homograph Data, eval"


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    text_dir: Path = option(Path(), "folder with homographs/")
    states: Path | None = option(None, "folder of prepare_homographs")
    models: tuple[Path, ...] = option((), "homograph models")
    hibari: bool = option(False, "also the front end of hibari-tts")
    cmudict: Path = option(Path(), "cmudict.dict, for the readings hibari is compared with")
    out: Path | None = option(None, "file for the scores")


def balanced_accuracy(right: Sequence[bool], readings: Sequence[str]) -> float:
    """Mean over readings of the share that is right."""
    totals, hits = Counter(readings), Counter(name for name, one in zip(readings, right, strict=True) if one)
    return sum(hits[name] / total for name, total in totals.items()) / max(len(totals), 1)


def majority(train: Sequence[HomographSentence], test: Sequence[HomographSentence]) -> list[bool]:
    """Whether the reading most frequent in training is right."""
    counts: dict[str, Counter[str]] = {}
    for sentence in train:
        counts.setdefault(sentence.word, Counter())[sentence.reading] += 1
    return [counts[one.word].most_common(1)[0][0] == one.reading for one in test]


def hibari_choices(test: Sequence[HomographSentence], config: RunConfig) -> list[bool]:
    """Whether what hibari says is nearest to the right reading."""
    from hibari.g2p import G2P

    speaker = G2P()
    readings = read_readings(config.text_dir, load_dictionary(None, config.cmudict))
    return [_said(speaker, one, readings[one.word]) == one.reading for one in test]


def _said(speaker: Any, sentence: HomographSentence, readings: Mapping[str, Phones]) -> str:
    """The reading that is nearest to what is said at the homograph."""
    place, found = 0, ""
    for token in speaker.phonemize_tokens(speaker.tokenize(sentence.text)):
        place = sentence.text.find(token.text, place)
        if place <= sentence.start < place + len(token.text):
            found = token.phonemes or ""
        place += len(token.text)
    phones = from_ipa(found)
    return min(readings, key=lambda name: edit_distance(readings[name], phones))


def run(config: RunConfig, show: Callable[[str], None]) -> list[dict[str, object]]:
    """Score everything; `show` takes the rows of the table."""
    test = read_homographs(config.text_dir, "eval")
    readings = [one.reading for one in test]
    results = {"most frequent reading": majority(read_homographs(config.text_dir, "train"), test)}
    if config.hibari:
        results["hibari-tts 0.2.1"] = hibari_choices(test, config)
    shared: dict[str, list[bool]] = {}
    for folder in config.models:
        sizes = load_config(folder, HomographsConfig)
        model = HomographModel(sizes).eval()
        load_weights(folder, model)
        source = DataSource(config.text_dir, config.states if sizes.d_llama else None)
        examples = load_examples(source, sizes, "eval")
        name = _name(sizes)
        results[name] = _list(predict(model, examples) == examples.targets)
        shared[name] = _list((predict_shared(model, examples) == examples.shared)[examples.shared >= 0])
    show("system                                                 accuracy (95 %)       balanced")
    scores: list[dict[str, object]] = []
    for name, right in results.items():
        low, high = interval(right)
        value, balanced = sum(right) / len(right), balanced_accuracy(right, readings)
        show(f"{name:52} {100 * value:6.2f} ({100 * low:.2f}-{100 * high:.2f})  {100 * balanced:6.2f}")
        scores += _records(name, len(right), (value, low, high), balanced)
    for name, right in shared.items():
        show(f"* {name:50} {100 * sum(right) / len(right):6.2f} of {len(right)}")
    return scores


def _list(values: Tensor) -> list[bool]:
    return [bool(value) for value in torch.as_tensor(values).tolist()]


def _name(sizes: HomographsConfig) -> str:
    if sizes.d_llama:
        return f"states, {sizes.tokens_after} tokens behind"
    return f"words, {sizes.words_after} behind"


def _records(name: str, count: int, accuracy: Figure, balanced: float) -> list[dict[str, object]]:
    signature = f"{count} sentences, bootstrap 95 %"
    figures = {"accuracy": accuracy, "balanced accuracy": (balanced, None, None)}
    return [record(_DATA, name, metric, figure, signature) for metric, figure in figures.items()]


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_scoring(RunConfig, run, __doc__ or "", argv)


if __name__ == "__main__":
    main()
