"""The mixture of tasks: prompts, targets, and how often each comes."""

import numpy as np
import pytest
import torch

from recipes.batches.mixture import MixtureConfig, item_weights, target_of, task_of
from recipes.data.features_cache import CacheItem, FeatureCache, FeatureCacheWriter
from recipes.data.manifests import Utterance
from speech_adapter.prompts import Speech, Turn
from speech_core.errors import ConfigError, InputError

SPEECH = Speech(torch.zeros(2, 4))
TRANSLATION = {"task": "translation", "to": "en"}
DIALOGUE = {"task": "dialogue", "answer": "I am fine."}


def record(text="Guten  Tag", language="de", translation=None, **extra):
    return {"id": "a", "text": text, "language": language, "translation": translation or {}, "extra": extra}


def test_each_task_has_its_conversation_and_answer():
    heard = target_of(record(), SPEECH)
    assert heard is not None
    assert heard.turns == [Turn("system", ("Repeat after me in German:",)), Turn("user", (SPEECH,))]
    assert heard.answer == "Guten Tag"
    translated = target_of(record(translation={"en": "Good day"}, **TRANSLATION), SPEECH)
    assert translated is not None
    assert translated.turns[0].parts == ("Translate the following sentence into English:",)
    assert translated.answer == "Good day"
    told = target_of(record(**DIALOGUE), SPEECH)
    assert told is not None
    assert told.turns == [Turn("system", ("",)), Turn("user", (SPEECH,))]
    assert told.answer == "I am fine."
    assert told.written == [Turn("system", ("",)), Turn("user", ("Guten  Tag",))]
    assert translated.written is None
    assert (told.ends, translated.ends) == (True, True)
    cut = target_of(record(cut=True, **DIALOGUE), SPEECH)
    assert cut is not None
    assert not cut.ends


def test_nothing_to_teach():
    assert target_of(record(text=None), SPEECH) is None
    assert target_of(record(**TRANSLATION), SPEECH) is None
    assert target_of(record(task="dialogue"), SPEECH) is None
    with pytest.raises(InputError, match="task 'singing' is unknown"):
        task_of(record(task="singing"))


@pytest.fixture
def cache(tmp_path):
    items = [
        ("a", "en", 100, "x", {}, {}),
        ("b", "en", 300, "x", {}, {}),
        ("c", "de", 100, "x", {}, {}),
        ("d", "de", 50, "x", {"en": "y"}, TRANSLATION),
        ("e", "en", 50, "x", {}, DIALOGUE),
        ("f", "en", 50, None, {}, {}),
        ("g", "de", 50, "x", {}, TRANSLATION),
    ]
    writer = FeatureCacheWriter(tmp_path)
    writer.write_shard(
        0,
        [
            CacheItem(
                Utterance(name, "", text, language, "s", 1.0, "c", "CC0", translation, extra),
                np.zeros((frames, writer.config.num_mels), np.float16),
            )
            for name, language, frames, text, translation, extra in items
        ],
    )
    return FeatureCache([tmp_path])


def test_weights_follow_shares_and_languages(cache):
    weights = item_weights(cache, MixtureConfig(0.6, 0.25, 0.15, temperature=0.5))
    by_task = weights[:3].sum(), weights[3], weights[4]
    assert by_task == pytest.approx((0.6, 0.25, 0.15))
    assert weights[5] == weights[6] == 0  # nothing to teach
    assert weights[0] == weights[1]  # of one language alike
    assert (weights[0] + weights[1]) / weights[2] == pytest.approx(2.0)  # hours 4 to 1, square root
    plain = item_weights(cache, MixtureConfig(1.0, 0.0, 0.0, temperature=1.0))
    assert (plain[0] + plain[1]) / plain[2] == pytest.approx(4.0)
    assert plain[3] == plain[4] == 0


def test_what_cannot_be(cache, tmp_path):
    with pytest.raises(ConfigError, match="one must be above 0"):
        MixtureConfig(0.0)
    with pytest.raises(ConfigError, match="temperature is 2"):
        MixtureConfig(temperature=2)
    with pytest.raises(ConfigError, match="dialogue_distribution is -1"):
        MixtureConfig(dialogue_distribution=-1)
    writer = FeatureCacheWriter(tmp_path / "empty")
    writer.write_shard(0, [])
    with pytest.raises(ConfigError, match="no item of the caches is for it"):
        item_weights(FeatureCache([tmp_path / "empty"]), MixtureConfig())
