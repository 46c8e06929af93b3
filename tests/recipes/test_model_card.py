"""The card says what was measured and how the weights were made, and nothing that was not done."""

from recipes.model_card import ModelCard, render

STAGE = {"method": "CTC", "audio_hours": 12.25, "step": 700, "train_hours": 0.5}
SCORE = {
    "data": "librispeech",
    "system": "ours",
    "rate": 0.5,
    "low": 0.4,
    "high": 0.625,
    "signature": "wer|x",
}


def card(**changes) -> ModelCard:
    values = {"name": "default", "parameters": 21_000_000, "storage": "int8", "training": STAGE}
    return ModelCard(**{**values, "pretraining": None, "scores": (), **changes})


def test_scores_become_a_table_with_intervals() -> None:
    other = {**SCORE, "system": "peer", "rate": 0.1, "low": 0.05, "high": 0.15}
    text = render(card(scores=(SCORE, other)))
    assert "| set | ours | peer |" in text
    assert "| librispeech | 50.0 [40.0, 62.5] | 10.0 [5.0, 15.0] |" in text
    assert "wer|x" in text


def test_unmeasured_weights_say_so() -> None:
    assert "Not measured yet" in render(card())


def test_every_stage_has_its_row() -> None:
    text = render(
        card(
            training={**STAGE, "method": "Llama", "earlier": [STAGE]},
            pretraining={**STAGE, "method": "BEST-RQ"},
        )
    )
    rows = [line for line in text.splitlines() if line.endswith("| 12.2 | 700 | 0.5 |")]
    assert [row.split("|")[1].strip() for row in rows] == ["BEST-RQ", "CTC", "Llama"]


def test_pretraining_is_claimed_only_where_it_was_done() -> None:
    assert "not pre-trained" in render(card())
    assert "not pre-trained" not in render(card(pretraining=STAGE))
