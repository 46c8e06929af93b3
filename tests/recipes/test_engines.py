"""Tasks are mapped by one process, several, or Ray, with the same results."""

import importlib.util
import math
import pickle
import sys

import pytest

from recipes.data import engines
from recipes.data.engines import Workers, map_tasks
from speech_core.errors import ConfigError, InputError

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")


def squared(number):
    return number, number * number


def test_one_process_keeps_the_order():
    assert list(map_tasks(squared, [3, 1, 2], Workers())) == [(3, 9), (1, 1), (2, 4)]
    assert list(map_tasks(squared, [], Workers())) == []


@pytest.mark.slow
def test_several_processes_give_the_same_in_any_order():
    assert sorted(map_tasks(math.sqrt, [4, 1, 9], Workers(2))) == [1, 2, 3]


@needs_ray
@pytest.mark.slow
def test_ray_gives_the_same_in_any_order():
    assert sorted(map_tasks(math.sqrt, [4, 1, 9], Workers(1, "ray"))) == [1, 2, 3]


def test_workers_find_what_a_recipe_calls_main(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "squared", squared, raising=False)
    monkeypatch.setattr(squared, "__module__", "__main__")
    pickled = pickle.dumps(squared)
    monkeypatch.undo()
    assert engines._Unpickler(pickled, __name__).load() is squared


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="ray is installed")
def test_a_missing_ray_is_one_line():
    with pytest.raises(ConfigError, match=r"pip install 'llama-speech\[ray\]'"):
        list(map_tasks(squared, [1], Workers(1, "ray")))


def test_what_cannot_be():
    with pytest.raises(InputError, match="0 jobs"):
        Workers(0)
    with pytest.raises(ConfigError, match="use one of processes, ray"):
        Workers(1, "spark")
