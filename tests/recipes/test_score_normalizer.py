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
