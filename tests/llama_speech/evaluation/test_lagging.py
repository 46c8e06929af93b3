"""Average lagging equals SimulEval's, and moves as it should."""

import json

import pytest

from llama_speech.evaluation.lagging import Instance, average_lagging, corpus_lags, lag_of, read_instances
from llama_speech.evaluation.scores import BootstrapConfig
from speech_core.errors import InputError

# delays, elapsed, length of the source, words of the reference -> AL, LAAL, AL_CA, LAAL_CA, made by the
# scorers of SimulEval 1.1.4 (which cannot be installed beside this package: it pins an old tqdm)
SIMULEVAL = [
    ((1000, 1000, 2000, 3000, 4000), (1300, 1300, 2700, 4100, 5600), 4000, 5, (600.0, 600.0, 1150.0, 1150.0)),
    ((500, 1500, 2500), (700, 2100, 4000), 3000, 6, (1000.0, 1000.0, 5300 / 3, 5300 / 3)),
    (
        (400, 800, 1200, 1600, 2000, 2400, 2800),
        (500, 1000, 1500, 2000, 2600, 3100, 3700),
        2500,
        3,
        (-900.0, 528.5714285714286, -146.6666666666667, 805.7142857142857),
    ),
    ((3000, 3000, 3000), (3500, 3500, 3500), 3000, 3, (3000.0, 3000.0, 3500.0, 3500.0)),
    ((900, 3100), (3200, 3400), 3000, 2, (1250.0, 1250.0, 3200.0, 3200.0)),
    ((3100,), (3300,), 3000, 4, (3100.0, 3100.0, 3300.0, 3300.0)),
    ((250.5, 701.25, 701.25, 1999.0), (300.5, 1200.25, 1500.0, 2600.0), 2000.0, None,
     (163.0, 163.0, 650.1875, 650.1875)),
]  # fmt: skip
FORMS = ((False, False), (True, False), (False, True), (True, True))


@pytest.mark.parametrize(("delays", "elapsed", "source", "target", "expected"), SIMULEVAL)
def test_lags_equal_simuleval(delays, elapsed, source, target, expected):
    one = Instance("1", "", delays, elapsed, source, target)
    found = [lag_of(one, adaptive, aware) for adaptive, aware in FORMS]
    assert found == pytest.approx(expected)


def test_a_wait_k_policy_by_hand():
    """Words of 1 s, the first written after 2 of 4 (wait-2): each is two words late, tau is 3."""
    assert average_lagging([2000, 3000, 4000, 4000], 4000, 4) == pytest.approx(2000.0)


def test_writing_too_much_gains_nothing_in_the_adaptive_form():
    fair = Instance("1", "", (1000, 2000, 3000, 4000), (), 4000, 4)
    padded = Instance("2", "", tuple(range(500, 4001, 500)), (), 4000, 4)
    assert lag_of(padded, False, False) < 0 < lag_of(fair, False, False)
    assert lag_of(padded, True, False) == pytest.approx(500.0)


def test_a_corpus_is_the_mean_of_its_sentences_and_says_what_it_skipped():
    delays = [case[0] for case in SIMULEVAL]
    instances = [
        Instance(str(n), "", d, c[1], c[2], c[3])
        for n, (d, c) in enumerate(zip(delays, SIMULEVAL, strict=True))
    ]
    silent = Instance("silent", "", (), (), 1000, 3)
    lags = corpus_lags([*instances, silent], BootstrapConfig(resamples=100))
    for place, name in enumerate(("AL", "LAAL", "AL_CA", "LAAL_CA")):
        lag = lags[name]
        assert lag.mean_ms == pytest.approx(sum(case[4][place] for case in SIMULEVAL) / len(SIMULEVAL))
        assert lag.low_ms <= lag.mean_ms <= lag.high_ms
        assert (lag.sentences, lag.skipped) == (len(SIMULEVAL), 1)
    assert corpus_lags([silent], BootstrapConfig())["AL"].mean_ms is None


def test_later_words_lag_more():
    early = Instance("1", "", (1000, 2000), (1100, 2200), 3000, 2)
    late = Instance("1", "", (1500, 2500), (1900, 2900), 3000, 2)
    assert all(lag_of(early, *form) < lag_of(late, *form) for form in FORMS)


def test_a_log_of_simuleval_is_read(tmp_path):
    path = tmp_path / "instances.log"
    record = {"index": 3, "prediction": "a b", "delays": [500, 1500], "elapsed": [600, 1700]}
    record |= {"source_length": 2000, "reference": "a b c", "metric": {}}
    path.write_text(json.dumps(record) + "\n\n", encoding="utf-8")
    assert read_instances(path) == [Instance("3", "a b", (500.0, 1500.0), (600.0, 1700.0), 2000.0, 3)]


@pytest.mark.parametrize(
    "line",
    ["no json", "[]", "{}", '{"delays": [1], "source_length": 0}', '{"delays": [2, 1], "source_length": 3}'],
)
def test_what_is_no_log_is_one_clear_line(tmp_path, line):
    path = tmp_path / "instances.log"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=r"instances.log:1 is no line"):
        read_instances(path)


def test_nothing_written_has_no_lag():
    with pytest.raises(InputError, match="no lag"):
        average_lagging([], 1000, 3)
