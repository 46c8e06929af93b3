"""Texts spoken by teachers into a folder of clips with a manifest; goes on where it stopped.

The folder is a set like any other: `recipes.prepare_speech --manifest FOLDER/train.jsonl` makes its features,
`llama-speech evaluate` reads it. Every line says which teacher spoke, with which settings and seed, where the
text is from and under which licence.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recipes.data.manifests import Utterance
from recipes.data.teachers import FliteTeacher, PicoTeacher, Teacher, make_teacher
from recipes.data.waveforms import SAMPLE_RATE, normalize_loudness, trim_silence
from speech_core.errors import AudioError, InputError

logger = logging.getLogger(__name__)

PICO_LANGUAGES = {"de": "de-DE", "es": "es-ES", "fr": "fr-FR", "it": "it-IT"}
UNSEEN = "flite-awb"  # spoken only for tests: no training hears this voice
LONGEST_S = 30.0


@dataclass(frozen=True)
class SpokenText:
    """One text to speak. extra: what the manifest keeps of it besides."""

    id: str
    text: str
    language: str
    source: str  # of the text
    licence: str  # of the text
    translation: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


def spoken_by(name: str) -> Teacher:
    """A teacher by name: those of English, `pico-de-DE` and the like, and the unseen `flite-awb`.

    Raises InputError for an unknown one.
    """
    if name == UNSEEN:
        return FliteTeacher.for_tests("awb")
    voice = name.removeprefix("pico-")
    if voice != name and voice in PICO_LANGUAGES.values():
        return PicoTeacher(voice)
    return make_teacher(name)


def pico_of(language: str) -> str:
    """Name of the teacher of a language. Raises InputError if none speaks it."""
    if language not in PICO_LANGUAGES:
        raise InputError(f"no teacher speaks {language!r}: use one of {', '.join(PICO_LANGUAGES)}")
    return f"pico-{PICO_LANGUAGES[language]}"


def write_spoken_set(
    manifest: Path, texts: Iterable[SpokenText], teacher_of: Callable[[SpokenText], str], seed: int = 0
) -> Counter[str]:
    """Speak what the manifest does not have yet; counts of what was spoken, known and left out.

    Clips lie in a folder of the manifest's name beside it. Each text has its own random voice setting, drawn
    from the seed and its id, so that the set does not depend on where a run stopped.
    """
    known = {record["id"] for record in _records(manifest)}
    counts: Counter[str] = Counter()
    teachers: dict[str, Teacher] = {}
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with manifest.open("a", encoding="utf-8") as lines:
        for text in texts:
            if text.id in known:
                counts["known"] += 1
                continue
            name = teacher_of(text)
            if name not in teachers:
                teachers[name] = spoken_by(name)
            utterance = _spoken(manifest, text, teachers[name], seed)
            counts["spoken" if utterance else "left out: no or endless speech"] += 1
            if utterance:
                lines.write(json.dumps(asdict(utterance), ensure_ascii=False) + "\n")
                lines.flush()
    logger.info("%s: %s", manifest.name, ", ".join(f"{count} {what}" for what, count in counts.items()))
    return counts


def _records(manifest: Path) -> Iterator[dict[str, Any]]:
    """Lines of a manifest that is being written; half a last line of a killed run is cut off."""
    if not manifest.exists():
        return
    data = manifest.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        manifest.write_bytes(whole)
    yield from (json.loads(line) for line in whole.decode("utf-8").splitlines())


def _spoken(manifest: Path, text: SpokenText, teacher: Teacher, seed: int) -> Utterance | None:
    import soundfile

    rng = np.random.default_rng([seed, *text.id.encode()])
    try:
        audio, settings = teacher.speak(text.text, rng)
    except AudioError as error:
        logger.warning("%s: %s", text.id, error)
        return None
    audio = normalize_loudness(trim_silence(audio))
    duration_s = audio.size / SAMPLE_RATE
    if not 0.1 <= duration_s <= LONGEST_S:
        return None
    path = manifest.with_suffix("") / f"{text.id.replace('/', '-')}.opus"
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, audio, SAMPLE_RATE, format="OGG", subtype="OPUS")
    return Utterance(
        id=text.id,
        audio=str(path.relative_to(manifest.parent)),
        text=text.text,
        language=text.language,
        speaker=teacher.name,
        duration_s=round(duration_s, 3),
        corpus=f"spoken-{text.source}",
        licence=teacher.licence,
        translation=text.translation,
        extra={
            **text.extra,
            "teacher": teacher.name,
            "voice": settings,
            "seed": seed,
            "text_source": text.source,
            "text_licence": text.licence,
        },
    )
