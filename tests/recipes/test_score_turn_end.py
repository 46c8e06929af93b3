import json

from recipes.score_turn_end import main, score, sentences
from tests.llama_speech.tiny_stack import write_bundle, write_llama


def write_set(folder, *texts):
    folder.mkdir()
    (folder / "shard-00000.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return folder


def test_only_whole_sentences_are_taken(tmp_path):
    texts = (
        "This is one whole sentence.",
        "Too short.",
        "One here. And another one there.",
        "No mark at its end",
    )
    found = list(sentences([write_set(tmp_path / "set", *texts, " ".join(["long"] * 21) + ".")]))
    assert found == [["This", "is", "one", "whole", "sentence."]]


def test_a_judge_that_knows_scores_one_and_a_blind_one_half():
    texts = [f"sentence number {n} ends here.".split() for n in range(20)]
    sharp = score(texts, lambda text: float(text.endswith(".")), seed=1)
    assert sharp["area_under_curve"] == 1.0
    assert (sharp["whole_taken_for_finished"]["0.5"], sharp["begun_taken_for_finished"]["0.5"]) == (1.0, 0.0)
    assert score(texts, lambda text: 0.5, seed=1)["area_under_curve"] == 0.5


def test_the_command_prints_one_object(tmp_path, capsys):
    llama = write_llama(tmp_path / "llama")
    bundle = write_bundle(tmp_path / "bundle", llama)
    folder = write_set(tmp_path / "set", "This is one whole sentence.", "And here is one more of them.")
    assert main([str(folder), "--model", str(bundle), "--llama", str(llama)]) == 0
    assert json.loads(capsys.readouterr().out)["sentences"] == 2


def test_sets_without_sentences_fail(tmp_path, capsys):
    assert main([str(write_set(tmp_path / "set", "Short."))]) == 1
    assert "no sentence" in capsys.readouterr().err
