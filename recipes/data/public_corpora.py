"""Public corpora as they are unpacked from their archives, read through lhotse's preparers.

    utterances = read_public_corpus("librispeech", Path("LibriSpeech"), "train")

Download them where a network allows: OpenSLR 12 (LibriSpeech) and 94 (MLS), Mozilla's site (Common Voice),
lhotse's download commands for VoxPopuli and FLEURS. The preparers need only the unpacked folders.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.data.manifests import Utterance
from speech_core.errors import InputError

PARTS = ("train", "dev", "test")


Splits = dict[str, dict[str, Any]]  # lhotse: split -> {"recordings": ..., "supervisions": ...}

_MLS_LANGUAGES = {
    "en": "english",
    "de": "german",
    "nl": "dutch",
    "es": "spanish",
    "fr": "french",
    "it": "italian",
    "pt": "portuguese",
    "pl": "polish",
}
_FLEURS_LANGUAGES = {
    "en": "en_us",
    "de": "de_de",
    "nl": "nl_nl",
    "es": "es_419",
    "fr": "fr_fr",
    "it": "it_it",
    "pt": "pt_br",
    "cs": "cs_cz",
    "ru": "ru_ru",
    "ro": "ro_ro",
    "bg": "bg_bg",
    "el": "el_gr",
}


@dataclass(frozen=True)
class PublicCorpus:
    """How one corpus is read and what may be said of it."""

    name: str
    licence: str
    credit: str
    prepare: Callable[["CorpusFolder"], Splits]


@dataclass(frozen=True)
class CorpusFolder:
    """What a preparer is asked for."""

    path: Path  # where the corpus was unpacked
    work_dir: Path  # for what the preparer writes, deleted afterwards
    language: str  # two-letter code
    part: str  # train, dev or test


def _prepare_librispeech(folder: CorpusFolder) -> Splits:
    from lhotse.recipes import prepare_librispeech

    if folder.language != "en":
        raise InputError(f"LibriSpeech is English, not {folder.language!r}: MLS has other languages")
    splits: Splits = prepare_librispeech(folder.path, normalize_text="lower")
    return splits


def _prepare_mls(folder: CorpusFolder) -> Splits:
    from lhotse.recipes import prepare_mls

    name = _language_name(_MLS_LANGUAGES, folder.language, "MLS")
    opus = (folder.path / f"mls_{name}_opus").is_dir()
    only = folder.work_dir / "only"  # the preparer reads every language it finds
    only.mkdir()
    source = folder.path / (f"mls_{name}_opus" if opus else f"mls_{name}")
    if not source.is_dir():
        raise InputError(f"{source} does not exist: unpack MLS {name} there")
    (only / source.name).symlink_to(source.resolve(), target_is_directory=True)
    splits: Splits = prepare_mls(only, opus=opus)[name]
    return splits


def _prepare_common_voice(folder: CorpusFolder) -> Splits:
    from lhotse.recipes import prepare_commonvoice

    if not (folder.path / folder.language / "train.tsv").is_file():
        raise InputError(
            f"{folder.path} has no {folder.language}/train.tsv: unpack Common Voice {folder.language} there"
        )
    splits: Splits = prepare_commonvoice(
        folder.path, folder.work_dir, languages=[folder.language], splits=[folder.part]
    )[folder.language]
    return splits


def _prepare_voxpopuli(folder: CorpusFolder) -> Splits:
    from lhotse.recipes import prepare_voxpopuli

    annotations = folder.path / f"asr_{folder.language}.tsv.gz"
    if not annotations.is_file():
        raise InputError(f"{annotations} does not exist: put the annotations of VoxPopuli there")
    shutil.copy(annotations, folder.work_dir)  # else the preparer would download it
    splits: Splits = prepare_voxpopuli(folder.path, folder.work_dir, task="asr", lang=folder.language)
    return splits


def _prepare_fleurs(folder: CorpusFolder) -> Splits:
    from lhotse.recipes import prepare_fleurs

    name = _language_name(_FLEURS_LANGUAGES, folder.language, "FLEURS")
    if not (folder.path / name).is_dir():
        raise InputError(f"{folder.path} has no folder {name}: download FLEURS {name} there")
    splits: Splits = prepare_fleurs(folder.path, folder.work_dir, languages=[name])[name]
    return splits


def _language_name(names: dict[str, str], language: str, corpus: str) -> str:
    if language not in names:
        raise InputError(f"{corpus} has no language {language!r} here: use one of {', '.join(names)}")
    return names[language]


PUBLIC_CORPORA: dict[str, PublicCorpus] = {
    corpus.name: corpus
    for corpus in (
        PublicCorpus("librispeech", "CC BY 4.0", "LibriSpeech, V. Panayotov et al.", _prepare_librispeech),
        PublicCorpus("mls", "CC BY 4.0", "Multilingual LibriSpeech, V. Pratap et al.", _prepare_mls),
        PublicCorpus("common-voice", "CC0", "Mozilla Common Voice", _prepare_common_voice),
        PublicCorpus("voxpopuli", "CC0", "VoxPopuli, European Parliament", _prepare_voxpopuli),
        PublicCorpus("fleurs", "CC BY 4.0", "FLEURS, A. Conneau et al.", _prepare_fleurs),
    )
}


def read_public_corpus(name: str, corpus_dir: Path, part: str, language: str = "en") -> list[Utterance]:
    """Utterances of one part, in an order fixed by their ids.

    Where a recording holds several utterances, `extra["start_s"]` says where this one begins.
    Raises InputError for an unknown corpus, a folder that is not laid out like it, or a part it lacks.
    """
    if name not in PUBLIC_CORPORA:
        raise InputError(f"corpus {name!r} is unknown: use one of {', '.join(PUBLIC_CORPORA)}")
    corpus = PUBLIC_CORPORA[name]
    if not corpus_dir.is_dir():
        raise InputError(f"{corpus_dir} is no folder: give the one {name} was unpacked to")
    if part not in PARTS:
        raise InputError(f"part {part!r} is unknown: use one of {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as work_dir:
        try:
            splits = corpus.prepare(CorpusFolder(corpus_dir, Path(work_dir), language, part))
        except (AssertionError, KeyError, OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{corpus_dir} is not laid out like {name}: {error}") from error
        chosen = sorted(
            split for split in splits if split.startswith(part)
        )  # train-clean-100, dev-other, ...
        if not chosen:
            raise InputError(f"{corpus_dir} has no {part} part of {name}: it has {', '.join(sorted(splits))}")
        return [u for split in chosen for u in _utterances(corpus, split, splits[split], language)]


def _utterances(
    corpus: PublicCorpus, split: str, manifests: dict[str, Any], language: str
) -> Iterator[Utterance]:
    paths = {recording.id: recording.sources[0].source for recording in manifests["recordings"]}
    for segment in sorted(manifests["supervisions"], key=lambda segment: str(segment.id)):
        yield Utterance(
            id=f"{corpus.name}/{split}/{segment.id}",
            audio=str(Path(paths[segment.recording_id]).resolve()),
            text=segment.text or None,
            language=language,
            speaker=f"{corpus.name}-{segment.speaker}",
            duration_s=float(segment.duration),
            corpus=corpus.name,
            licence=corpus.licence,
            extra={"start_s": float(segment.start)} if segment.start > 0 else {},
        )
