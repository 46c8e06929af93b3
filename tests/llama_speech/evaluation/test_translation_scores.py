"""BLEU and chrF: sacrebleu's own figures, signatures, and the way bad translations move them."""

import pytest
import sacrebleu

from llama_speech.evaluation.scores import BootstrapConfig
from llama_speech.evaluation.translation_scores import (
    bleu_tokenizer,
    compare_translations,
    score_translations,
    sentence_chrf,
)
from speech_core.errors import InputError

REFERENCES = ["The cat sits on the mat.", "Where is the nearest station?", "It was raining all day long."]
GOOD = ["The cat sits on a mat.", "Where is the nearest station?", "It rained all day long."]
BAD = ["A dog.", "Where are you?", "It was."]
CONFIG = BootstrapConfig(resamples=100)


def test_scores_are_sacrebleus():
    scores = score_translations(REFERENCES, GOOD, "en", CONFIG)
    assert scores["BLEU"].score == pytest.approx(sacrebleu.corpus_bleu(GOOD, [REFERENCES]).score)
    assert scores["chrF"].score == pytest.approx(sacrebleu.corpus_chrf(GOOD, [REFERENCES]).score)
    assert scores["BLEU"].low <= scores["BLEU"].score + 15
    assert scores["BLEU"].low < scores["BLEU"].high
    assert "tok:13a" in scores["BLEU"].signature
    assert "ci:bootstrap-item-100-0.95|seed:0" in scores["BLEU"].signature
    assert sentence_chrf(REFERENCES[1], GOOD[1]) == pytest.approx(100)


def test_worse_is_lower_and_the_same_is_a_hundred():
    good, bad = (score_translations(REFERENCES, texts, "en", CONFIG) for texts in (GOOD, BAD))
    for metric in ("BLEU", "chrF"):
        assert bad[metric].score < good[metric].score
    assert score_translations(REFERENCES, REFERENCES, "en", CONFIG)["BLEU"].score == pytest.approx(100)


def test_languages_without_spaces_are_cut_into_characters():
    assert [bleu_tokenizer(code) for code in ("de", "zh", "ja", "th")] == ["13a", "char", "char", "char"]
    score = score_translations(["今天下雨了。"], ["今天下雪了。"], "zh", CONFIG)["BLEU"]
    assert score.score > 20
    assert "tok:char" in score.signature


def test_comparisons_say_who_is_better():
    found = compare_translations(REFERENCES * 5, {"good": GOOD * 5, "bad": BAD * 5}, "en", CONFIG)
    assert [one.metric for one in found["bad"]] == ["BLEU", "chrF"]
    assert all(one.delta > 0 and one.p_value < 0.05 for one in found["bad"])
    assert compare_translations(REFERENCES, {"good": GOOD}, "en", CONFIG) == {}
    same = compare_translations(REFERENCES, {"good": GOOD, "twin": GOOD}, "en", CONFIG)["twin"]
    assert [(one.delta, one.p_value) for one in same] == [(0.0, 1.0)] * 2


def test_lists_that_do_not_fit_are_refused():
    for references, hypotheses in (([], []), (["a"], [])):
        with pytest.raises(InputError, match="pair them by id"):
            score_translations(references, hypotheses, "en", CONFIG)
