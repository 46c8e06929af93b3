"""Prompts to speak: which are kept, with what."""

import gzip

import pytest

from recipes.data.held_out import HeldOutTexts
from recipes.data.prompts import read_prompts, why_not


@pytest.fixture
def text_dir(tmp_path):
    folder = tmp_path / "dialogue"
    folder.mkdir()
    trivia = [
        "train\tWho wrote Hamlet?\tShakespeare ||| William Shakespeare\topentriviaqa\tarts",
        "train\tWhat is 2 + 2?\t4\topentriviaqa\tmaths",
        "train\tWhat is the longest river of all?\tNile\tnq-open-dev\t",
        "dev\tWho painted it?\tMonet\twebquestions\t",
    ]
    requests = ["train\tset an alarm\talarm_set\tslurp", "dev\tplay music\tplay\tclinc150"]
    for name, lines in (("trivia", trivia), ("requests", requests)):
        with gzip.open(folder / f"{name}.tsv.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    return tmp_path


def test_prompts_of_a_part(text_dir):
    held_out = HeldOutTexts(["What is the longest river of all?"])
    found = list(read_prompts(text_dir, "train", held_out))
    assert [prompt.text for prompt in found] == ["Who wrote Hamlet?", "set an alarm"]
    assert found[0].answers == ("Shakespeare", "William Shakespeare")
    assert (found[0].licence, found[1].licence) == ("CC BY-SA 4.0", "CC BY 4.0")
    assert found[1].answers == ()
    assert len({prompt.id for prompt in found}) == 2
    assert [prompt.text for prompt in read_prompts(text_dir, "dev", None)] == [
        "Who painted it?",
        "play music",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Where is the café?", None),
        ("it's ten-thirty, isn't it", None),
        ("What is 2 plus 2", "digits or signs"),
        ("email a@b", "digits or signs"),
        ("  ", "empty"),
        ("word " * 19, "over 18 words"),
    ],
)
def test_what_is_spoken(text, reason):
    assert why_not(text) == reason
