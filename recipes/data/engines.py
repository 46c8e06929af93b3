"""Where the stages of data preparation run: processes of this machine, or many machines by Ray Data.

Every stage is a function of one small task that pickles; an engine maps it over the tasks and gives results
as they come. The recipe that started it writes them down and skips what an earlier run wrote, so that any
engine goes on where another stopped. Ray (pip install 'llama-speech[ray]') connects to the cluster of
RAY_ADDRESS, or starts one on this machine; data, models and this checkout must be at the same paths
everywhere.
"""

import io
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, TypeVar

from recipes.loop.options import option
from speech_core.errors import ConfigError, InputError

ENGINES = ("processes", "ray")
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """How many work, and where."""

    jobs: int = option(1, "tasks at a time, each on one core")
    engine: str = option("processes", "of this machine, or ray: those of a Ray cluster", ENGINES)

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise InputError(f"{self.jobs} jobs: at least 1 is needed")
        if self.engine not in ENGINES:
            raise ConfigError(f"engine is {self.engine!r}: use one of {', '.join(ENGINES)}")


def map_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: Workers
) -> Iterator[Result]:
    """The result of each task: in order from one process, in any order else. Function and tasks pickle."""
    if workers.engine == "ray":
        return _with_ray(function, tasks, workers.jobs)
    if workers.jobs == 1:
        return map(function, tasks)
    return _with_processes(function, tasks, workers.jobs)


def _with_processes(function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start_worker) as pool:  # says so when a worker dies
        for done in as_completed([pool.submit(function, task) for task in tasks]):
            yield done.result()


def _start_worker() -> None:
    """One thread each: the processes are the parallelism."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    from recipes.loop.command import configure_logging

    configure_logging()


class _Unpickler(pickle.Unpickler):
    """Finds what a recipe run by `python -m` calls `__main__` in the module it was read from."""

    def __init__(self, data: bytes, main: str) -> None:
        super().__init__(io.BytesIO(data))
        self._main = main

    def find_class(self, module: str, name: str) -> Any:
        """As pickle's, under the true name of the module."""
        return super().find_class(self._main if module == "__main__" else module, name)


class _RayWorker:
    """Calls the function on tasks as Ray Data hands them over; lives as long as the run, with its models."""

    def __init__(self, function: bytes, main: str) -> None:
        _start_worker()
        self._main = main
        self._function: Callable[[Any], Any] = _Unpickler(function, main).load()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"result": pickle.dumps(self._function(_Unpickler(row["task"], self._main).load()))}


def _with_ray(function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    try:
        import ray.data
    except ImportError:
        raise ConfigError("ray is not installed: pip install 'llama-speech[ray]'") from None
    rows = [{"task": pickle.dumps(task)} for task in tasks]
    if not rows:
        return
    ray.data.DataContext.get_current().enable_progress_bars = False
    spec = sys.modules["__main__"].__spec__
    made = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        _RayWorker,
        fn_constructor_args=[pickle.dumps(function), spec.name if spec else "__main__"],
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=jobs),
    )
    for row in made.iter_rows():
        yield pickle.loads(row["result"])
