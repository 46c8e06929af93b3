"""The scoring recipe end to end on a small folder."""

import gzip
import json

from recipes import score_normalizer


def test_the_recipe_prints_a_row_and_json(tmp_path, capsys):
    folder = tmp_path / "ljspeech_tn"
    folder.mkdir()
    (folder / "dev.tsv.gz").write_bytes(gzip.compress(b"in 1984\tin nineteen eighty four\tid\nno\tyes\tid\n"))
    wrong = tmp_path / "wrong.tsv"
    argv = ["--data", str(tmp_path), "--sets", "ljspeech_tn", "--errors", str(wrong), "--lookahead", "3"]
    score_normalizer.main(argv)
    lines = capsys.readouterr().out.strip().splitlines()
    report = json.loads(lines[-1])
    assert report["accuracy"]["ljspeech_tn"]["L3"] == 50
    assert "96.2" in lines[1]  # the peer's figure stands beside ours
    assert wrong.read_text().startswith("ljspeech_tn\t\tno\tno\tyes")


def test_a_tagger_chooses_where_one_is_named(tmp_path, capsys):
    import torch

    from speech_core.checkpoint import save_component
    from tts_frontend.config import TaggerConfig
    from tts_frontend.languages import load_language
    from tts_frontend.tagger_model import TaggerModel

    folder = tmp_path / "ljspeech_tn"
    folder.mkdir()
    (folder / "dev.tsv.gz").write_bytes(gzip.compress(b"in 1984\tin nineteen eighty four\tid\n"))
    rules = tuple(rule.name for rule in load_language("en").inventory.rules)
    config = TaggerConfig("en", rules, num_rows=256, d_token=8, d_hidden=8, d_query=8, num_heads=2)
    model = TaggerModel(config)
    with torch.no_grad():
        model.output.bias[rules.index("cardinal")] = 50
    save_component(tmp_path / "tagger", model, config, {})
    argv = ["--data", str(tmp_path), "--sets", "ljspeech_tn", "--tagger", str(tmp_path / "tagger")]
    found = []
    for weight in ("0", "1000"):
        score_normalizer.main([*argv, "--rule-weight", weight])
        found.append(json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"]["ljspeech_tn"]["L3"])
    assert found == [0, 100]
