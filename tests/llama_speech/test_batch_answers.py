"""Answers to many conversations equal those to each alone."""

from llama_speech.batch_answers import Answerer, answer_texts
from speech_adapter.prompts import Turn


def test_batch_equals_chat(tiny_model):
    model = tiny_model.parts.loaded
    answerer = Answerer(model.engine, model.tokenizer, model.recognizer.boundaries)
    questions = ["Hello", "What is a llama, and where?", "Yes", "One two three four five", "?"]
    turns = [[Turn("user", (question,))] for question in questions]
    for batch_size in (1, 3):
        answers = answer_texts(answerer, turns, 7, batch_size)
        for question, answer in zip(questions, answers, strict=True):
            alone = tiny_model.chat([{"role": "user", "content": question}], max_tokens=7).answer()
            assert (answer.token_ids, answer.reason) == (alone.token_ids, alone.reason)
    assert answer_texts(answerer, [], 7) == []
