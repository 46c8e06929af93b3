"""The recognition results of the paper (arXiv 2407.21783, table 31), beside sets that match."""

from collections.abc import Mapping, Sequence
from typing import Any

CHARACTER_LANGUAGES = ("zh", "ja", "ko", "th")  # error rates of the paper count characters there
SYSTEMS = ("Llama 3 8B", "Llama 3 70B", "Whisper", "SeamlessM4T v2", "Gemini 1.0 Ultra", "Gemini 1.5 Pro")
TABLE_31: dict[str, tuple[str, ...]] = {
    "mls-english": ("MLS English", "4.9", "4.4", "6.2 (v2)", "6.5", "4.4", "4.2"),
    "librispeech-test-other": ("LibriSpeech test-other", "3.4", "3.1", "4.9 (v2)", "6.2", "-", "-"),
    "voxpopuli-en": ("VoxPopuli English", "6.2", "5.7", "7.0 (v2)", "7.0", "-", "-"),
    "fleurs": ("FLEURS, 34 languages", "9.6", "8.2", "14.4 (v3, 33)", "11.7", "-", "-"),
}


def headline_metric(language: str | None) -> str:
    """The error rate the paper would report: Whisper's English or basic normaliser, characters for some."""
    if language in (None, "en"):
        return "wer/whisper-en"
    return "cer/whisper-basic" if language in CHARACTER_LANGUAGES else "wer/whisper-basic"


def paper_rows(
    rates: Sequence[tuple[str, str | None, Mapping[str, Mapping[str, float | None]]]],
) -> list[list[str]]:
    """Rows beside the paper: (set, language, system -> metric -> rate) of each set that matches a row of it.

    FLEURS is the plain mean over its languages, as in the paper, with their number. Empty where none matches.
    """
    rows = []
    names = list(dict.fromkeys(name for _, _, systems in rates for name in systems))
    for key, printed in TABLE_31.items():
        own = [one for one in rates if one[0] == key or (key == "fleurs" and one[0].startswith("fleurs-"))]
        if not own:
            continue
        cells = []
        for name in names:
            found = [systems.get(name, {}).get(headline_metric(language)) for _, language, systems in own]
            known = [rate for rate in found if rate is not None]
            of = f" ({len(known)} languages)" if key == "fleurs" else ""
            cells.append(f"{100 * sum(known) / len(known):.1f}{of}" if known else "-")
        rows.append([printed[0], *cells, *printed[1:]])
    return rows


def system_names(rates: Sequence[tuple[str, Any, Mapping[str, Any]]]) -> list[str]:
    """Systems in order of appearance."""
    return list(dict.fromkeys(name for _, _, systems in rates for name in systems))
