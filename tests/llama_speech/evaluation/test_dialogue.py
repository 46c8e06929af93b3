"""Answers to speech beside answers to text: scores by hand, and with a tiny stack of the real parts."""

import pytest
import torch

from llama_speech.batch_answers import Answerer
from llama_speech.evaluation.datasets import EvalItem, EvalSet
from llama_speech.evaluation.dialogue import (
    DialogueConfig,
    Heard,
    evaluate_dialogue,
    holds_answer,
    share,
    to_markdown,
    word_overlap,
)
from llama_speech.evaluation.scores import BootstrapConfig
from speech_adapter.prompts import Speech
from speech_core.errors import InputError

CONFIG = DialogueConfig(max_tokens=8, bootstrap=BootstrapConfig(resamples=50))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("The cat sat.", "the cat sat", 1.0),
        ("a b c d", "a b x y", 0.5),
        ("a a b", "a b b", 2 / 3),
        ("", "", 1.0),
        ("", "a", 0.0),
    ],
)
def test_word_overlap(one, other, expected):
    assert word_overlap(one, other) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "accepted", "right"),
    [
        ("The capital of France is Paris.", ["paris"], True),
        ("It is in Parishville.", ["Paris"], False),
        ("Charles Fleischer did.", ["Mel Blanc", "Charles Fleischer"], True),
        ("Fleischer, Charles", ["Charles Fleischer"], False),
        ("", ["x"], False),
        ("anything", ["..."], False),
    ],
)
def test_an_answer_is_right_when_its_words_hold_an_accepted_one(text, accepted, right):
    assert holds_answer(text, accepted) is right


def test_shares_have_intervals():
    found = share([1.0, 0.0] * 50, BootstrapConfig(resamples=500))
    assert found.mean == 0.5
    assert found.low == pytest.approx(0.4, abs=0.03)
    assert found.high == pytest.approx(0.6, abs=0.03)
    assert share([], BootstrapConfig()).mean is None


class Reader:
    """Hears every question as other words."""

    def __init__(self, name, hear):
        self.name, self.hear = name, hear

    def signature(self):
        return self.name

    def listen(self, items):
        return [self.hear(item) for item in items]


@pytest.fixture
def answerer(tiny_model):
    model = tiny_model.parts.loaded
    return Answerer(model.engine, model.tokenizer, model.recognizer.boundaries)


@pytest.fixture
def questions(tmp_path):
    (tmp_path / "dev.jsonl").write_text("{}")
    context = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    items = (  # what the recipes write stands in `extra`
        EvalItem("a", tmp_path / "a.wav", "What is it?", "en", None, 1.0, {"answers": ["zebra"]}),
        EvalItem("b", tmp_path / "b.wav", "Set an alarm", "en", None, 1.0, {"extra": {"context": context}}),
    )
    return EvalSet("questions", tmp_path / "dev.jsonl", "0" * 64, items, {"no reference text": 1})


def test_perfect_hearing_agrees_and_bad_hearing_does_not(answerer, questions):
    perfect = Reader("perfect", lambda item: Heard((item.text,), item.text))
    # text as embeddings is what ideal speech would be; the boundaries around it make the difference
    spoken = Reader("spoken", lambda item: Heard((Speech(torch.ones(2, answerer.engine.d_model)),)))
    deaf = Reader("deaf", lambda item: Heard((), error="nothing was heard"))
    result = evaluate_dialogue([questions], answerer, [perfect, spoken, deaf], CONFIG)
    scores = {system.name: system for system in result.sets[0].systems}
    assert scores["perfect"].agreement.mean == scores["perfect"].overlap.mean == 1.0
    assert scores["perfect"].word_error_rate == 0.0
    assert scores["spoken"].agreement.mean < 1.0
    assert scores["spoken"].word_error_rate is None
    assert (scores["deaf"].failed, scores["deaf"].overlap.mean) == (2, 0.0)
    assert scores["deaf"].accuracy.items == 1  # only one question has accepted answers
    assert result.sets[0].items[1].right["text"] is None
    report = to_markdown(result)
    assert "1 items left out (1 no reference text)" in report
    assert "| questions | 2 | perfect | 100.0 [100.0, 100.0]" in report


def test_turns_before_the_question_count(answerer, questions):
    """The same question after other turns is another conversation."""
    perfect = Reader("perfect", lambda item: Heard((item.text,), item.text))
    with_context = evaluate_dialogue([questions], answerer, [perfect], CONFIG).sets[0].items[1]
    for item in questions.items:
        item.more.pop("extra", None)
    alone = evaluate_dialogue([questions], answerer, [perfect], CONFIG).sets[0].items[1]
    assert with_context.answers["text"] != alone.answers["text"]


def test_nothing_to_score_is_refused(answerer):
    with pytest.raises(InputError, match="nothing to score"):
        evaluate_dialogue([], answerer, [], CONFIG)
