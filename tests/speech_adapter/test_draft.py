"""Where a draft goes on after a correction, in words for readability."""

import pytest

from speech_adapter.draft import DraftAligner

CASES = [
    # draft, what the Llama says, what should be tried next
    ("a b c d", "", "a b c d"),
    ("a b c d", "a b", "c d"),
    ("a b c d", "a X", "b c d"),  # unlike b: taken as a missing word ...
    ("a b c d", "a X c", "d"),  # ... and found again one word later
    ("the cat sat", "the fat", "sat"),  # like cat: a misheard word
    ("a b c d e", "a c", "d e"),  # b was too much
    ("a b c d e", "a b Y c", "d e"),  # Y was missing
    ("a b c d e", "a d", "b c d e"),  # two missing words are less likely than one too many, ...
    ("a b c d e", "a d e", ""),  # ... until the next word says otherwise
    ("col our of it", "colour of", "it"),
    ("one two", "one two three", ""),
    ("", "one", ""),
    ("one", "two three four five", "one"),
]


def run(draft, said, with_text=True):
    words = sorted({*draft.split(), *said.split()})
    number = {word: index for index, word in enumerate(words)}
    aligner = DraftAligner([number[word] for word in draft.split()], words.__getitem__ if with_text else None)
    for word in said.split():
        aligner.accept(number[word])
    return " ".join(words[index] for index in aligner.rest())


@pytest.mark.parametrize(("draft", "said", "rest"), CASES)
def test_the_rest_of_the_draft(draft, said, rest):
    assert run(draft, said) == rest


def test_a_long_draft_is_followed_quickly():
    """Work for each token is bounded, however long the draft is."""
    calls = []

    def text_of(token):
        calls.append(token)
        return str(token)

    aligner = DraftAligner(range(1000), text_of)
    for token in [*range(500), 5000, *range(500, 990)]:
        aligner.accept(token)
    assert aligner.rest() == [*range(990, 1000)]
    assert len(calls) < 100 * 500  # the first half costs nothing


def test_without_text_only_ids_count():
    assert run("a b c d e", "a c", with_text=False) == "d e"
    assert run("the cat sat", "the fat sat", with_text=False) == ""


def test_it_recovers_after_any_single_mistake():
    """Whatever one token of a draft is changed to, dropped or added: two tokens later it is right again."""
    truth = [*range(20)]
    for place in range(2, 17):
        for draft in (
            [*truth[:place], 99, *truth[place + 1 :]],
            [*truth[:place], *truth[place + 1 :]],
            [*truth[:place], 99, *truth[place:]],
        ):
            aligner = DraftAligner(draft)
            for token in truth[: place + 3]:
                aligner.accept(token)
            assert aligner.rest() == truth[place + 3 :]
