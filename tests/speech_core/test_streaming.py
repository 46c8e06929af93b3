"""The streaming contract: `run` joins what a stream gives, and pushes nothing twice."""

from speech_core.streaming import Stream, run


class Words:
    """Letters in, whole words out."""

    def __init__(self) -> None:
        self.rest = ""

    def push(self, chunk: str, /) -> list[str]:
        *words, self.rest = (self.rest + chunk).split(" ")
        return words

    def flush(self) -> list[str]:
        rest, self.rest = self.rest, ""
        return [rest] if rest else []


def words(chunks: list[str]) -> list[str]:
    stream: Stream[str, str] = Words()
    return run(stream, chunks)


def test_run_gives_all_outputs_and_flushes():
    assert words(["a ca", "t s", "", "at"]) == ["a", "cat", "sat"]
    assert words([]) == []


def test_run_takes_chunks_one_at_a_time():
    taken: list[str] = []

    def chunks():
        for chunk in ("a b", "c"):
            taken.append(chunk)
            yield chunk

    class Watched(Words):
        def push(self, chunk: str, /) -> list[str]:
            assert taken[-1] == chunk, "the next chunk was taken before this one was pushed"
            return super().push(chunk)

    assert run(Watched(), chunks()) == ["a", "bc"]
    assert taken == ["a b", "c"]
