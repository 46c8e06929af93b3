"""Texts as CTC classes: any text goes there and back, also when the head lacks its tokens."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from recipes.losses.ctc_targets import (
    CtcTargets,
    choose_pieces,
    choose_vocabulary,
    load_targets,
    save_targets,
    train_small_units,
)
from speech_core.errors import CheckpointError, InputError

CORPUS = [
    "The quick brown fox jumps over the lazy dog.",
    "A bad cab, a dead end; feed the bed!",
    "Größe: 15 Äpfel für 3,50 €, naïve café?",
    "Pack my box with five dozen liquor jugs.",
]
ALPHABET = sorted({letter for text in CORPUS for letter in text})


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Byte-level pieces as a Llama's, learned from the corpus, with control tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def targets(tokenizer) -> CtcTargets:
    return CtcTargets(tokenizer, choose_vocabulary(tokenizer, CORPUS, 80))


def back(targets: CtcTargets, classes: list[int]) -> str:
    return targets.tokenizer.decode([targets.token_ids[number - 1] for number in classes])


def test_pieces_are_early_merges_that_come_often_enough_and_all_characters(tokenizer):
    few, many = choose_pieces(tokenizer, CORPUS, 10, 1), choose_pieces(tokenizer, CORPUS, 40, 1)
    assert len(few) < len(many)
    assert max(len(tokenizer.id_to_token(token)) for token in few) < max(
        len(tokenizer.id_to_token(token)) for token in many
    )
    often = CtcTargets(tokenizer, choose_pieces(tokenizer, CORPUS, 40, 3))
    assert len(often.token_ids) < len(many)
    for text in CORPUS:
        assert back(often, often(text)) == text


def test_pieces_need_text_and_merges(tokenizer):
    with pytest.raises(InputError, match="no texts"):
        choose_pieces(tokenizer, [], 10, 1)
    words = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(InputError, match="no merges"):
        choose_pieces(words, CORPUS, 10, 1)


def test_the_vocabulary_has_all_characters_and_the_most_frequent_tokens(tokenizer):
    chosen = choose_vocabulary(tokenizer, CORPUS, 70)
    assert len(chosen) == 70
    assert chosen == sorted(set(chosen))
    characters = {character for text in CORPUS for character in "".join(tokenizer.encode(text).tokens)}
    assert {tokenizer.token_to_id(character) for character in characters} <= set(chosen)
    counts: dict[int, int] = {}
    for text in CORPUS:
        for token in tokenizer.encode(text).ids:
            counts[token] = counts.get(token, 0) + 1
    left_out = max((counts[token] for token in counts if token not in chosen), default=0)
    single = {tokenizer.token_to_id(character) for character in characters}
    assert all(counts[token] >= left_out for token in chosen if token not in single)


def test_characters_come_even_when_there_is_room_for_fewer(tokenizer):
    chosen = choose_vocabulary(tokenizer, CORPUS, 3)
    targets = CtcTargets(tokenizer, chosen)
    assert [back(targets, targets(text)) for text in CORPUS] == CORPUS


def test_there_must_be_text(tokenizer):
    with pytest.raises(InputError, match="no texts"):
        choose_vocabulary(tokenizer, [], 10)


@given(st.text(st.sampled_from(ALPHABET), max_size=40))
def test_any_text_of_the_alphabet_goes_there_and_back(tokenizer, targets, text):
    classes = targets(text)
    assert all(1 <= number <= len(targets.token_ids) for number in classes)
    assert back(targets, classes) == " ".join(text.split())


def test_known_tokens_are_whole_and_unknown_ones_the_longest_known_pieces(tokenizer, targets):
    known = [token for token in tokenizer.encode("The quick brown fox").ids if token in targets.classes]
    assert known
    assert all(targets._of_token(token) == [targets.classes[token]] for token in known)
    texts = {str(tokenizer.id_to_token(token)): token for token in range(tokenizer.get_vocab_size())}
    pairs = [(a, b) for a in texts for b in texts if len(a) > 1 and b.startswith(a) and b != a]
    assert len(pairs) > 20
    letters = [token for text, token in texts.items() if len(text) == 1]
    for short, long in pairs:
        written = CtcTargets(tokenizer, sorted([*letters, texts[short]]))._of_token(texts[long])
        pieces = [str(tokenizer.id_to_token(sorted([*letters, texts[short]])[n - 1])) for n in written]
        assert "".join(pieces) == long
        assert pieces[0] == short


def test_letters_the_head_has_never_seen_are_left_out(targets):
    assert back(targets, targets("bad Ωcab Ω end")) == "bad cab end"  # one byte of Ω is known from é
    assert targets("") == targets("  \n ") == []


def test_control_tokens_never_become_targets(targets):
    assert not {0, 1} & {targets.token_ids[number - 1] for number in targets("A bad cab, a dead end")}


def test_counts_are_those_of_the_classes(targets):
    counts = targets.count(CORPUS)
    assert counts.dtype == torch.int64
    numbers = [number for text in CORPUS for number in targets(text)]
    assert counts.tolist() == [numbers.count(number) for number in range(1, len(targets.token_ids) + 1)]


def test_small_units_spell_lower_case_letters_and_apostrophes():
    units = train_small_units([*CORPUS, "It's Ann’s, isn't it?"], 60)
    assert units.get_vocab_size() <= 60
    assert units.id_to_token(0) == "<blank>"
    ids = units.encode("It’s BAD -- isn't it?!").ids
    assert 0 not in ids
    pieces = [str(units.id_to_token(number)) for number in ids]
    assert "".join(pieces).replace("▁", " ").strip() == "it's bad isn't it"
    assert units.encode("... !").ids in ([], units.encode(" ").ids)


def test_classes_of_a_run_are_kept(tokenizer, tmp_path):
    units = train_small_units(CORPUS, 60)
    save_targets(tmp_path / "targets.json", [3, 5, 8], units)
    token_ids, loaded = load_targets(tmp_path / "targets.json")
    assert token_ids == [3, 5, 8]
    assert loaded.encode(CORPUS[2]).ids == units.encode(CORPUS[2]).ids
    (tmp_path / "targets.json").write_text("{")
    with pytest.raises(CheckpointError):
        load_targets(tmp_path / "targets.json")
