"""Devices of inference times: a reference time for each model, named with every figure, and said where they differ."""

import json
import os
import threading

import pytest
import torch
from small_layouts import layout, network

from archspec.files.output import write_first
from search.evaluator import Task, parse_evaluator
from search.latency.devices import device_attributes, models_of, reference_file, unlike_note, write_devices
from search.latency.hardware import device_model, read_fields
from search.latency.measurement import Timings, measure_latency
from search.latency.reference import reference_seconds
from search.latency.session import TimingSession, time_network
from search.latency.spec import figures
from search.run.answers import answer_attributes
from search.train.checkpoint import save_checkpoint

SPECS = parse_evaluator("train").latency
FIGURE = figures(SPECS)[0]
IMAGES = torch.zeros(1, 3, 16, 16)
SMALL = layout()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder of a run whose reference network is a small one."""
    path = tmp_path / "small.yaml"
    path.write_text("resolution: 32\nstem: hr_stem\nstages: [{block: HR, depth: 1, width: 8}]\nhead: classifier\n")
    monkeypatch.setattr("search.latency.reference.REFERENCE", str(path))
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture
def be(monkeypatch):
    """Makes this machine's device another model."""
    return lambda name: monkeypatch.setattr("search.latency.measurement.device_model", lambda device: name)


def test_each_device_model_has_a_reference_time_of_its_own(small, be):
    model, found = network(SMALL), []
    for name in ("AMD EPYC 7B13", "NVIDIA H200", "NVIDIA H200"):
        be(name)
        found.append(measure_latency(model, SMALL, small, SPECS, rounds=5))
    assert [one.devices for one in found] == [{"latency_ms": "AMD EPYC 7B13"}, *[{"latency_ms": "NVIDIA H200"}] * 2]
    paths = [reference_file(small, FIGURE, name) for name in ("AMD EPYC 7B13", "NVIDIA H200")]
    assert sorted(small.glob("reference*")) == paths
    assert [path.name for path in paths] == ["reference.amd-epyc-7b13.json", "reference.nvidia-h200.json"]
    seconds = [json.loads(path.read_text())["seconds"] for path in (paths[0], paths[1], paths[1])]
    for one, own in zip(found, seconds, strict=True):
        assert one.metrics["latency_ms"] == pytest.approx(1000 * one.metrics["latency_ratio"] * own)


def test_the_second_model_is_said_and_what_to_do_about_it(small):
    reference_seconds(small, FIGURE, 0.001, IMAGES, "NVIDIA H200")
    on_cpu = figures(parse_evaluator({"type": "train", "latency": ["eager", {"device": "cpu"}]}).latency)[1]
    reference_seconds(small, on_cpu, 0.001, IMAGES, "Intel Xeon 8481C")  # another figure, which is to be of another one
    assert unlike_note(small) == ""
    reference_seconds(small, FIGURE, 0.001, IMAGES, "AMD EPYC 7B13")
    assert unlike_note(small) == (
        "note: inference times of this run are taken on 2 models of devices, AMD EPYC 7B13 and NVIDIA H200: "
        "milliseconds of one do not compare with those of another. `latency_on` has all taken on one kind of node, and "
        "`latency_ratio`, the time beside the reference's on the same device, compares better"
    )


def test_a_reference_of_an_earlier_version_counts_for_the_first_device_of_its_type(small):
    old = {"seconds": 0.5, "reference": "tiny", "resolution": 16, "device": "cuda", "threads": 1}
    (small / "reference.json").write_text(json.dumps(old))
    assert reference_seconds(small, FIGURE, 0.1, IMAGES, "AMD EPYC 7B13") == 0.1  # of another type
    assert models_of(small) == {"reference": ("AMD EPYC 7B13",)}
    (small / "reference.json").write_text(json.dumps(old | {"device": "cpu"}))
    assert reference_seconds(small, FIGURE, 0.2, IMAGES, "Intel Xeon 8481C") == 0.5
    assert reference_seconds(small, FIGURE, 0.3, IMAGES, "Apple M2") == 0.3
    assert reference_seconds(small, FIGURE, 0.4, IMAGES, "Intel Xeon 8481C") == 0.5
    assert models_of(small) == {"reference": ("AMD EPYC 7B13", "Apple M2", "Intel Xeon 8481C")}
    assert not (small / "reference.json").exists()


def test_of_many_that_measure_at_the_same_time_one_is_the_first(small):
    begin, found = threading.Barrier(8), []

    def measure(seconds):
        begin.wait()
        found.append(reference_seconds(small, FIGURE, seconds, IMAGES, "NVIDIA H200"))

    threads = [threading.Thread(target=measure, args=(float(number),)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in small.iterdir()] == ["reference.nvidia-h200.json"]


def test_the_first_writer_counts_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for text in ("first", "second"):
        write_first(tmp_path / "a", text)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "first")]


def test_the_device_stands_with_the_answer_of_a_trial(small, tmp_path, be):
    be("NVIDIA H200")
    task = Task(SMALL, 0, tmp_path, small)
    metrics = time_network(network(SMALL), task, SPECS, 5)
    assert answer_attributes(metrics, tmp_path) == {**metrics, "devices": {"latency_ms": "NVIDIA H200"}}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"latency_ms": 3}'])
def test_a_record_of_devices_that_says_nothing_is_none(tmp_path, text):
    (tmp_path / "devices.json").write_text(text)
    assert device_attributes(tmp_path) == {}
    write_devices(tmp_path, {"latency_ms": "NVIDIA H200"})
    assert device_attributes(tmp_path) == {"devices": {"latency_ms": "NVIDIA H200"}}


def test_a_measurement_by_itself_is_of_the_trained_weights(small, tmp_path, monkeypatch):
    model, timed = network(SMALL), []
    save_checkpoint(tmp_path / "checkpoint.pt", {"ema": model.state_dict()})

    def measure(found, *_, **__):
        timed.append(found)
        return Timings({"latency_ms": 1.0}, {"latency_ms": "NVIDIA H200"})

    monkeypatch.setattr("search.latency.session.measure_latency", measure)
    session = TimingSession("cpu", SPECS, 5)
    assert session.evaluate(Task(SMALL, 0, tmp_path, small), lambda: False, lambda _: None) == {"latency_ms": 1.0}
    assert all(torch.equal(one, two) for one, two in zip(timed[0].parameters(), model.parameters(), strict=True))


def test_models_of_devices(monkeypatch):
    text = "processor\t: 0\nmodel name\t: AMD EPYC 7B13\n\nprocessor\t: 1\nmodel name\t: Another\n"
    assert read_fields(text)["model name"] == "AMD EPYC 7B13"
    board = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"
    assert read_fields(board)["Model"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert device_model(torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f" NVIDIA  H200 {device.index}")
    assert device_model(torch.device("cuda:1")) == "NVIDIA H200 1"
