"""The homograph model: features, heads, padding, and choosing."""

import pytest
import torch

from speech_core.errors import CheckpointError, ConfigError
from tests.pronunciation_parts import D_LLAMA, HOMOGRAPHS, READINGS, small_homographs
from tts_frontend.homographs import (
    HomographChooser,
    HomographsConfig,
    Surroundings,
    feature_ids,
    homographs_from_json,
    pad_features,
)


def test_readings_of_a_head_stand_together():
    config = HomographsConfig(READINGS)
    assert config.head("record") == slice(0, 2)
    assert config.head("*") == slice(2, 4)
    assert config.slots == 0
    assert HomographsConfig(READINGS, d_llama=4, tokens_after=3).slots == 5
    with pytest.raises(KeyError):
        config.head("live")


def test_features_see_the_neighbours_they_may_see():
    with_llama, without = HomographsConfig(READINGS, d_llama=4), HomographsConfig(READINGS)
    near = Surroundings("record", "", (("to", ""),), (("the", ""), ("book", ".")))
    other = near._replace(after=(("of", ""),))
    assert feature_ids(near, without) != feature_ids(other, without)
    assert feature_ids(near, with_llama) == feature_ids(other, with_llama)
    for config in (with_llama, without):
        assert feature_ids(near, config) != feature_ids(near._replace(before=(("the", ""),)), config)
        assert feature_ids(near, config) != feature_ids(near._replace(text="Record"), config)
        assert all(0 < number < config.buckets for number in feature_ids(near, config))
    assert (
        feature_ids(near, without)
        == feature_ids(
            near._replace(before=(("far", ""), ("off", ""), ("to", ""))),
            HomographsConfig(READINGS, words_before=1),
        )
        or len(near.before) == 1
    )


def test_padding_does_not_leak():
    model = small_homographs().eval()
    rows = [[3, 4, 5], [7], []]
    states, known = torch.randn(3, 4, D_LLAMA), torch.ones(3, 4, dtype=torch.bool)
    together = model(pad_features(rows), states, known)
    for number, row in enumerate(rows):
        alone = model(pad_features([row]), states[number : number + 1], known[number : number + 1])
        torch.testing.assert_close(alone[0], together[number])


def test_unknown_states_do_not_count():
    model = small_homographs().eval()
    features, states = pad_features([[3]]), torch.randn(1, 4, D_LLAMA)
    known = torch.tensor([[True, True, False, False]])
    changed = states.clone()
    changed[:, 2:] = 99.0
    assert torch.equal(model(features, states, known), model(features, changed, known))
    changed[:, 1] = 5.0
    assert not torch.equal(model(features, states, known), model(features, changed, known))


def test_a_chooser_takes_the_better_of_a_words_own_readings():
    model = small_homographs(0)
    chooser = HomographChooser(model, HOMOGRAPHS)
    with torch.no_grad():
        for number, reading in enumerate(READINGS):
            model.out.weight.zero_()
            model.out.bias.zero_()
            model.out.bias[number] = 1.0
            head, name = reading.split("/")
            text = "Record" if head == "record" else "wish"
            assert chooser.choose(Surroundings(text)) == HOMOGRAPHS[text.lower()].phones[name]


def test_readings_without_rows_are_refused():
    with pytest.raises(KeyError):
        HomographChooser(small_homographs(0), {"live": HOMOGRAPHS["record"]._replace(head="live")})


def test_list_of_homographs():
    data = {"wish": {"head": "*", "phones": {"noun": "W IH1 SH", "verb": "W IH2 SH"}}}
    assert homographs_from_json(data) == {"wish": HOMOGRAPHS["wish"]}
    for wrong in ([], {"wish": {}}, {"wish": {"head": "*", "phones": {"noun": "QQ"}}}):
        with pytest.raises(CheckpointError, match="list of homographs is damaged"):
            homographs_from_json(wrong)


def test_impossible_sizes_are_refused():
    with pytest.raises(ConfigError):
        HomographsConfig(())
