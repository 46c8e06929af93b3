"""The result tables of README.md and RESULTS.md, made from evaluations of the default bundle on `dev` data.

    make report                                     # LLAMA_SPEECH_DATA names the folder of the speech sets
    make report ARGS="--peers faster-whisper:tiny.en faster-whisper:base pocketsphinx"
    python -m recipes.report --check                # documents and docs/report.json agree, or exit code 1

A document holds a table between `<!-- report: NAME -->` (or `<!-- report: NAME, in full -->`, with command
and signatures) and `<!-- end of report: NAME -->`. Evaluations that are missing, or were made with other
weights or options, are run; transcripts known to the cache are not made again. The figures go to
docs/report.json.
"""

import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llama_speech.bundle import Bundle, read_bundle
from llama_speech.default_llama import cache_dir
from llama_speech.writers import write_atomically
from recipes.loop import options
from recipes.loop.options import option
from recipes.tables.report_tables import TABLES, Table
from speech_core.errors import ConfigError, InputError, SpeechError

logger = logging.getLogger("recipes.report")

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "RESULTS.md")
SUMMARY = Path("docs") / "report.json"
HEARING = ("speech_encoder", "speech_adapter")
SPEAKING = ("text_normalizer", "pronunciation", "prosody", "acoustic", "vocoder")
SETS = (
    "librispeech",
    "kathleen-en",
    "ljspeech-part",
    "flight-of-the-amazon-queen",
    "beneath-a-steel-sky",
    "drascula",
    "asterisk-core",
)
BLOCK = re.compile(r"<!-- report: ([a-z-]+)(, in full)? -->\n.*?<!-- end of report: \1 -->", re.DOTALL)


@dataclass(frozen=True)
class ReportConfig:
    """Options of this recipe."""

    data: str = option("", "folder of the speech sets; $LLAMA_SPEECH_DATA when absent")
    tables: tuple[str, ...] = option((), "only these; those the documents show when absent", TABLES)
    peers: tuple[str, ...] = option(("faster-whisper:tiny.en",), "recognizers beside ours")
    questions: tuple[str, ...] = option((), "manifests of recipes.prepare_dialogue, for `dialogue`")
    out: str = option("", "where evaluations are kept; report/ in the cache folder when absent")
    cache_dir: str = option("", "where transcripts are kept, as in `evaluate asr`")
    threads: int = option(1, "CPU threads of every system")
    limit: int | None = option(None, "items of each set, for a trial")
    root: str = option(str(ROOT), "folder with the documents")
    check: bool = option(False, "change nothing: exit code 1 when documents and docs/report.json differ")


@dataclass(frozen=True)
class Evaluation:
    """One run of `llama-speech evaluate`: its arguments with {data} for the folder of the sets, and the
    components of the bundle it depends on.
    """

    arguments: tuple[str, ...]
    components: tuple[str, ...] = HEARING

    @property
    def task(self) -> str:
        """The task, which names its files."""
        return self.arguments[0]


def evaluation_of(name: str, config: ReportConfig) -> Evaluation:
    """The evaluation behind a table. Raises ConfigError where it needs an option."""
    peers = [word for peer in config.peers for word in ("--peer", peer)]
    common = ["--threads", str(config.threads)]
    limit = ["--limit", str(config.limit)] if config.limit else []
    modes = ["--mode", "llama", "--mode", "ctc"]
    if name == "asr":
        return Evaluation(("asr", *common, *modes, *peers, *limit, "--data", *SETS))
    if name == "no-speech":
        music = ["--no-speech", "--music", "{data}/noise/music"]
        return Evaluation(("asr", *common, *modes, "--data", "kathleen-en", "--limit", "1", *music))
    if name == "translation":
        methods = [
            "--method",
            "direct",
            "--method",
            "transcript",
            "--from",
            "cs",
            "nl",
            "es",
            "fr",
            "it",
            "ru",
        ]
        data = [*(limit or ["--limit", "12"]), "--data", "fillets", "asterisk-core"]
        return Evaluation(("translation", *common, *methods, *peers, *data))
    if name == "speech":
        voices = [word for voice in ("hibari", "flite", "espeak-ng") for word in ("--peer", voice)]
        hearers = [word for peer in config.peers for word in ("--recognizer", peer)]
        texts = ["--texts", "{data}/kathleen-en/dev.jsonl", *limit]
        return Evaluation(("speech", *common, *voices, *hearers, *texts), SPEAKING)
    if not config.questions:
        raise ConfigError("the table dialogue needs --questions, manifests of recipes.prepare_dialogue")
    return Evaluation(
        ("dialogue", *common, *peers, *limit, "--max-tokens", "24", "--data", *config.questions)
    )


def weights_digest(bundle: Bundle, components: Sequence[str]) -> str:
    """Digest of the checksums of some components of a bundle."""
    files = {
        name: entry["sha256"] for name, entry in bundle.files.items() if name.split("/")[0] in components
    }
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]


def commit_of(root: Path) -> str:
    """The commit that is checked out, or a dash."""
    command = ["git", "rev-parse", "--short=10", "HEAD"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return "-"
    return done.stdout.strip() or "-"


def stored_result(name: str, config: ReportConfig) -> tuple[Any, dict[str, Any]]:
    """The JSON of the evaluation behind a table and what it was made with; run when there is none that fits.

    Raises SpeechError when the run leaves no result, ConfigError without a folder of data.
    """
    evaluation = evaluation_of(name, config)
    folder = Path(config.out or cache_dir() / "report") / name
    weights = weights_digest(read_bundle(None), evaluation.components)
    wanted = {"arguments": list(evaluation.arguments), "weights": weights}
    made_path, result_path = folder / "made.json", folder / f"{evaluation.task}.json"
    made = json.loads(made_path.read_text(encoding="utf-8")) if made_path.is_file() else {}
    if not result_path.is_file() or {key: made.get(key) for key in wanted} != wanted:
        logger.info("%s: evaluating", name)
        made = {**wanted, "commit": commit_of(ROOT)}
        made_path.unlink(missing_ok=True)
        _evaluate(evaluation, folder, config)
        write_atomically(made_path, json.dumps(made) + "\n")
    result = json.loads(result_path.read_text(encoding="utf-8"))
    return result, {**made, "made": _created(result, result_path)}


def _created(result: Any, path: Path) -> str:
    """Day of a result: what it says, else that of its file."""
    from datetime import UTC, datetime

    if isinstance(result, dict) and "created" in result:
        return str(result["created"])[:10]
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()


def _evaluate(evaluation: Evaluation, folder: Path, config: ReportConfig) -> None:
    data = config.data or os.environ.get("LLAMA_SPEECH_DATA", "")
    if not data or not Path(data).is_dir():
        raise ConfigError(
            f"no folder of speech sets ({data or 'none'}): set LLAMA_SPEECH_DATA or give --data"
        )
    arguments = [argument.replace("{data}", data) for argument in evaluation.arguments]
    command = [sys.executable, "-m", "llama_speech", "evaluate", *arguments, "--output-dir", str(folder)]
    if config.cache_dir and evaluation.task != "speech":
        command += ["--cache-dir", config.cache_dir]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "LLAMA_SPEECH_DATA": data, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    if done.returncode > 1 or not (folder / f"{evaluation.task}.json").is_file():
        raise SpeechError(f"evaluate {evaluation.task} ended with {done.returncode} and no result: see above")


def render(entry: dict[str, Any], full: bool) -> str:
    """A table of the summary as a document shows it."""
    table = Table(
        tuple(entry["header"]),
        tuple(tuple(row) for row in entry["rows"]),
        entry["unit"],
        tuple(entry["signatures"]),
        entry["items"],
        entry["left_out"],
    )
    left_out = f". Left out: {table.left_out}" if table.left_out else ""
    made = f"Made {entry['made']} at commit {entry['commit']} by `make report`, weights {entry['weights']}"
    text = f"{table.markdown()}\n{table.unit}\n{made}{left_out}.\n"
    if full:
        signatures = ", ".join(f"`{signature}`" for signature in table.signatures)
        text += f"Signature: {signatures}.\n\n```sh\n{entry['command']}\n```\n"
    return text


def _command(arguments: Sequence[str]) -> str:
    words = [argument.replace("{data}", "SPEECH") for argument in arguments]
    words = [Path(word).name if Path(word).is_absolute() else word for word in words]  # no machine's paths
    line = " ".join(["llama-speech", "evaluate", *(f"'{word}'" if " " in word else word for word in words)])
    return " \\\n".join(textwrap.wrap(line, 112, subsequent_indent="    ", break_on_hyphens=False))


def shown_tables(root: Path) -> list[str]:
    """Names of the tables that the documents have a place for."""
    texts = [(root / name).read_text(encoding="utf-8") for name in DOCUMENTS if (root / name).is_file()]
    return list(dict.fromkeys(match[1] for text in texts for match in BLOCK.finditer(text)))


def filled(text: str, entries: dict[str, dict[str, Any]]) -> str:
    """A document with the tables of the summary in their places. Raises InputError for one it has not."""

    def fill(match: re.Match[str]) -> str:
        name, full = match[1], match[2] or ""
        if name not in entries:
            raise InputError(f"{SUMMARY} has no table {name}: run `make report ARGS='--tables {name}'`")
        block = render(entries[name], bool(full))
        return f"<!-- report: {name}{full} -->\n{block}<!-- end of report: {name} -->"

    return BLOCK.sub(fill, text)


def read_summary(root: Path) -> dict[str, dict[str, Any]]:
    """The tables of docs/report.json by name; none when there is no file."""
    path = root / SUMMARY
    if not path.is_file():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def differing(root: Path) -> list[str]:
    """Documents that do not say what the summary says."""
    entries = read_summary(root)
    found = {name: (root / name).read_text(encoding="utf-8") for name in DOCUMENTS if (root / name).is_file()}
    return [name for name, text in found.items() if filled(text, entries) != text]


def make_report(config: ReportConfig) -> None:
    """Bring summary and documents up to date with the evaluations, running those that are missing."""
    root = Path(config.root)
    entries = read_summary(root)
    for name in config.tables or shown_tables(root):
        result, made = stored_result(name, config)
        values = {key: made[key] for key in ("made", "commit", "weights")}
        entries[name] = {**values, "command": _command(made["arguments"]), **asdict(TABLES[name](result))}
    write_atomically(root / SUMMARY, json.dumps(entries, ensure_ascii=False, indent=1) + "\n")
    for name in DOCUMENTS:
        if (root / name).is_file():
            text = (root / name).read_text(encoding="utf-8")
            write_atomically(root / name, filled(text, entries))


def main(argv: Sequence[str] | None = None) -> int:
    """Make the report, or check it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = options.parse(ReportConfig, __doc__ or "", argv)
    try:
        if config.check:
            wrong = differing(Path(config.root))
            if wrong:
                logger.error("%s differ from %s: run `make report`", ", ".join(wrong), SUMMARY)
            return int(bool(wrong))
        make_report(config)
    except SpeechError as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
