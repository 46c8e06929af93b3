"""Templates: every context has one place for its form, and ambiguous forms have several readings."""

from recipes.data.text_templates import DOCUMENTS, GROUPS
from tts_frontend.languages import load_language


def test_every_context_has_one_place_and_every_rule_exists():
    names = load_language("en").inventory.by_name
    for group in GROUPS:
        for rule, contexts in group.readings.items():
            assert rule in names, (group.name, rule)
            for context in contexts.split(" | "):
                assert "{}" in context, (group.name, context)


def test_most_readings_belong_to_forms_with_more_than_one():
    ambiguous = [group for group in GROUPS if len(group.readings) > 1]
    assert len(ambiguous) >= 15
    assert len({group.name for group in GROUPS}) == len(GROUPS)


def test_documents_hold_what_chat_models_write():
    text = "".join(DOCUMENTS)
    for mark in ("# ", "**", "`", "```", "](", "|--", "- ", "1. ", "> ", "@", "www."):
        assert mark in text
