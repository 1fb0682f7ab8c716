"""Which GPU a worker takes: what Spark gave the task, then the environment, else none."""

import sys
from types import SimpleNamespace

import pytest

from pyfunc_models.engines import device
from pyfunc_models.engines.device import Device


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", device.DEVICE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch):
    """Pretend to be in a Spark task with these GPU addresses and CPUs."""

    def enter(addresses: list[str] | None, cpus: int = 1) -> None:
        resources = {} if addresses is None else {"gpu": SimpleNamespace(addresses=addresses)}
        context = SimpleNamespace(resources=lambda: resources, cpus=lambda: cpus)
        module = SimpleNamespace(TaskContext=SimpleNamespace(get=lambda: context))
        monkeypatch.setitem(sys.modules, "pyspark.taskcontext", module)

    return enter


def test_without_spark_and_without_a_word_it_is_the_cpu() -> None:
    assert device.current().kind == "cpu"


def test_the_address_that_spark_gave_decides(task) -> None:
    task(["1"])
    assert str(device.current()) == "cuda:1"


def test_the_next_task_of_the_same_process_may_get_another_gpu(task) -> None:
    task(["1"])
    assert str(device.current()) == "cuda:1"
    task(["0"])
    assert str(device.current()) == "cuda:0"


def test_sparks_address_is_counted_inside_the_visible_devices(task, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    task(["3"])
    assert str(device.current()) == "cuda:1"


def test_the_environment_gives_a_gpu_where_spark_gives_none(task, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    task(None)
    assert str(device.current()) == "cuda:0"


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_devices_are_no_devices(monkeypatch, hidden: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert device.current().kind == "cpu"


def test_a_person_can_force_the_device(task, monkeypatch) -> None:
    task(["1"])
    monkeypatch.setenv(device.DEVICE_VARIABLE, "cpu")
    assert device.current().kind == "cpu"
    monkeypatch.setenv(device.DEVICE_VARIABLE, "cuda:7")
    assert device.current().index == 7


@pytest.mark.parametrize("wrong", ["gpu", "cuda:x", "cpu:1"])
def test_a_device_that_is_none_is_refused(monkeypatch, wrong: str) -> None:
    monkeypatch.setenv(device.DEVICE_VARIABLE, wrong)
    with pytest.raises(ValueError, match="write 'cpu', 'cuda' or 'cuda:1'"):
        device.current()


def test_an_address_that_torch_cannot_count_is_refused(task) -> None:
    task(["GPU-1f2e"])
    with pytest.raises(ValueError, match="discovery script"):
        device.current()


def test_threads_are_the_cpus_of_the_task(task) -> None:
    task(None, cpus=3)
    assert device.current() == Device("cpu", 0, threads=3)


def test_a_worker_settles_once_and_a_notebook_never(task, monkeypatch) -> None:
    frozen: list[bool] = []
    monkeypatch.setattr(device.gc, "freeze", lambda: frozen.append(True))
    monkeypatch.setattr(device, "_settled", False)
    device.settle()
    assert frozen == []
    task(None)
    device.settle()
    device.settle()
    assert frozen == [True]
