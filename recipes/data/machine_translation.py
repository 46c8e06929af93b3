"""Machine translation by one small interface: any program, or NLLB where the hub can be reached.

A program reads one sentence a line on standard input and writes one a line. Translations are filtered: what
is empty, a copy, a loop or of an unlikely length is left out and counted.
"""

import shlex
import subprocess
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

from speech_core.errors import ConfigError, InputError

# FLORES-200 codes, as NLLB names the languages of arXiv 2407.21783
NLLB_CODES = {
    "ar": "arb_Arab", "bn": "ben_Beng", "zh": "zho_Hans", "cs": "ces_Latn", "nl": "nld_Latn",
    "en": "eng_Latn", "fi": "fin_Latn", "fr": "fra_Latn", "de": "deu_Latn", "el": "ell_Grek",
    "gu": "guj_Gujr", "hi": "hin_Deva", "hu": "hun_Latn", "id": "ind_Latn", "it": "ita_Latn",
    "ja": "jpn_Jpan", "kn": "kan_Knda", "ko": "kor_Hang", "ml": "mal_Mlym", "mr": "mar_Deva",
    "fa": "pes_Arab", "pl": "pol_Latn", "pt": "por_Latn", "ro": "ron_Latn", "ru": "rus_Cyrl",
    "es": "spa_Latn", "sw": "swh_Latn", "sv": "swe_Latn", "ta": "tam_Taml", "te": "tel_Telu",
    "th": "tha_Thai", "tr": "tur_Latn", "ur": "urd_Arab", "vi": "vie_Latn",
}  # fmt: skip
NLLB = "facebook/nllb-200-distilled-600M"
LEAST_RATIO, MOST_RATIO = 0.3, 3.0  # characters of a translation over those of its source
_TIMEOUT_S = 600.0


class MachineTranslator(Protocol):
    """Turns sentences into another language."""

    name: str

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """One translation for each text, in order; languages by code."""
        ...


class CommandTranslator:
    """Any program; {source} and {target} in its command stand for the language codes."""

    def __init__(self, command: str) -> None:
        if not command.strip():
            raise InputError("the translator names no program: write 'command:PROGRAM {source} {target}'")
        self.name, self._command = f"command:{command}", command

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Raises InputError when the program fails or gives another number of lines."""
        words = [
            word.replace("{source}", source).replace("{target}", target)
            for word in shlex.split(self._command)
        ]
        lines = "".join(" ".join(text.split()) + "\n" for text in texts)
        try:
            done = subprocess.run(
                words, input=lines, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"translator {words[0]}: {error}") from None
        made = done.stdout.splitlines()
        if done.returncode or len(made) != len(texts):
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(
                f"translator {words[0]} gave {len(made)} lines for {len(texts)}, "
                f"exit code {done.returncode}: {reason}"
            )
        return [line.strip() for line in made]


class NllbTranslator:
    """NLLB through transformers; greedy. Its licence is CC BY-NC 4.0: what it translates must not ship."""

    def __init__(self, model: str = NLLB, batch_size: int = 16, max_tokens: int = 256) -> None:
        import transformers

        self.name, self._batch_size, self._max_tokens = f"nllb:{model}", batch_size, max_tokens
        try:
            self._model: Any = transformers.AutoModelForSeq2SeqLM.from_pretrained(model).eval()
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(model)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(f"{model} cannot be loaded ({reason}): give a folder, or command:...") from None

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Raises InputError for a language NLLB_CODES does not name."""
        for code in (source, target):
            if code not in NLLB_CODES:
                raise InputError(f"NLLB has no code for {code!r} here: use one of {', '.join(NLLB_CODES)}")
        self._tokenizer.src_lang = NLLB_CODES[source]
        begin = self._tokenizer.convert_tokens_to_ids(NLLB_CODES[target])
        made: list[str] = []
        for start in range(0, len(texts), self._batch_size):
            part = list(texts[start : start + self._batch_size])
            inputs = self._tokenizer(part, return_tensors="pt", padding=True, truncation=True)
            ids = self._model.generate(
                **inputs, forced_bos_token_id=begin, max_new_tokens=self._max_tokens, do_sample=False
            )
            made += self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return made


def make_translator(name: str) -> MachineTranslator:
    """`command:PROGRAM ...`, `nllb`, or `nllb:FOLDER_OR_HUB_ID`. Raises InputError for anything else."""
    kind, _, rest = name.partition(":")
    if kind == "command":
        return CommandTranslator(rest)
    if kind == "nllb":
        return NllbTranslator(rest or NLLB)
    raise InputError(f"no translator is called {name!r}: use command:PROGRAM, nllb or nllb:MODEL")


def fault(source: str, translation: str) -> str | None:
    """Why a translation is not learned from, or None."""
    words = translation.split()
    if not words:
        return "empty"
    if translation.casefold() == source.casefold() and len(words) > 3:
        return "a copy"
    if not LEAST_RATIO <= len(translation) / max(len(source), 1) <= MOST_RATIO and len(source) > 20:
        return "unlikely length"
    commonest = Counter(pairwise(words)).most_common(1)
    if commonest and commonest[0][1] >= 4:
        return "a loop"
    return None
