"""The device of a training: which there are, whose turn it is, and a run that goes on elsewhere."""

import pytest
import torch

from archspec.errors import FieldError, SpecError
from archspec.loader import load
from search.evaluator import parse_evaluator, renew
from search.evaluators.train import BESIDE, Train
from search.identity import identity
from search.run.pools.workers import ProcessPool
from search.run.worker import Order
from search.train.device import PLACE_VARIABLE, check_name, find_device, sharing_note, worker_place

CPU = torch.device("cpu")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:0", "cuda:12", "xpu:1", "mps"])
def test_names(name: str):
    check_name(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:-1", "cpu:0", "mps:0", "cuda:1000", "CUDA", "cuda:0\n"])
def test_other_names_are_refused(name: str):
    with pytest.raises(FieldError, match=r"device: must be auto, cpu, cuda, cuda:1 \(the second\), mps or xpu, not"):
        check_name(name)


def test_a_misspelt_name_is_refused_with_the_nearest():
    with pytest.raises(FieldError, match=r"not 'cude:1' \(did you mean cuda\?\)"):
        parse_evaluator({"type": "train", "device": "cude:1"})


def test_what_is_not_here_is_refused_with_what_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    monkeypatch.setattr(torch.mps, "is_available", lambda: False)
    with pytest.raises(SpecError, match=r"^evaluator.device: cuda is not available: torch sees cpu alone \(torch "):
        Train.model_validate({"device": "cuda"}).check_ready(1)
    Train.model_validate({"device": "cpu"}).check_ready(1)


@pytest.mark.usefixtures("two_gpus")
def test_workers_take_the_gpus_in_turn():
    assert [find_device("auto", place).index for place in range(4)] == [0, 1, 0, 1]
    assert [str(find_device("cuda", place)) for place in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert {str(find_device("cuda:1", place)) for place in range(3)} == {"cuda:1"}
    assert find_device("cpu", 1) == CPU
    with pytest.raises(FieldError, match=r"cuda:2 is not available: torch sees cpu, cuda:0, cuda:1"):
        find_device("cuda:2")


@pytest.mark.usefixtures("two_gpus")
def test_workers_that_share_say_so_in_the_same_words():
    notes = [sharing_note(torch.device("cuda", place % 2), "auto", place) for place in range(4)]
    line = "note: more workers than devices: they share 2 devices of type cuda"
    assert notes == ["", "", line, line]
    assert not sharing_note(torch.device("cuda", 1), "cuda:1", 3)  # asked for
    assert not sharing_note(CPU, "auto", 3)


def test_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(PLACE_VARIABLE, raising=False)
    assert worker_place() == 0
    monkeypatch.setenv(PLACE_VARIABLE, "3")
    assert worker_place() == 3


def test_a_replacement_has_the_place_of_the_worker_that_was_lost(tmp_path):
    write = "echo $" + PLACE_VARIABLE + " > {folder}/place"
    line = write + "; [ {seed} = 1 ] && kill -9 $PPID; [ {seed} = 0 ] && sleep 3; echo 0"
    evaluator = {"type": "command", "command": ["bash", "-c", line], "resolution": 32}
    spec = load("tiny")
    orders = [Order(spec.canonical(), spec.digest, seed, f"search-seed{seed}", "search") for seed in range(3)]
    with ProcessPool(2, {"search": evaluator}, tmp_path) as pool:
        pool.submit(orders[0])
        pool.submit(orders[1])
        lost: list[int] = []
        while not lost:
            lost += [order.seed for order, report in pool.reports(0.1) if report.kind == "interrupted"]
        assert lost == [1]
        pool.submit(orders[2])
        while pool.busy:
            list(pool.reports(0.1))
    places = [(order.folder(tmp_path) / "place").read_text().strip() for order in orders]
    assert places[0] in "01"
    assert places[1] == places[2] == str(1 - int(places[0]))


def test_a_run_may_go_on_elsewhere():
    first, second = (Train.model_validate({"device": name}) for name in ("cpu", "cuda:1"))
    assert first.record() == second.record() == renew(first.model_dump(mode="json"))
    assert identity(first, BESIDE) == identity(second, BESIDE)
    assert first.record() != parse_evaluator({"type": "train", "recipe": {"lr": 0.1}}).record()
    assert first.record() == parse_evaluator({"type": "train", "recipe": {"workers": 2, "compile": True}}).record()
