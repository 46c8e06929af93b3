"""A component comes back from disk as it was; all else is refused with one line; nothing is unpickled."""

import json
import multiprocessing
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from speech_core.checkpoint import (
    config_from_dict,
    config_to_dict,
    convert_weights,
    count_weights,
    load_config,
    load_weights,
    read_json,
    save_component,
    weights_storage,
    write_json,
)
from speech_core.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class Inner:
    width: int = 3
    name: str = "größe"


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    other: Inner | None = None
    rates: tuple[float, ...] = (0.5, 0.25)
    size: int = 2

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"size is {self.size}, must be positive")


class Model(nn.Module):
    ids: torch.Tensor

    def __init__(self, width: int = 4, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.linear = nn.Linear(3, width)
        self.register_buffer("ids", torch.arange(width) + 100_000)


@pytest.fixture
def folder(tmp_path):
    save_component(tmp_path / "part", Model(), Outer(), {"step": 7})
    return tmp_path / "part"


def refusal(call) -> str:
    """The one line with which a call is refused."""
    with pytest.raises(CheckpointError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_saved_and_loaded_are_equal(folder):
    model = Model(seed=1)
    load_weights(folder, model)
    wanted = Model().state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in model.state_dict().items())
    assert load_config(folder, Outer) == Outer()
    assert read_json(folder / "training.json") == {"step": 7}
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "training.json",
    ]


def stored_size(folder) -> int:
    return int((folder / "model.safetensors").stat().st_size)


@pytest.mark.parametrize(
    ("storage", "bytes_of_a_weight", "error"), [("float16", 2, 2**-11), ("int8", 1, 1 / 127 / 2 + 1e-6)]
)
def test_fewer_bits_take_less_room_and_round_matrices_alone(tmp_path, storage, bytes_of_a_weight, error):
    model = Model(width=4096)
    save_component(tmp_path / "full", model, Outer(), {})
    save_component(tmp_path / "small", model, Outer(), {}, storage)
    factors = 4 * 4096 if storage == "int8" else 0
    saved = (4 - bytes_of_a_weight) * 3 * 4096 - factors
    assert stored_size(tmp_path / "full") - stored_size(tmp_path / "small") == pytest.approx(saved, abs=200)
    other = Model(width=4096, seed=1)
    load_weights(tmp_path / "small", other)
    assert other.linear.weight.dtype == torch.float32
    largest = model.linear.weight.abs().amax(1, keepdim=True)
    assert bool(((other.linear.weight - model.linear.weight).abs() <= error * largest).all())
    assert not torch.equal(other.linear.weight, model.linear.weight)
    assert torch.equal(other.linear.bias, model.linear.bias)  # vectors and whole numbers as they were
    assert torch.equal(other.ids, model.ids)
    assert torch.equal(model.linear.weight, Model(width=4096).linear.weight)  # the model saved is not changed


def test_a_row_of_zeros_in_8_bits_stays_zero(tmp_path):
    model = Model()
    with torch.no_grad():
        model.linear.weight[2] = 0
    save_component(tmp_path, model, Outer(), {}, "int8")
    other = Model(seed=1)
    load_weights(tmp_path, other)
    assert torch.equal(other.linear.weight[2], torch.zeros(3))
    assert bool(torch.isfinite(other.linear.weight).all())


def test_convolutions_go_through_8_bits(tmp_path):
    torch.manual_seed(0)
    model, other = nn.Conv1d(6, 5, 3), nn.Conv1d(6, 5, 3)
    save_component(tmp_path, model, Outer(), {}, "int8")
    load_weights(tmp_path, other)
    error = (other.weight - model.weight).detach().abs()
    assert float(error.max()) < float(model.weight.detach().abs().max()) / 127


def test_another_storage_is_refused(tmp_path):
    assert "float16" in refusal(lambda: save_component(tmp_path, Model(), Outer(), {}, "float8"))
    assert not list(tmp_path.iterdir())


def test_configurations_go_through_json_and_back():
    value = Outer(Inner(5), Inner(6, "x"), (1.0,), 9)
    assert config_from_dict(Outer, json.loads(json.dumps(config_to_dict(value)))) == value


def test_weights_of_another_model_are_refused(folder):
    line = refusal(lambda: load_weights(folder, Model(width=5)))
    assert "another model" in line
    assert "(4,), expected (5,)" in line
    extra = Model()
    extra.surplus = nn.Linear(2, 2)
    assert "surplus.bias" in refusal(lambda: load_weights(folder, extra))
    fewer = Model()
    del fewer.linear
    assert "linear.bias" in refusal(lambda: load_weights(folder, fewer))


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "missing"])
def test_damaged_weights_are_refused(folder, damage):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    broken = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"not weights at all", "missing": None}
    content = broken[damage]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    model = Model(seed=1)
    assert str(path) in refusal(lambda: load_weights(folder, model))
    assert torch.equal(model.linear.weight, Model(seed=1).linear.weight)  # untouched


def test_a_pickle_is_refused_and_never_run(folder, tmp_path):
    trace = tmp_path / "trace"

    class Trap:
        def __reduce__(self):
            return (open, (str(trace), "w"))

    torch.save({"linear.weight": Trap()}, folder / "model.safetensors")
    assert "damaged" in refusal(lambda: load_weights(folder, Model()))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"size": 2, "depth": 1}', "no field depth"),
        ('{"inner": {"wide": 3}}', "Inner has no field wide"),
        ('{"size": "two"}', "config.json"),
        ("[1, 2]", "config.json"),
        ('{"size": 2', "not JSON"),
        ("", "not JSON"),
        (None, "missing"),
    ],
)
def test_wrong_configurations_are_refused(folder, content, words):
    path = folder / "config.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert words in refusal(lambda: load_config(folder, Outer))


def test_impossible_sizes_are_refused_by_their_own_check(folder):
    (folder / "config.json").write_text('{"size": 0}')
    with pytest.raises(ConfigError, match="size is 0"):
        load_config(folder, Outer)


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"ü": [1, 2.5, None]})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_json(path, {"bad": object()})
    assert path.read_bytes() == before
    assert read_json(path) == {"ü": [1, 2.5, None]}
    with pytest.raises(ValueError, match="JSON"):  # NaN is no JSON; other readers would choke on it
        write_json(path, {"loss": float("nan")})
    assert path.read_bytes() == before


def test_processes_may_write_the_same_json_at_the_same_time(tmp_path):
    path, context = tmp_path / "run.json", multiprocessing.get_context("spawn")  # a fork copies held locks
    together = context.Barrier(3)
    writers = [context.Process(target=write_often, args=(path, together)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert read_json(path) == {"a": list(range(50))}
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def write_often(path, together) -> None:
    together.wait(timeout=60)  # seconds; processes take some to start
    for _ in range(200):
        write_json(path, {"a": list(range(50))})


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_weights_stored_another_way_are_as_if_saved_that_way(folder, tmp_path, storage):
    """Same values, whatever the way; a second conversion changes nothing more."""
    save_component(tmp_path / "wanted", Model(), Outer(), {}, storage)
    for source in (folder, tmp_path / "wanted"):
        (tmp_path / "got").mkdir(exist_ok=True)
        convert_weights(source / "model.safetensors", tmp_path / "got" / "model.safetensors", storage)
        assert weights_storage(tmp_path / "got" / "model.safetensors") == storage
        assert count_weights(tmp_path / "got" / "model.safetensors") == 3 * 4 + 4
        wanted, got = Model(seed=1), Model(seed=2)
        load_weights(tmp_path / "wanted", wanted)
        load_weights(tmp_path / "got", got)
        for name, tensor in wanted.state_dict().items():
            assert torch.equal(tensor, got.state_dict()[name]), name


def test_conversion_refuses_what_it_cannot_do(folder, tmp_path):
    target = tmp_path / "model.safetensors"
    assert "use one of float32" in refusal(
        lambda: convert_weights(folder / "model.safetensors", target, "int4")
    )
    assert "is missing" in refusal(lambda: convert_weights(folder / "none", target, "int8"))
    assert not target.exists()
