"""Tokens to phones as a stream: the same under any chunking, waiting only where it must, nothing lost."""

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_core.errors import InputError, StreamClosedError
from speech_core.events import PhoneGroup
from tests.pronunciation_parts import D_LLAMA, small_pronouncer, token_events
from tests.streaming_checks import chunkings, split
from tts_frontend.frontend import FrontendStream, phones_of
from tts_frontend.languages.en.phones import PHONE_IDS

TEXT = "They stop -- the record; the end? 5 dogs record\nthe polish record the apple. Wish 日本 they'd end"


def by_tokens(text: str, with_states: bool = True) -> list[PhoneGroup]:
    stream = FrontendStream(small_pronouncer())
    return stream.push(token_events(text, with_states)) + stream.flush()


def symbols(groups: list[PhoneGroup]) -> str:
    return " ".join(phone.symbol for group in groups for phone in group.phones)


def same(left: PhoneGroup, right: PhoneGroup) -> bool:
    """Equal records; embeddings compared by value."""
    if left.embeddings is None or right.embeddings is None:
        equal = left.embeddings is right.embeddings
    else:
        equal = torch.equal(left.embeddings, right.embeddings)
    return bool(equal) and all(
        getattr(left, name) == getattr(right, name) for name in ("phones", "words", "token_ids")
    )


@pytest.mark.parametrize("with_states", [True, False])
def test_streaming_equals_offline(with_states):
    pronouncer, events = small_pronouncer(), token_events(TEXT, with_states)
    offline = by_tokens(TEXT, with_states)
    for sizes in chunkings(len(events), random_splits=15):
        stream = FrontendStream(pronouncer)
        groups = [group for part in split(events, sizes) for group in stream.push(part)] + stream.flush()
        assert len(groups) == len(offline)
        assert all(same(one, other) for one, other in zip(groups, offline, strict=True))


def test_streaming_text_equals_offline():
    pronouncer = small_pronouncer()
    offline = phones_of(TEXT, pronouncer)
    for sizes in chunkings(len(TEXT), random_splits=15):
        stream = FrontendStream(pronouncer)
        groups = [group for part in split(TEXT, sizes) for group in stream.push_text(part)] + stream.flush()
        assert groups == offline


def test_one_token_equals_a_list_of_one():
    stream, other = FrontendStream(small_pronouncer()), FrontendStream(small_pronouncer())
    for event in token_events("the dog, they stop"):
        assert [group.phones for group in stream.push(event)] == [g.phones for g in other.push([event])]


def test_all_tokens_and_embeddings_travel_in_order():
    events, groups = token_events(TEXT), by_tokens(TEXT)
    assert [number for group in groups for number in group.token_ids] == [event.token_id for event in events]
    rows = torch.cat([group.embeddings for group in groups if group.embeddings is not None])
    assert torch.equal(rows, torch.stack([event.embedding for event in events]))


def test_words_are_counted_and_phones_know_their_place():
    groups = by_tokens(TEXT)
    words = [word.text for group in groups for word in group.words]
    expected = (
        "They stop the record the end five dogs record the polish record the apple Wish 日本 they'd end"
    )
    assert words == expected.split(" ")
    spoken: dict[int, list] = {}
    for phone in (phone for group in groups for phone in group.phones if phone.symbol != "SIL"):
        spoken.setdefault(phone.word, []).append(phone)
    assert set(spoken) == set(range(len(words))) - {words.index("日本")}
    for number, phones in spoken.items():
        assert [phone.place for phone in phones] == list(range(len(phones)))
        assert [phone.remaining for phone in phones] == list(range(len(phones)))[::-1]
        mark = next(
            word for group in groups for word in group.words if word.text == words[number]
        ).punctuation
        assert len({phone.punctuation for phone in phones}) == 1
        assert mark in ("", phones[0].punctuation) or words.count(words[number]) > 1


def test_pauses_carry_their_mark_and_never_follow_each_other():
    pauses = [phone for group in by_tokens(TEXT) for phone in group.phones if phone.symbol == "SIL"]
    assert [phone.punctuation for phone in pauses] == ["-", ";", "?", ",", "."]
    assert all((phone.word, phone.place) == (-1, 0) for phone in pauses)
    assert symbols(phones_of("... , 日本. dog... !? -- end", small_pronouncer())) == "D AO1 G SIL EH1 N D"


@pytest.mark.parametrize("text", ["", " ", "...", "\n\n", "日本語", "!?"])
def test_nothing_to_say(text):
    assert symbols(phones_of(text, small_pronouncer())) == ""
    assert symbols(by_tokens(text)) == ""


def test_a_word_waits_for_what_decides_it_and_no_longer():
    stream = FrontendStream(small_pronouncer())  # a word ends when the next begins: a mark may follow
    assert symbols(stream.push_text("They stop the d")) == "DH EY2 S T AA1 P"
    assert symbols(stream.push_text("og r")) == "DH AH0 D AO1 G"
    assert symbols(stream.push_text("ecord and e")) == ""
    assert symbols(stream.push_text("nd a")).endswith("AE0 N D EH1 N D")


def test_a_homograph_sees_its_lookahead_and_not_more():
    events = token_events("they end the record dog dog dog dog dog dog")
    place = [event.text for event in events].index(" record")
    seen = FrontendStream(small_pronouncer())
    assert " K " not in symbols([group for event in events[: place + 2] for group in seen.push(event)])
    assert " K " in symbols(seen.push(events[place + 2]))
    readings = set()
    torch.manual_seed(0)
    for changed, value in itertools.product((place, place + 2, place + 3), torch.randn(12, D_LLAMA) * 9):
        poisoned = list(events)
        poisoned[changed] = replace(events[changed], embedding=value)
        readings.add((changed, symbols(FrontendStream(small_pronouncer()).push(poisoned))))
    assert len([one for one in readings if one[0] == place + 3]) == 1
    assert len([one for one in readings if one[0] == place]) == 2


def test_another_llama_is_no_error():
    """States of a width the homograph model does not know: the words around decide."""
    text = "they end the record dog dog dog dog"
    events = [replace(event, embedding=torch.ones(D_LLAMA + 3)) for event in token_events(text)]
    stream = FrontendStream(small_pronouncer())
    assert symbols(stream.push(events) + stream.flush()) == symbols(by_tokens(text, with_states=False))


def test_closed_after_flush():
    stream = FrontendStream(small_pronouncer())
    assert stream.push([]) == []
    assert stream.push_text("") == []
    stream.push_text("the")
    assert symbols(stream.flush()) == "DH AH0"
    assert stream.flush() == []
    for push, item in ((stream.push, token_events("a")), (stream.push_text, "a"), (stream.push, [])):
        with pytest.raises(StreamClosedError):
            push(item)


def test_tokens_and_text_are_not_mixed():
    stream = FrontendStream(small_pronouncer())
    stream.push(token_events("the"))
    with pytest.raises(InputError, match="mixed"):
        stream.push_text("dog")


def test_state_is_bounded():
    stream = FrontendStream(small_pronouncer())
    sizes = []
    for _ in range(40):
        stream.push(token_events("the record is open, they stop. 日本 1999 dogs "))
        sizes.append((len(stream._pending), len(stream._tokens._tokens), len(stream._before)))
    assert max(size[0] for size in sizes) <= 16
    assert max(size[1] for size in sizes) <= 64
    assert sizes[-1] == sizes[-2]


@settings(max_examples=25)
@given(st.text(max_size=40))
def test_any_text_gives_phones_of_the_inventory(text):
    groups = phones_of(text, small_pronouncer())
    assert all(phone.symbol in PHONE_IDS for group in groups for phone in group.phones)
    assert symbols(by_tokens(text)) == symbols(by_tokens(text, with_states=True))
