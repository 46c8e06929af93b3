"""The files of a result, each whole or not there: JSON of every item and score, Markdown, HTML page."""

import json
from pathlib import Path
from typing import Any

from llama_speech.evaluation.pages import page_of
from llama_speech.writers import write_atomically


def json_text(values: Any) -> str:
    """Values as JSON text that ends with a newline."""
    return json.dumps(values, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def write_results(folder: Path, task: str, values: Any, markdown: str) -> list[Path]:
    """Write TASK.json, TASK.md and TASK.html into a folder; return their paths. values: as JSON has them.

    The page comes last: without its libraries (ConfigError) the figures are there all the same.
    """
    text = json_text(values)
    files = {folder / f"{task}.json": text, folder / f"{task}.md": markdown}
    for path, content in files.items():
        write_atomically(path, content)
    page = folder / f"{task}.html"
    write_atomically(page, page_of(task, json.loads(text), markdown))
    return [*files, page]
