"""Which tasks a batch teaches, and what the Llama is told and should answer in each.

The paper trains one model on recognition, translation and dialogue at once (arXiv 2407.21783, 8.3): a system
prompt that names the target language for the first two, none for dialogue. An utterance says in its `extra`
what it is for: {"task": "translation", "to": "en", "answer"...}; without that it is for recognition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.data.features_cache import FeatureCache
from recipes.loop.options import option
from speech_adapter.prompts import Speech, Turn, language_name, recognition_turns, translation_turns
from speech_core.errors import ConfigError, InputError

TASKS = ("recognition", "translation", "dialogue")


@dataclass(frozen=True)
class MixtureConfig:
    """How often each task comes, as shares of what is drawn; the paper does not say."""

    recognition_share: float = option(1.0, "share of recognition")
    translation_share: float = option(0.0, "share of translation")
    dialogue_share: float = option(0.0, "share of dialogue")
    dialogue_distribution: float = option(
        0.0,
        "share of the loss of dialogue that is the Llama's own next-token distribution given the transcript",
    )
    temperature: float = option(0.5, "languages of a task: hours to this power; 1 as they are, 0 all alike")

    def __post_init__(self) -> None:
        if min(self.shares.values()) < 0 or not sum(self.shares.values()):
            raise ConfigError("shares of tasks must not be negative, and one must be above 0")
        for name in ("temperature", "dialogue_distribution"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}: choose from 0 to 1")

    @property
    def mixed(self) -> bool:
        """Whether there is any task besides recognition."""
        return bool(self.translation_share or self.dialogue_share)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each task."""
        values = (self.recognition_share, self.translation_share, self.dialogue_share)
        return dict(zip(TASKS, values, strict=True))


@dataclass(frozen=True)
class Target:
    """A conversation that ends in the speech, and the answer to learn.

    written: the same conversation with the words in the place of the speech, where what the Llama foresees
    after them is to be learned. ends: whether the answer is whole, so that its end is learned too.
    """

    turns: list[Turn]
    answer: str
    written: list[Turn] | None = None
    ends: bool = True


def task_of(record: Mapping[str, Any]) -> str:
    """The task of a stored utterance; without text it has none (""). Raises InputError for an unknown one."""
    task = record["extra"].get("task", "recognition" if record["text"] else "")
    if task not in (*TASKS, ""):
        raise InputError(f"{record['id']}: task {task!r} is unknown: use one of {', '.join(TASKS)}")
    return str(task)


def target_of(record: Mapping[str, Any], speech: Speech) -> Target | None:
    """What an utterance teaches, or None if it has nothing to teach."""
    task = task_of(record)
    if task == "recognition":
        return _target(recognition_turns(speech, language_name(record["language"])), record["text"])
    if task == "translation":
        to = record["extra"].get("to", "en")
        return _target(translation_turns(speech, language_name(to)), record["translation"].get(to))
    if task == "dialogue":
        spoken, written = (
            [Turn("system", ("",)), Turn("user", (part,))] for part in (speech, record["text"] or "")
        )
        target = _target(spoken, record["extra"].get("answer"), written if record["text"] else None)
        return target and replace(target, ends=not record["extra"].get("cut", False))
    return None


def _target(turns: list[Turn], answer: str | None, written: list[Turn] | None = None) -> Target | None:
    squeezed = " ".join((answer or "").split())
    return Target(turns, squeezed, written) if squeezed else None


def item_weights(cache: FeatureCache, config: MixtureConfig) -> NDArray[np.float64]:
    """How often each item of a cache is drawn, (items,): tasks by their share, in a task languages by hours.

    Items without a target never come. Raises ConfigError if a task has a share but no item.
    """
    records = [cache.record(number) for number in range(len(cache))]
    groups: dict[tuple[str, str], list[int]] = {}
    for number, record in enumerate(records):
        task = task_of(record)
        if task and has_target(record):
            groups.setdefault((task, record["language"]), []).append(number)
    weights = np.zeros(len(cache))
    for task, share in config.shares.items():
        _add_task(weights, [found for key, found in groups.items() if key[0] == task], cache, (share, config))
        if share and not any(key[0] == task for key in groups):
            raise ConfigError(f"{task} has a share of {share:g}, and no item of the caches is for it")
    return weights


def has_target(record: Mapping[str, Any]) -> bool:
    """Whether an utterance has an answer to learn."""
    task, extra = task_of(record), record["extra"]
    if task == "translation":
        return bool(record["translation"].get(extra.get("to", "en")))
    return bool(extra.get("answer") if task == "dialogue" else record["text"] and task)


def _add_task(
    weights: NDArray[np.float64],
    languages: Sequence[list[int]],
    cache: FeatureCache,
    how: tuple[float, MixtureConfig],
) -> None:
    """Spread the share of a task over its languages, and each language's over its items."""
    share, config = how
    hours = [float(cache.lengths[items].sum()) ** config.temperature for items in languages]
    for items, portion in zip(languages, hours, strict=True):
        weights[items] = share * portion / sum(hours) / len(items)
