"""Places where the tagger must choose: what is allowed and right there, batches of them, cached states."""

import itertools
import json

import numpy as np
import pytest
import torch

from recipes.batches.normalizer_places import (
    Batches,
    CachedStates,
    Draw,
    StateCache,
    collate,
    drawn_items,
    item_of,
    read_samples,
)
from tts_frontend.config import TaggerConfig
from tts_frontend.languages import load_language

RULES = tuple(rule.name for rule in load_language("en").inventory.rules)
CONFIG = TaggerConfig("en", RULES, num_rows=256, d_llama=4)
WRITTEN = "In 1984 he got 1984 votes."
SPOKEN = "In nineteen eighty four he got one thousand nine hundred eighty four votes."
SAMPLE = {
    "written": WRITTEN,
    "spoken": SPOKEN,
    "source": "google_tn",
    "labels": [["year", 2, 3], ["cardinal", 8, 9]],
}


def test_a_place_knows_what_is_allowed_and_right():
    item = item_of(SAMPLE, CONFIG)
    years = [place for place in item.places if place.kind in ("date", "number")]
    assert [item.tokens[place.token].start for place in years] == [3, 15]
    for place, rule in zip(years, ("year", "cardinal"), strict=True):
        right = {RULES[r] for r, good in zip(place.rules, place.right, strict=True) if good}
        assert rule in right
        assert {"year", "cardinal"} <= {RULES[r] for r in place.rules}
        assert len(right & {"year", "cardinal"}) == 1
    assert years[0].limit == WRITTEN.index("1984 votes") + 4  # three tokens, white space not counted


def test_a_label_no_rule_offers_is_counted():
    sample = SAMPLE | {"labels": [["telephone", 2, 3]]}
    assert item_of(sample, CONFIG).missed == 1


def test_a_title_is_right_written_out_or_not():
    sample = {"written": "Rev. Hale came.", "spoken": "Rev. Hale came.", "source": "libritts_tn"}
    item = item_of(sample | {"labels": [["spelled", 0, 1]]}, CONFIG)
    (place,) = [place for place in item.places if place.token == 0]
    right = {RULES[r] for r, good in zip(place.rules, place.right, strict=True) if good}
    assert "abbreviation" in {RULES[r] for r in place.rules}
    assert right >= {"spelled"}


def test_texts_keep_their_lot_and_some_are_kept_from_training(tmp_path):
    samples = [SAMPLE | {"written": f"In {n} he", "labels": [["year", 2, 3]]} for n in range(1900, 2000)]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in samples))
    training = [item.text for item in drawn_items(path, CONFIG, Draw(1000))]
    tuning = [item.text for item in drawn_items(path, CONFIG, Draw(1000, tuning=True))]
    assert sorted(training + tuning) == sorted(one["written"] for one in samples)
    assert 1 <= len(tuning) <= 20
    path.write_text("".join(json.dumps(one) + "\n" for one in samples[::2]))
    kept = [item.text for item in drawn_items(path, CONFIG, Draw(1000))]
    assert kept == [text for text in training if text in kept]
    known = set(kept[:7])
    assert [item.text for item in drawn_items(path, CONFIG, Draw(1000), known)] == kept[:7]


@pytest.fixture
def cache(tmp_path):
    states = np.arange(4 * 6, dtype=np.float16).reshape(6, 4)
    states.tofile(tmp_path / "states.f16")
    line = {"text": WRITTEN, "start": 0, "width": 4, "ends": [2, 7, 10, 14, 19, 26]}
    (tmp_path / "index.jsonl").write_text(json.dumps(line) + "\n")
    return StateCache(tmp_path)


def test_states_are_visible_up_to_the_right_context(cache):
    item = item_of(SAMPLE, CONFIG)
    batch = collate([item], CONFIG, cache)
    assert batch.states.shape == (1, 6, 4)
    for place, visible in zip(item.places, batch.visible, strict=True):
        assert visible.tolist() == [end <= place.limit for end in [2, 7, 10, 14, 19, 26]]
    hidden = collate([item], CONFIG, cache, [True])
    assert not hidden.visible.any()
    mean, scale = cache.moments()
    assert mean.tolist() == [10, 11, 12, 13]
    assert (scale > 0).all()


def test_cached_states_come_as_events(cache):
    events = CachedStates(cache, None).events(WRITTEN)
    assert [event.text for event in events] == ["In", " 1984", " he", " got", " 1984", " votes."]
    assert events[1].embedding.tolist() == [4, 5, 6, 7]
    (other,) = CachedStates(cache, None).events("new text")
    assert (other.text, other.embedding) == ("new text", None)


def test_the_draw_is_seeded_and_limited(tmp_path):
    samples = [SAMPLE | {"written": f"In {n} he", "labels": [["year", 2, 3]]} for n in range(1900, 1990)]
    samples += [one | {"source": "generated", "written": one["written"] + "!"} for one in samples]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in samples))
    assert len(list(read_samples(path))) == 180
    first = [item.text for item in drawn_items(path, CONFIG, Draw(20))]
    assert first == [item.text for item in drawn_items(path, CONFIG, Draw(20))]
    assert first != [item.text for item in drawn_items(path, CONFIG, Draw(20, seed=1))]
    assert len(set(first)) == 20
    real = [item.source for item in drawn_items(path, CONFIG, Draw(200, generated=0.0))]
    assert set(real) == {"google_tn"}
    assert not list(drawn_items(path, CONFIG, Draw(20, most_chars=3)))


def test_batches_go_on_where_they_stood(cache):
    items = [item_of(SAMPLE | {"written": WRITTEN + "!" * n}, CONFIG) for n in range(7)]

    def stream(**state):
        return Batches(items, CONFIG, cache, batch_size=2, seed=3, drop_states=0.5, **state)

    expected = list(itertools.islice(iter(stream()), 9))
    half = stream()
    list(itertools.islice(iter(half), 5))
    again = stream()
    again.load_state_dict(half.state_dict())
    for one, two in zip(expected[5:], itertools.islice(iter(again), 4), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
