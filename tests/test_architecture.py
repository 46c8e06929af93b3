"""The layout is a rule: who may import whom, where each library is used, and what no file may hold."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 400

# package -> packages of ours it may import, besides itself
EDGES: dict[str, set[str]] = {
    "speech_core": set(),
    "speech_encoder": {"speech_core"},
    "speech_adapter": {"speech_encoder", "speech_core"},
    "tts_frontend": {"speech_core"},
    "prosody": {"tts_frontend", "speech_core"},
    "speech_synthesis": {"prosody", "tts_frontend", "speech_core"},
}
EDGES["llama_speech"] = set(EDGES)
EDGES["recipes"] = set(EDGES)
LIBRARIES = [name for name in EDGES if name != "recipes"]

# library -> places (path prefixes) that may import it; a place that ends in / is a folder
PLACES: dict[str, tuple[str, ...]] = {
    "transformers": (
        "speech_adapter/llama.py",
        "recipes/benchmark_encoders.py",
        "recipes/data/whisper_layers.py",  # a teacher of its classes
        "llama_speech/hub.py",  # what transformers' Auto classes find must be made of its classes
        "recipes/data/machine_translation.py",  # NLLB
    ),
    "gguf": ("speech_adapter/llama.py",),
    "av": ("speech_core/audio", "recipes/data/"),
    "soundfile": ("speech_core/audio", "recipes/", "llama_speech/evaluation/"),
    "soxr": ("speech_core/resampling.py", "recipes/"),
    "librosa": ("llama_speech/evaluation/speech_quality.py",),
    "jiwer": ("llama_speech/evaluation/scores.py",),
    "sacrebleu": ("llama_speech/evaluation/translation_scores.py",),
    "websockets": ("llama_speech/service/",),
    "starlette": ("llama_speech/service/", "llama_speech/cli/serve.py"),
    "uvicorn": ("llama_speech/service/", "llama_speech/cli/serve.py"),
    "prometheus_client": ("llama_speech/service/",),
    "pydantic": ("llama_speech/service/",),
    "fastapi": ("llama_speech/service/",),
    "faster_whisper": ("llama_speech/evaluation/peer", "recipes/"),
    "pocketsphinx": ("llama_speech/evaluation/peer", "recipes/"),
    "nemo_text_processing": ("llama_speech/evaluation/normalization_peers.py",),
    "tn": ("llama_speech/evaluation/normalization_peers.py",),  # WeTextProcessing
    "pynini": (),
    "accelerate": ("recipes/",),
    "lhotse": ("recipes/",),
    "torchaudio": (),
    "speechbrain": (),
    "nemo": (),
}


def tracked_files() -> list[Path]:
    """Every file git knows, relative to the root; without git (a source archive), every file there is."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode == 0 and listing.stdout:
        names = [Path(name) for name in listing.stdout.split("\0") if name]
        return [name for name in names if (ROOT / name).is_file()]
    skipped = {".venv", "build", "dist", "__pycache__", ".git"}
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return [path for path in found if not skipped & set(path.parts)]


FILES = tracked_files()
SOURCES = [path for path in FILES if path.suffix == ".py" and path.parts[0] in EDGES]
PYTHON = [path for path in FILES if path.suffix == ".py"]


def read(path: Path) -> str:
    """Text of a tracked file."""
    return (ROOT / path).read_text(encoding="utf-8")


def imported_modules(path: Path, source: str) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of each import statement anywhere in the file, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(path.parts[: len(path.parts) - node.level]) + (f".{base}" if base else "")
            yield node.lineno, base


def broken_edges(path: Path, source: str) -> list[str]:
    """Imports that leave the package's row of EDGES, and any import of tests."""
    package = path.parts[0]
    forbidden = set(EDGES) - EDGES[package] - {package} | {"tests"}
    return [
        f"{path}:{line} imports {module}"
        for line, module in imported_modules(path, source)
        if module.split(".")[0] in forbidden
    ]


def misplaced_libraries(path: Path, source: str) -> list[str]:
    """Imports of a library that belongs elsewhere."""
    name = path.as_posix()
    return [
        f"{path}:{line} imports {module}"
        for line, module in imported_modules(path, source)
        if (places := PLACES.get(module.split(".")[0])) is not None and not name.startswith(places)
    ]


# import name -> distribution, where they differ
DISTRIBUTIONS = {
    "presidio_analyzer": "presidio-analyzer",
    "prometheus_client": "prometheus-client",
    "py_nanotts": "py-nanotts",
    "hibari": "hibari-tts",
    "faster_whisper": "faster-whisper",
    "markdown_it": "markdown-it-py",
    "comet": "unbabel-comet",
    "ctranslate2": "faster-whisper",  # what it runs on
    "silero_vad": "silero-vad",
    "whisper_normalizer": "whisper-normalizer",
    "nemo_text_processing": "nemo-text-processing",
    "tn": "WeTextProcessing",
}
SERVE_PLACES = ("llama_speech/service/", "llama_speech/cli/serve.py")
EXTRA_PLACES = ("llama_speech/evaluation/", "recipes/")


def declared(*extras: str) -> set[str]:
    """Distributions in pyproject.toml: the base ones and those of the extras."""
    project = tomllib.loads(read(Path("pyproject.toml")))["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in extras for line in project["optional-dependencies"][extra]),
    ]
    return {re.split(r"[<>=~!\[; ]", line, maxsplit=1)[0] for line in lines}


def third_party(path: Path) -> Iterator[tuple[int, str]]:
    """(line, distribution) of each import that is neither ours nor Python's."""
    for line, module in imported_modules(path, read(path)):
        name = module.split(".")[0]
        if name not in EDGES and name not in sys.stdlib_module_names:
            yield line, DISTRIBUTIONS.get(name, name)


def test_the_tree_was_found():
    assert {path.parts[0] for path in SOURCES} >= {
        "speech_core",
        "speech_encoder",
        "speech_adapter",
        "recipes",
    }


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_follow_the_table(path):
    assert broken_edges(path, read(path)) == []


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_libraries_stay_in_their_place(path):
    assert misplaced_libraries(path, read(path)) == []


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imported_libraries_are_declared(path):
    extras = (
        ("eval", "train", "quality", "privacy", "ray", "grammars", "comet")
        if path.as_posix().startswith(EXTRA_PLACES)
        else ()
    )
    extras = ("serve", "vllm", "ray-serve") if path.as_posix().startswith(SERVE_PLACES) else extras
    known = declared(*extras)
    assert [f"{path}:{line} imports {name}" for line, name in third_party(path) if name not in known] == []


def test_prosody_sees_only_the_phone_inventory():
    allowed = ("tts_frontend.languages", "speech_core", "prosody")
    for path in (path for path in SOURCES if path.parts[0] == "prosody"):
        ours = [module for _, module in imported_modules(path, read(path)) if module.split(".")[0] in EDGES]
        assert [module for module in ours if not module.startswith(allowed)] == [], path


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("speech_encoder/new.py", "import speech_adapter.config"),
        ("speech_encoder/new.py", "def late():\n    from speech_adapter import adapter"),
        ("speech_core/new.py", "from speech_encoder.config import EncoderConfig"),
        ("tts_frontend/new.py", "import speech_encoder"),
        ("llama_speech/new.py", "from recipes.data import manifests"),
        ("recipes/new.py", "import tests.fakes"),
    ],
)
def test_a_wrong_edge_is_seen(path, source):
    assert len(broken_edges(Path(path), source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("speech_adapter/engine.py", "import transformers"),
        ("llama_speech/api.py", "def load():\n    import av.audio"),
        ("llama_speech/api.py", "from jiwer import wer"),
        ("recipes/new.py", "import torchaudio"),
    ],
)
def test_a_misplaced_library_is_seen(path, source):
    assert len(misplaced_libraries(Path(path), source)) == 1


@pytest.mark.parametrize("path", PYTHON, ids=str)
def test_files_are_short(path):
    lines = read(path).count("\n")
    assert lines <= MAX_LINES, f"{path} has {lines} lines: make two clearer files of it"


SERVICE = ("conversation", "models", "endpoints", "operation")


@pytest.mark.parametrize(
    "folder", ["llama_speech/evaluation", "recipes", *(f"llama_speech/service/{part}" for part in SERVICE)]
)
def test_the_docstring_of_a_large_folder_names_its_files(folder):
    text = ast.get_docstring(ast.parse(read(Path(folder, "__init__.py")))) or ""
    named = re.findall(r"`([a-z_*]+)`", text)
    files = {path.stem for path in SOURCES if path.parent == Path(folder)} - {"__init__"}
    assert {file for file in files if not any(fnmatch(file, name) for name in named)} == set()
    assert [name for name in named if not any(fnmatch(file, name) for file in files)] == []


def calls_print(path: Path) -> list[str]:
    """Calls of print, and of anything that configures logging, in a library file."""
    found = []
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in {"print", "logging.basicConfig"}:
                found.append(f"{path}:{node.lineno} calls {name}")
    return found


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.parts[0] in LIBRARIES and path.parts[:2] != ("llama_speech", "cli")],
    ids=str,
)
def test_libraries_neither_print_nor_configure_logging(path):
    assert calls_print(path) == []


# Joined from parts, so that this file passes its own test.
FORBIDDEN = [
    "/".join(("", "root", "")),
    "/".join(("", "work", "")),
    ".".join(("pypi", "org")),
    ".".join(("pythonhosted", "org")),
    ".".join(("registry", "npmjs")),
    ".".join(("deb", "debian", "org")),
    ".".join(("download", "pytorch", "org")),
]


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "LICENSE"], ids=str)
def test_no_machine_paths_and_no_registry_hosts(path):
    data = (ROOT / path).read_bytes()
    if b"\0" in data[:8192]:
        return  # audio or weights
    text = data.decode("utf-8")
    assert [word for word in FORBIDDEN if word in text] == []


def test_every_package_is_typed_and_shipped():
    packages = sorted({path.parts[0] for path in SOURCES if path.parts[0] in LIBRARIES})
    include = read(Path("pyproject.toml"))
    for package in packages:
        assert (ROOT / package / "py.typed").is_file(), f"{package}/py.typed is missing"
        assert f'"{package}*"' in include, f"{package} is not in pyproject.toml"


def test_every_module_has_a_test_file():
    """A test_module.py for each module; one test file may serve a folder of rules or commands."""
    names = {path.name for path in FILES if path.parts[0] == "tests"}
    shared = ("tts_frontend/languages/", "llama_speech/cli/", "speech_core/events.py")  # events: records only
    missing = [
        str(path)
        for path in SOURCES
        if not path.name.startswith("__")
        and not path.as_posix().startswith(shared)
        and f"test_{path.name}" not in names
    ]
    assert missing == []
