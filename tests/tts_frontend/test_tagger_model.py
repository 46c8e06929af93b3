"""The trainable tagger: sizes, masks, padding and future that do not leak, and that it can learn."""

from dataclasses import replace

import torch

from recipes.batches.normalizer_places import collate, item_of
from tts_frontend.config import TaggerConfig
from tts_frontend.languages import load_language
from tts_frontend.tagger_model import TaggerModel

RULES = tuple(rule.name for rule in load_language("en").inventory.rules)
TINY = {"num_rows": 256, "d_token": 16, "d_hidden": 16, "d_query": 16, "num_heads": 2}
CONFIG = TaggerConfig("en", RULES, **TINY)
SAMPLES = [
    {"written": "In 1984 he got 1984 votes.", "labels": [["year", 2, 3], ["cardinal", 8, 9]]},
    {"written": "St. John St. is near, on 2/3 of it", "labels": [["saint", 0, 2], ["fraction", 15, 18]]},
    {"written": "Dr. No", "labels": [["doctor", 0, 2]]},
]
SAMPLES = [sample | {"source": "generated"} for sample in SAMPLES]


def items(config=CONFIG):
    return [item_of(sample, config) for sample in SAMPLES]


def model_of(config=CONFIG):
    torch.manual_seed(0)
    model = TaggerModel(config).eval()
    torch.nn.init.normal_(model.output.weight)  # it is zero at first
    return model


def test_the_shipped_size_is_below_five_million():
    model = TaggerModel(TaggerConfig("en", RULES, d_llama=4096))
    assert sum(p.numel() for p in model.parameters()) < 5_000_000


@torch.no_grad()
def test_batch_equals_items():
    together = model_of().scores(collate(items(), CONFIG, None))
    alone = [model_of().scores(collate([item], CONFIG, None)) for item in items()]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


@torch.no_grad()
def test_what_lies_behind_the_right_context_does_not_leak():
    item = items()[0]
    place = item.places[0]
    changed = item_of(SAMPLES[0] | {"written": "In 1984 he got 1984 cows, wow!"}, CONFIG)
    assert changed.places[0].limit == place.limit
    one = model_of().scores(collate([item], CONFIG, None))[0]
    two = model_of().scores(collate([changed], CONFIG, None))[0]
    assert torch.allclose(one, two, atol=1e-6)
    nearer = item_of(SAMPLES[0] | {"written": "In 1984 we got 1984 votes."}, CONFIG)
    three = model_of().scores(collate([nearer], CONFIG, None))[0]
    assert not torch.allclose(one, three, atol=1e-3)


@torch.no_grad()
def test_a_new_model_chooses_as_the_rules_do():
    config = replace(CONFIG, rule_weight=1.0)
    batch = collate(items(config), config, None)
    scores = TaggerModel(config).eval().scores(batch)
    assert torch.equal(scores, batch.rule_scores)
    assert batch.rule_scores.max() > 3


def test_loss_counts_only_allowed_readings_and_falls():
    model = model_of().train()
    batch = collate(items(), CONFIG, None)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(30):
        loss, metrics = model(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 < losses[0]
    assert metrics["accuracy"] > 0.9
