"""The model card of the form of the Hugging Face hub: the bundle's own, with a header that machines read."""

import json
from typing import Any

from llama_speech.bundle import Bundle

USE = """
## Use with transformers

```python
import llama_speech.hub
from transformers import pipeline

recognizer = pipeline("automatic-speech-recognition", model="FOLDER_OR_HUB_ID")
```
"""


def model_card(bundle: Bundle) -> str:
    """The card in Markdown; its header has the word error rates of the bundle's manifest as a model-index."""
    header = {
        "license": bundle.info.licence.lower(),
        "language": list(bundle.info.languages),
        "library_name": "llama-speech",
        "pipeline_tag": "automatic-speech-recognition",
        "model-index": [{"name": bundle.info.name, "results": _results(bundle)}],
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items()]
    readme = bundle.folder / "README.md"
    body = readme.read_text(encoding="utf-8") if readme.is_file() else f"# {bundle.info.name}\n"
    if body.startswith("---\n"):  # a header of its own gives way
        body = body.split("\n---\n", 1)[-1].lstrip("\n")
    return "---\n" + "\n".join(lines) + "\n---\n\n" + body.rstrip("\n") + "\n" + USE


def _results(bundle: Bundle) -> list[dict[str, Any]]:
    """Word error rates of our own system, in percent, as entries of a model-index."""
    return [
        {
            "task": {"type": "automatic-speech-recognition", "name": "Speech recognition"},
            "dataset": {"name": f"{score['data']} (dev)", "type": str(score["data"])},
            "metrics": [
                {
                    "type": "wer",
                    "name": f"WER, {score['metric'].split('/')[-1]}, percent",
                    "value": round(100 * float(score["rate"]), 2),
                }
            ],
        }
        for score in bundle.info.scores
        if score.get("system") == "llama-speech" and str(score.get("metric", "")).startswith("wer/")
    ]
