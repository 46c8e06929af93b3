"""Tables of documents from results of evaluations."""

from recipes.tables.report_tables import dialogue_table, no_speech_table, speech_table, translation_table

SCORE = {"rate": 0.5, "low": 0.25, "high": 0.75, "reference_units": 4, "signature": "wer|x"}
SHARE = {"mean": 0.5, "low": 0.0, "high": 1.0, "items": 2}
NOTHING = {"mean": None, "low": None, "high": None, "items": 0}


def test_words_where_nobody_speaks():
    found = [
        {"kind": kind, "system": system, "audio_s": 600.0, "words": words, "error": error}
        for kind, system, words, error in (
            ("silence", "ours", 0, None),
            ("silence", "peer", 3, None),
            ("music", "ours", 0, "SpeechError"),
            ("music", "peer", 0, None),
        )
    ]
    table = no_speech_table({"no_speech": found})
    assert table.header == ("audio", "ours", "peer")
    assert table.rows == (("silence", "0", "3"), ("music", "failed", "0"))
    assert "10 minutes" in table.unit


def test_translations_of_systems_that_are_not_everywhere():
    scores = {
        name: {"score": 12.34, "low": -0.1, "high": 20.0, "signature": name} for name in ("BLEU", "chrF")
    }
    systems = [{"name": "ours", "scores": scores}, {"name": "peer", "scores": scores}]
    sets = [
        {"name": "a", "source": "es", "items": [1, 2], "dropped": {"x": 2}, "systems": systems},
        {"name": "a", "source": "fr", "items": [1], "dropped": {}, "systems": systems[:1]},
    ]
    table = translation_table({"sets": sets})
    assert table.rows[0] == ("a", "es", "2", "BLEU", "12.3 [0.0, 20.0]", "12.3 [0.0, 20.0]")
    assert table.rows[1][-1] == "-"
    assert (table.items, table.left_out, table.signatures) == (3, "2 (x)", ("BLEU", "chrF"))


def test_answers_to_speech_and_to_text():
    system = {
        "name": "ours",
        "agreement": SHARE,
        "overlap": SHARE,
        "accuracy": NOTHING,
        "word_error_rate": 0.1,
    }
    one = {"name": "q", "items": [1, 2], "dropped": {}, "text_accuracy": SHARE, "systems": [system]}
    table = dialogue_table({"sets": [one], "signature": "greedy"})
    assert table.rows[0] == ("q", "2", "text", "-", "-", "50.0 [0.0, 100.0]", "-")
    assert table.rows[1] == ("q", "2", "ours", "50.0 [0.0, 100.0]", "50.0 [0.0, 100.0]", "-", "10.0")


def test_voices():
    voice = {
        "name": "ours",
        "word_errors": {"base": SCORE},
        "real_time_factor": 0.125,
        "first_s": 0.066,
        "failed": 1,
    }
    table = speech_table({"texts": ["a", "b"], "systems": [voice]})
    assert table.rows == (("ours", "50.0 [25.0, 75.0]", "0.125", "66", "1"),)
    assert table.items == 2
