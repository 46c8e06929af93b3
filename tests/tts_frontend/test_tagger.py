"""The tagger at work: equal to the trained module, to itself under any chunking, blind to what comes later,
and never able to lose anything of the text.
"""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.batches.normalizer_places import collate, item_of
from speech_core.checkpoint import save_component
from speech_core.errors import CheckpointError
from speech_core.events import TokenEvent
from tests.streaming_checks import chunkings, split
from tests.tts_frontend.reading import normalize
from tts_frontend.config import NormalizerConfig, TaggerConfig
from tts_frontend.languages import load_language
from tts_frontend.normalizer import TextNormalizer, tagged_rules
from tts_frontend.normalizer_rules import spoken_text
from tts_frontend.tagger import Tagger
from tts_frontend.tagger_model import TaggerBatch, TaggerModel
from tts_frontend.text_tokens import cut

ENGLISH = load_language("en")
RULES = tuple(rule.name for rule in ENGLISH.inventory.rules)
TINY = {"num_rows": 256, "d_token": 16, "d_hidden": 16, "d_query": 16, "num_heads": 2}
WITH_LLAMA = TaggerConfig("en", RULES, d_llama=12, llama_tokens=8, **TINY)
CONFIG = TaggerConfig("en", RULES, **TINY)
TEXT = "In 1984 he got 1984 votes (3-2). St. John St. No. 5, 2/3 cup on 2/3; $5.20 at 10:30 p.m.\n## **4** km"


def trained(config, seed=0):
    """A module with random weights, and some variance in all of them."""
    torch.manual_seed(seed)
    model = TaggerModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
        if model.attention is not None:
            model.attention.mean.normal_()
            model.attention.scale.uniform_(0.5, 2)
    return model


def tagger_of(model):
    return Tagger(model.config, {name: value.numpy() for name, value in model.state_dict().items()})


def events_of(text, width=12, fewest=0):
    """Tokens of up to four characters, by default some without any, with random states."""
    draw = np.random.default_rng(1)
    sizes = draw.integers(fewest, 5, len(text) + 1)
    ends = np.minimum(np.cumsum(sizes), len(text))
    ends[-1] = len(text)
    return [
        TokenEvent(n, text[start:end], torch.from_numpy(draw.normal(size=width).astype(np.float32)))
        for n, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
    ]


def run(tagger, events, sizes, lookahead=3):
    stream = TextNormalizer(NormalizerConfig(lookahead_tokens=lookahead), tagger)
    groups = [group for part in split(events, sizes) for group in stream.push(part)]
    return [(group.words, group.token_ids) for group in groups + stream.flush()]


@torch.no_grad()
@pytest.mark.parametrize("config", [CONFIG, WITH_LLAMA], ids=["alone", "llama"])
def test_the_stream_equals_the_module(config):
    """Log-probabilities at every place, with states that end before the right context does."""
    model = trained(config)
    tagger = tagger_of(model)
    rules, tagging = tagged_rules(NormalizerConfig(lookahead_tokens=3, verify=False), tagger)
    found = {}
    original = tagging.log_probs

    def spy(view, readings):
        scores = original(view, readings)
        found[view.start + view.offset] = dict(zip([r.rule for r in readings], scores, strict=True))
        return scores

    tagging.log_probs = spy
    events, end, pieces = [e for e in events_of(TEXT, fewest=1) if e.text], 0, []
    for event in events:
        end += len(event.text)
        tagging.add_state(end, event.embedding)
        pieces += rules.push(event.text)
    pieces += rules.flush()
    starts = {token.start: n for n, token in enumerate(cut(TEXT))}
    labels = [(piece.rule, starts[piece.start], 0) for piece in pieces]
    item = item_of({"written": TEXT, "labels": labels, "source": "generated"}, config)
    batch = collate([item], config, None)
    if config.d_llama:
        batch = with_states(batch, item, events, config)
    scores = model.scores(batch)
    assert len(item.places) > 10
    for place, row in zip(item.places, scores, strict=True):
        own = row[list(place.rules)].log_softmax(0)
        start = item.tokens[place.token].start
        names = [RULES[rule] for rule in place.rules]
        expected = [found[start][name] for name in names]
        assert np.allclose(own.numpy(), expected, atol=2e-4)


def with_states(batch, item, events, config):
    ends = np.cumsum([len(event.text) for event in events])
    visible = torch.zeros(len(item.places), len(events), dtype=torch.bool)
    for row, place in enumerate(item.places):
        count = int((ends <= place.limit).sum())
        visible[row, max(0, count - config.llama_tokens) : count] = True
    states = torch.stack([event.embedding for event in events])[None]
    return TaggerBatch(**{**batch._asdict(), "states": states, "visible": visible})


@pytest.mark.parametrize("seed", range(3))
def test_streaming_equals_whole_under_any_chunking(seed):
    tagger, events = tagger_of(trained(WITH_LLAMA, seed)), events_of(TEXT)
    expected = run(tagger, events, [len(events)])
    for sizes in chunkings(len(events), seed, 12):
        assert run(tagger, events, sizes) == expected


def test_states_and_text_behind_the_right_context_change_nothing_before():
    tagger = tagger_of(trained(WITH_LLAMA))
    events = events_of(TEXT)
    poisoned = [
        event if n < 30 else TokenEvent(event.token_id, event.text.upper(), event.embedding * -50)
        for n, event in enumerate(events)
    ]
    cut_at = sum(len(event.text) for event in events[:30])
    one, two = (run(tagger, some, [len(some)]) for some in (events, poisoned))
    said = [[g for g in groups if g[0] and g[0][-1].end < cut_at - 16] for groups in (one, two)]
    assert said[0] == said[1]
    assert len(said[0]) > 5


@given(st.text(st.sampled_from("0123456789.,:/-$%#* \nIVXampkSt'"), max_size=40), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_nothing_is_lost_whatever_the_weights_say(text, seed):
    """Random weights choose at random among the readings: no digit is left, everything is covered."""
    rules, _ = tagged_rules(NormalizerConfig(lookahead_tokens=3), tagger_of(trained(CONFIG, seed)))
    pieces = rules.push(text) + rules.flush()
    assert [p.start for p in pieces] == [0, *[p.end for p in pieces]][: len(pieces)]
    assert (pieces[-1].end if pieces else 0) == len(text)
    for piece in pieces:
        written = text[piece.start : piece.end]
        rule = ENGLISH.inventory.by_name.get(piece.rule)
        if rule and rule.checked and piece.rule != "keep":
            assert ENGLISH.problems(written, piece.text) == []


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_saved_equals_loaded(tmp_path, storage):
    model = trained(WITH_LLAMA)
    save_component(tmp_path, model, model.config, {}, storage)
    loaded = Tagger.load(tmp_path)
    assert loaded.config == WITH_LLAMA
    own = tagger_of(model)
    tolerance = {"float32": 0, "float16": 2e-3, "int8": 2e-2}[storage]
    for name, value in own.weights.items():
        assert np.allclose(loaded.weights[name], value, atol=tolerance)
    if storage == "float32":
        events = events_of(TEXT)
        assert run(loaded, events, [len(events)]) == run(own, events, [len(events)])


def test_a_folder_without_a_tagger_is_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="no tagger"):
        Tagger.load(tmp_path)


def test_rule_weight_decides_between_tagger_and_rules():
    config = TaggerConfig("en", RULES, rule_weight=1000.0, **TINY)
    rules, _ = tagged_rules(NormalizerConfig(), tagger_of(trained(config)))
    plain, _ = tagged_rules(NormalizerConfig(), None)
    assert rules.push(TEXT) + rules.flush() == plain.push(TEXT) + plain.flush()
    other, _ = tagged_rules(NormalizerConfig(), tagger_of(trained(CONFIG)))
    assert spoken_text(other.push(TEXT) + other.flush()) != normalize(TEXT)


def test_states_of_any_type_are_taken_and_those_of_another_llama_left_out(caplog):
    tagger = tagger_of(trained(WITH_LLAMA))
    events = events_of(TEXT)
    half = [replace(event, embedding=event.embedding.bfloat16()) for event in events]
    assert len(run(tagger, half, [len(half)])) > 5
    other = [replace(event, embedding=torch.zeros(7)) for event in events]
    without = [replace(event, embedding=None) for event in events]
    assert run(tagger, other, [len(other)]) == run(tagger, without, [len(without)])
    assert len(caplog.records) == 1


def test_hostile_input_takes_time_in_proportion():
    tagger, start = tagger_of(trained(CONFIG)), time.process_time()
    for text in ("7" * 8_000, "1.2" * 300, "$" * 500, "I. " * 200):
        rules, _ = tagged_rules(NormalizerConfig(lookahead_tokens=3), tagger)
        pieces = rules.push(text) + rules.flush()
        assert pieces[-1].end == len(text)
    assert time.process_time() - start < 20
