"""The public test sets of the paper by name, from where they were unpacked; and lhotse manifests.

    librispeech:test-other   mls:english   voxpopuli:en   fleurs:hi   fleurs:all   covost2:de

NAME=FOLDER says where; without it the folder is looked for below $LLAMA_SPEECH_DATA under the usual names.
Each becomes a manifest of this project in the cache, so that everything else treats all data alike. What a
corpus lists but its folder does not hold is kept in the manifest without text, and so counted as left out.
"""

import csv
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_speech.writers import write_atomically
from speech_core.errors import InputError

FLEURS = {  # the 34 languages of the paper: code -> FLEURS configuration
    "ar": "ar_eg", "bn": "bn_in", "zh": "cmn_hans_cn", "cs": "cs_cz", "nl": "nl_nl", "en": "en_us",
    "fi": "fi_fi", "fr": "fr_fr", "de": "de_de", "el": "el_gr", "gu": "gu_in", "hi": "hi_in",
    "hu": "hu_hu", "id": "id_id", "it": "it_it", "ja": "ja_jp", "kn": "kn_in", "ko": "ko_kr",
    "ml": "ml_in", "mr": "mr_in", "fa": "fa_ir", "pl": "pl_pl", "pt": "pt_br", "ro": "ro_ro",
    "ru": "ru_ru", "es": "es_419", "sw": "sw_ke", "sv": "sv_se", "ta": "ta_in", "te": "te_in",
    "th": "th_th", "tr": "tr_tr", "ur": "ur_pk", "vi": "vi_vn",
}  # fmt: skip
COVOST2 = ("ar", "de", "es", "fa", "fr", "id", "it", "ja", "nl", "pt", "ru", "sv", "ta", "tr", "zh")
MLS = {
    "english": "en", "german": "de", "dutch": "nl", "french": "fr", "spanish": "es", "italian": "it",
    "portuguese": "pt", "polish": "pl",
}  # fmt: skip
AUDIO = (".flac", ".opus", ".wav", ".ogg", ".mp3")
Record = dict[str, Any]


@dataclass(frozen=True)
class Corpus:
    """One public test set. folders: where it is usually unpacked; parts: what may stand behind the colon, the
    first when nothing does; read: (folder, part) -> records.
    """

    folders: tuple[str, ...]
    parts: tuple[str, ...]
    read: Callable[[Path, str], Iterable[Record]]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise InputError(f"{path} does not exist: is this where the corpus was unpacked?") from None


def _audio(stem: Path) -> str | None:
    """A sound file by its path without ending, or None when it is not there."""
    found = (stem.with_name(stem.name + suffix) for suffix in AUDIO)
    return next((str(path.resolve()) for path in found if path.is_file()), None)


def _record(audio: str | None, text: str, language: str, **more: Any) -> Record:
    """A line of a manifest; without its sound an item has no text, and counts as left out."""
    if audio is None:
        return {"audio": None, "text": None, "language": language, "missing_audio": True}
    return {"audio": audio, "text": text, "language": language, **more}


def _librispeech(folder: Path, part: str) -> Iterator[Record]:
    transcripts = sorted((folder / part).glob("*/*/*.trans.txt"))
    if not transcripts:
        raise InputError(f"{folder / part} holds no *.trans.txt: unpack LibriSpeech {part} there")
    for path in transcripts:
        for line in _lines(path):
            name, _, text = line.partition(" ")
            audio = _audio(path.parent / name)
            yield _record(audio, text, "en", id=name, speaker=f"librispeech-{name.split('-')[0]}")


def _mls(folder: Path, part: str) -> Iterator[Record]:
    names = (f"mls_{part}", f"mls_{part}_opus")
    root = next((folder / name for name in names if (folder / name).is_dir()), folder)
    for line in _lines(root / "test" / "transcripts.txt"):
        name, _, text = line.partition("\t")
        speaker, book = name.split("_")[:2]
        audio = _audio(root / "test" / "audio" / speaker / book / name)
        yield _record(audio, text, MLS[part], id=name, speaker=f"mls-{speaker}")


def _voxpopuli(folder: Path, part: str) -> Iterator[Record]:
    root = folder / "transcribed_data" / part
    rows = csv.DictReader(_lines(root / "asr_test.tsv"), delimiter="\t", quoting=csv.QUOTE_NONE)
    for row in rows:
        name = row.get("id") or row.get("id_") or ""
        text = row.get("normalized_text") or row.get("raw_text") or ""
        audio = _audio(root / name[:4] / name)
        yield _record(audio, text, part, id=name, speaker=f"voxpopuli-{row.get('speaker_id', '')}")


def _fleurs_rows(folder: Path, code: str) -> list[list[str]]:
    """Rows of a test list: sentence, file, raw text, text, letters, samples, gender."""
    return [line.split("\t") for line in _lines(folder / FLEURS[code] / "test.tsv") if line.strip()]


def _fleurs(folder: Path, part: str) -> Iterator[Record]:
    codes = [code for code in FLEURS if (folder / FLEURS[code]).is_dir()] if part == "all" else [part]
    if not codes:
        raise InputError(f"{folder} has none of the folders of FLEURS, such as en_us: unpack them there")
    english = {row[0]: row[2] for row in _fleurs_rows(folder, "en")} if (folder / "en_us").is_dir() else {}
    for code in codes:
        root = folder / FLEURS[code]
        for row in _fleurs_rows(folder, code):
            stem = Path(row[1]).stem
            audio = _audio(root / "audio" / "test" / stem) or _audio(root / "test" / stem)
            more: Record = {"id": f"{code}/{stem}"}
            if len(row) > 5 and row[5].isdigit():
                more["duration_s"] = int(row[5]) / 16000
            if code != "en" and row[0] in english:
                more["translation"] = {"en": english[row[0]]}
            yield _record(audio, row[2], code, **more)


def _covost2(folder: Path, part: str) -> Iterator[Record]:
    names = (f"covost_v2.{part}_en.test.tsv", f"{part}/covost_v2.{part}_en.test.tsv")
    path = next((folder / name for name in names if (folder / name).is_file()), folder / names[0])
    rows = csv.DictReader(_lines(path), delimiter="\t", quoting=csv.QUOTE_NONE)
    for row in rows:
        audio = _audio(path.parent / "clips" / Path(row["path"]).stem)
        more = {"id": f"{part}/{Path(row['path']).stem}", "translation": {"en": row["translation"]}}
        yield _record(audio, row.get("sentence") or "", part, **more)


CORPORA: dict[str, Corpus] = {
    "librispeech": Corpus(
        ("LibriSpeech", "librispeech"), ("test-other", "test-clean", "dev-other", "dev-clean"), _librispeech
    ),
    "mls": Corpus(("mls", "MLS"), tuple(MLS), _mls),
    "voxpopuli": Corpus(
        ("voxpopuli", "VoxPopuli"),
        ("en", "de", "fr", "es", "pl", "it", "ro", "hu", "cs", "nl", "fi"),
        _voxpopuli,
    ),
    "fleurs": Corpus(("fleurs", "FLEURS"), ("all", *FLEURS), _fleurs),
    "covost2": Corpus(("covost2", "covost", "CoVoST2"), COVOST2, _covost2),
}


def is_named(name: str) -> bool:
    """Whether a name given as data is that of a corpus: `fleurs:hi`, `librispeech:test-other=FOLDER`."""
    corpus, colon, _ = name.partition("=")[0].partition(":")
    return bool(colon) and corpus in CORPORA


def corpus_manifest(name: str, data_dir: Path | None, cache_dir: Path) -> Path:
    """The manifest of a corpus by name, made anew. Raises InputError when there is no such part or folder."""
    short, _, where = name.partition("=")
    corpus_name, _, part = short.partition(":")
    corpus = CORPORA[corpus_name]
    part = part or corpus.parts[0]
    if part not in corpus.parts:
        raise InputError(f"{corpus_name} has no part {part}: use one of {', '.join(corpus.parts)}")
    places = [Path(where)] if where else [data_dir / one for one in corpus.folders if data_dir is not None]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        looked = ", ".join(map(str, places)) or "$LLAMA_SPEECH_DATA is not set"
        raise InputError(f"{short} is not unpacked ({looked}): give {short}=FOLDER")
    return _write_manifest(f"{corpus_name}-{part}", corpus.read(folder, part), cache_dir)


def _write_manifest(name: str, records: Iterable[Record], cache_dir: Path) -> Path:
    path = cache_dir / "corpora" / f"{name}.jsonl"
    write_atomically(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records))
    return path


def is_lhotse(path: Path) -> bool:
    """Whether a file is a manifest of lhotse's cuts (.jsonl or .jsonl.gz)."""
    if not path.is_file() or not path.name.endswith((".jsonl", ".jsonl.gz")):
        return False
    first: Any = next(iter(_json_lines(path)), {})
    return isinstance(first, dict) and "supervisions" in first and "recording" in first


def _json_lines(path: Path) -> Iterator[Any]:
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = data.decode("utf-8").splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as JSON lines: {error}") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path}:{number} is not JSON: {error.msg}") from None


def lhotse_manifest(path: Path, cache_dir: Path) -> Path:
    """The manifest of lhotse's cuts; parts of longer recordings are written as sound files into the cache.

    Raises InputError for cuts without a sound file (features only, or mixed cuts).
    """
    name = path.name.removesuffix(".gz").removesuffix(".jsonl")
    folder = cache_dir / "corpora" / name
    return _write_manifest(name, (_cut(cut, path, folder) for cut in _json_lines(path)), cache_dir)


def _cut(cut: Record, path: Path, folder: Path) -> Record:
    try:
        source = next(one["source"] for one in cut["recording"]["sources"] if one["type"] == "file")
        whole_s, start_s, cut_s = (
            float(value) for value in (cut["recording"]["duration"], cut["start"], cut["duration"])
        )
        said = cut["supervisions"]
    except (KeyError, StopIteration, TypeError) as error:
        raise InputError(
            f"{path}: the cut {cut.get('id')} has no sound file ({error!r}): save it with one"
        ) from None
    audio = Path(source) if Path(source).is_absolute() else path.parent / source
    if audio.is_file() and (start_s > 0 or cut_s < whole_s - 0.01):
        audio = _excerpt(audio, (start_s, cut_s), folder / f"{str(cut['id']).replace('/', '_')}.wav")
    texts = [one["text"] for one in said if one.get("text") is not None]
    first = said[0] if said else {}
    return {
        "id": str(cut["id"]),
        "audio": str(audio.resolve()),
        "text": " ".join(texts) if texts else None,
        "language": language_code(first.get("language")),
        "speaker": first.get("speaker"),
        "duration_s": cut_s,
    }


def language_code(language: str | None) -> str | None:
    """The code of a language that lhotse names in English, in its case or none; codes stay."""
    from speech_core.languages import LANGUAGE_NAMES

    codes = {name.lower(): code for code, name in LANGUAGE_NAMES.items()}
    return None if language is None else codes.get(language.lower(), language.split("-")[0].lower())


def _excerpt(audio: Path, span_s: tuple[float, float], target: Path) -> Path:
    """A part of a recording, (start, length) in seconds, as a sound file."""
    from speech_core.audio import load_audio, write_wav

    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        samples = load_audio(audio, 16000)
        start = round(span_s[0] * 16000)
        write_wav(target, samples[start : start + round(span_s[1] * 16000)], 16000)
    return target
