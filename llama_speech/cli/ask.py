"""`llama-speech ask`: answer a spoken question, in text or aloud."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llama_speech.cli._display import Display
from llama_speech.cli._files import check_language
from llama_speech.cli._inputs import Recording, expand
from llama_speech.cli._options import UsageError, add_model_options, load_model, positive, wrong_usage
from llama_speech.cli._outputs import check_file
from llama_speech.writers import write_atomically
from speech_core.errors import InputError

if TYPE_CHECKING:
    from llama_speech.chat import ChatAnswer, ChatStream
    from llama_speech.speech import Speaker
    from speech_core.events import TokenEvent

DEFAULT_OUTPUT = Path("answer.wav")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="what is asked, spoken: audio files, or - for standard input"
    )
    parser.add_argument("--text", help="what is asked, written; comes before the audio")
    parser.add_argument("--system", metavar="TEXT", help="system message (default: none, as in the paper)")
    parser.add_argument(
        "--history", type=Path, metavar="FILE", help="go on from the conversation in this JSON, and add to it"
    )
    parser.add_argument(
        "--speech",
        choices=("transcript", "embeds"),
        default="transcript",
        help="what the Llama is given of speech: its transcript (default) or the adapter's embeddings",
    )
    parser.add_argument("-l", "--language", default="en", help="language of transcripts (default: en)")
    _add_decoding(parser)
    _add_output(parser)
    add_model_options(parser)


def _add_decoding(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("decoding")
    group.add_argument("--max-tokens", type=positive, default=256, metavar="N", help="default: 256")
    group.add_argument("--temperature", type=float, default=0.0, help="0: most likely tokens (default)")
    group.add_argument("--top-p", type=float, default=1.0, help="share of likely tokens drawn (default: 1)")
    group.add_argument("--seed", type=int, help="of sampling; the same one gives the same answer")
    group.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="repeatable: ends the answer"
    )
    group.add_argument("--tools", type=Path, metavar="FILE", help="JSON list of functions it may call")
    group.add_argument(
        "--guard", metavar="LLAMA", help="judge question and answer: folder or hub id of a Llama Guard 3"
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="one object instead of the bare text")
    group.add_argument("--speak", action="store_true", help="also say the answer, into a WAV file")
    group.add_argument("-o", "--output", type=Path, metavar="WAV", help="of --speak (default: answer.wav)")
    group.add_argument("--quiet", action="store_true", help="only errors on standard error")


def run(args: argparse.Namespace) -> int:
    """Answer; return 0, or 1 if a file failed. Raises UsageError before any work."""
    check_language(args.language)
    if not args.files and args.text is None:
        raise UsageError("nothing is asked: give a FILE, or --text")
    recordings, problems = expand(args.files)
    if problems:
        raise InputError(problems[0])
    history = _read_history(args.history) if args.history else []
    tools = _read_json_list(args.tools) if args.tools else []
    question = _question(recordings, args.text)
    if args.output and not args.speak:
        raise UsageError("--output is where --speak writes: add --speak")
    if args.speak:
        check_file(args.output or DEFAULT_OUTPUT)
    with Display(args.quiet, progress=False) as display:
        answer = _answer(args, [*_system(args.system, history), *history, question], tools, display)
    if args.history:
        said = [*_system(args.system, history), *history, question, answer.message()]
        write_atomically(args.history, json.dumps(_writable(said), ensure_ascii=False, indent=2) + "\n")
    return 0


def _system(text: str | None, history: Sequence[Any]) -> list[dict[str, Any]]:
    if text is None:
        return []
    if history:
        raise UsageError("--system begins a conversation: leave it out where --history goes on with one")
    return [{"role": "system", "content": text}]


def _question(recordings: Sequence[Recording], text: str | None) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text is not None else []
    for recording in recordings:
        parts.append({"type": "input_audio", "input_audio": {"data": recording.open()}})
    return {"role": "user", "content": parts}


def _answer(
    args: argparse.Namespace, messages: list[Any], tools: list[Any], display: Display
) -> "ChatAnswer":
    """Load the model and print the answer as it comes."""
    from speech_adapter.sampling import Sampling

    with wrong_usage():
        Sampling(args.temperature, args.top_p, args.seed)
    voice = _voice(args) if args.speak else None
    model = load_model(args)
    stream = model.chat(
        messages,
        max_tokens=args.max_tokens,
        temperature=args.temperature,
        top_p=args.top_p,
        seed=args.seed,
        stop=tuple(args.stop),
        speech=args.speech,
        language=args.language,
        tools=tuple(tools),
        embeddings=voice is not None,
        guard=_guard(args),
    )
    events = _shown(stream, args, display)
    if voice is not None:
        events = _said(events, voice, args.output or DEFAULT_OUTPUT)
    for _ in events:
        pass
    answer = stream.answer()
    if args.json:
        display.result(json.dumps(_as_json(stream, answer), ensure_ascii=False) + "\n")
    elif answer.reason in ("length", "loop"):
        display.note(f"the answer was cut: {_REASONS[answer.reason]}")
    return answer


_REASONS = {"length": "it reached --max-tokens", "loop": "it began to repeat itself"}


def _guard(args: argparse.Namespace) -> Any:
    if args.guard is None:
        return None
    from llama_speech.guard import LlamaGuard

    return LlamaGuard.load(args.guard, args.device, args.dtype)


def _voice(args: argparse.Namespace) -> "Speaker":
    """The voice of the bundle; the answer brings the Llama's states itself."""
    from llama_speech.speech import VoiceSource, load_speaker

    return load_speaker(VoiceSource(args.model, args.llama, use_llama=False))


def _said(events: "Iterator[TokenEvent]", voice: "Speaker", path: Path) -> "Iterator[TokenEvent]":
    """The same events; what they say is in the file when they are over."""
    import numpy as np

    from speech_core.audio import write_wav

    stream, sound = voice.stream(), list[Any]()
    for event in events:
        sound += [chunk.samples.numpy() for chunk in stream.push(event)]
        yield event
    sound += [chunk.samples.numpy() for chunk in stream.flush()]
    if not sound:
        raise InputError("there is nothing in the answer that can be said")
    write_wav(path, np.concatenate(sound), voice.sample_rate)


def _shown(stream: "ChatStream", args: argparse.Namespace, display: Display) -> "Iterator[TokenEvent]":
    """The same events, each printed when it passes."""
    for event in stream:
        if not args.json:
            display.result(_printable(event.text))
        yield event
    if not args.json:
        display.result("\n")


def _printable(text: str) -> str:
    """Without control characters, which could steer a terminal; line breaks and tabs stay."""
    return "".join(mark for mark in text if mark.isprintable() or mark in "\n\t")


def _as_json(stream: "ChatStream", answer: "ChatAnswer") -> dict[str, Any]:
    values: dict[str, Any] = {"text": answer.text, "reason": answer.reason, "heard": list(stream.transcripts)}
    if answer.tool_calls:
        values["tool_calls"] = [call.to_dict() for call in answer.tool_calls]
    if answer.verdict is not None:
        values["refused"] = list(answer.verdict.categories)
    return values


def _read_history(path: Path) -> list[Any]:
    """Messages of a conversation; a file that is not there yet is an empty one."""
    return [_readable(message) for message in _read_json_list(path)] if path.exists() else []


def _read_json_list(path: Path) -> list[Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # no JSON, or not even text
        raise InputError(f"{path}: is not JSON: {error}") from None
    if not isinstance(values, list):
        raise InputError(f"{path}: holds no list")
    return values


def _readable(message: Any) -> Any:
    """A message of a history file, whose audio is named by `path`: local files, written by this command."""
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    return {**message, "content": [_with_path(part) for part in message["content"]]}


def _with_path(part: Any) -> Any:
    spec = part.get("input_audio") if isinstance(part, dict) else None
    if not isinstance(spec, dict) or not isinstance(spec.get("path"), str):
        return part
    return {"type": "input_audio", "input_audio": {"data": Path(spec["path"])}}


def _writable(value: Any) -> Any:
    """The reverse; audio of standard input cannot be named again and becomes a note."""
    if isinstance(value, list):
        return [_writable(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "input_audio":
        data = value["input_audio"]["data"]
        if isinstance(data, Path):
            return {"type": "input_audio", "input_audio": {"path": str(data)}}
        if not isinstance(data, str):
            return {"type": "text", "text": "(audio from standard input)"}
    return {key: _writable(one) for key, one in value.items()}
