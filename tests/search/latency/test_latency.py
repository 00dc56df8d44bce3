"""Latency by backend: names of figures, answers compared with eager mode, a reference per figure, what is refused."""

import json

import pytest
import torch
from extras import need
from torch import nn

from archspec.documents.reader import parse_document
from archspec.errors import FieldError, RunError, SpecError
from archspec.loader import parse
from archspec.model.build import build
from search.evaluator import parse_evaluator
from search.latency import compile as compiling
from search.latency import onnxruntime as exporting
from search.latency.backend import check_answers
from search.latency.measurement import check_devices, measure_latency, pair
from search.latency.reference import prepare_reference
from search.latency.spec import LatencySpec, figures

SMALL = (
    "resolution: 16\nstem: hr_stem\nstages: [{block: HR, depth: 1, width: 8}]\nhead: {type: classifier, classes: 3}\n"
)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A small spec, which is the reference too."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    monkeypatch.setattr("search.latency.reference.REFERENCE", str(path))
    return parse(parse_document(SMALL, "small"))


def asked(latency):
    return parse_evaluator({"type": "train", "latency": latency})


def test_names_of_figures():
    assert [one.metric.name for one in figures(asked("eager").latency)] == ["latency_ms"]
    listed = [{"backend": "compile", "batch_sizes": [1, 32]}, {"backend": "eager", "batch_sizes": [16, 1]}]
    found = asked([*listed, {"backend": "eager", "device": "cuda:1", "threads": 4}])
    assert [one.metric.name for one in figures(found.latency)] == [
        "latency_compile_b1_ms",
        "throughput_compile_b32",
        "throughput_eager_b16",
        "latency_ms",
        "latency_eager_cuda1_t4_b1_ms",
    ]
    assert [metric.title for metric in found.own_metrics] == [
        "Latency (torch.compile)",
        "Throughput (torch.compile, batch 32)",
        "Throughput (eager, batch 16)",
        "Latency (eager, cuda:1, 4 threads)",
    ]
    assert {one.name: (one.unit, one.direction) for one in found.own_metrics[:2]} == {
        "latency_compile_b1_ms": ("ms", "minimize"),
        "throughput_compile_b32": ("img/s", "maximize"),
    }
    assert found.gives >= {"latency_ms", *(one.name for one in found.own_metrics)}


def test_without_a_figure_of_single_images_there_is_no_latency_ms():
    found = asked({"batch_sizes": [8]})
    assert "latency_ms" not in found.gives
    assert "throughput_eager_b8" in found.gives
    assert [one.metric.name for one in figures(asked({"backend": "compile", "batch_sizes": [8, 1]}).latency)] == [
        "throughput_compile_b8",
        "latency_ms",
    ]


def test_the_default_is_what_was_measured_before():
    found = parse_evaluator("train")
    assert found.own_metrics == ()
    assert found.latency == (
        LatencySpec(backend="eager", batch_sizes=(1,), device="auto", rounds=None, threads=1, ratio=False),
    )
    assert "latency_ms" in found.gives


def test_compiled_and_eager_figures_beside_one_another(small, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "COMPILER", "eager")  # dynamo without a C++ compiler
    network = build(small)
    specs = asked(["eager", {"backend": "compile", "batch_sizes": [1, 4], "rounds": 5}]).latency
    threads = torch.get_num_threads()
    with torch._dynamo.config.patch(recompile_limit=2):  # fewer than the networks below
        found = measure_latency(network, small, tmp_path, specs, rounds=5).metrics
    assert torch.get_num_threads() == threads
    assert set(found) == {
        *("latency_ms", "latency_ratio", "latency_noisy"),
        *("latency_compile_b1_ms", "latency_compile_b1_ratio", "latency_compile_b1_noisy"),
        *("throughput_compile_b4", "throughput_compile_b4_ratio", "throughput_compile_b4_noisy"),
    }
    assert all(value > 0 for name, value in found.items() if not name.endswith("_noisy"))
    for name, backend, batch in (("", "eager", 1), ("_compile_b1", "compile", 1), ("_compile_b4", "compile", 4)):
        (path,) = tmp_path.glob(f"reference{name}.*.json")
        said = json.loads(path.read_text())
        assert (said["backend"], said["batch"], said["threads"], said["resolution"]) == (backend, batch, 1, 16)
    seconds = json.loads(next(tmp_path.glob("reference_compile_b4.*.json")).read_text())["seconds"]
    assert found["throughput_compile_b4"] == pytest.approx(4 / (found["throughput_compile_b4_ratio"] * seconds))
    assert not any(parameter.is_inference() for parameter in network.parameters())
    network(torch.zeros(2, 3, 16, 16)).sum().backward()  # still a network that can be trained and audited


def test_a_network_that_is_no_graph_fails_in_one_line():
    class Branching(nn.Module):
        def forward(self, x):
            return x + 1 if x.sum() > 0 else x

    with pytest.raises(RunError, match=r"^latency: torch\.compile cannot run this network: .+$") as caught:
        compiling.Compile().prepare(Branching(), torch.zeros(1, 3, 4, 4))
    assert "\n" not in str(caught.value)


def test_exported_networks_answer_alike_and_the_reference_is_exported_once(small, tmp_path, monkeypatch, capfd):
    need("onnx")
    specs = asked(["onnxruntime"]).latency
    found = measure_latency(build(small), small, tmp_path, specs, rounds=5).metrics
    assert found["latency_ms"] > 0
    assert json.loads(next(tmp_path.glob("reference.*.json")).read_text())["backend"] == "onnxruntime"
    assert [path.name for path in tmp_path.glob("*.onnx")] == ["reference_onnxruntime_b1_cpu_16px.onnx"]
    monkeypatch.setattr(exporting, "export", None)
    assert prepare_reference(tmp_path, figures(specs)[0], torch.zeros(1, 3, 16, 16))().shape == (1, 3)
    assert capfd.readouterr() == ("", "")


def test_a_network_without_counterpart_fails_in_one_line(tmp_path, monkeypatch):
    def give_up(*_: object, **__: object) -> None:
        raise NotImplementedError("no decomposition of aten::eigvals\n\nmany lines more")

    monkeypatch.setattr(torch.onnx, "export", give_up)
    with pytest.raises(RunError) as caught:
        exporting.export(nn.Identity(), torch.zeros(1, 3, 4, 4), tmp_path / "x.onnx")
    assert str(caught.value) == "latency: this network cannot be exported to ONNX: no decomposition of aten::eigvals"


def test_other_answers_than_in_eager_mode_are_refused():
    answer = torch.tensor([[10.0, -2.0]])
    check_answers("compile", answer + 0.009, answer)
    with pytest.raises(
        RunError, match=r"compile answers otherwise than eager mode: by up to 0\.02, where answers reach 10"
    ):
        check_answers("compile", answer + 0.02, answer)
    with pytest.raises(RunError, match="by up to nan"):
        check_answers("compile", answer * float("nan"), answer)


def test_pairs_are_taken_in_turns():
    said: list[str] = []
    found = pair(lambda: said.append("a"), lambda: said.append("b"), torch.device("cpu"), 5)
    runs = [one for index, one in enumerate(said) if index == 0 or said[index - 1] != one]
    assert runs[-10:] == ["a", "b"] * 5
    assert found.ratio > 0


@pytest.mark.parametrize(
    ("latency", "message"),
    [
        ("onxruntime", r"latency\[0\].backend: unknown backend 'onxruntime' \(did you mean onnxruntime\?\)"),
        ({"batch_sizes": [1, 0]}, r"latency\[0\].batch_sizes\[1\]: must be greater than or equal to 1, not 0"),
        ({"batch_sizes": [8, 8]}, r"latency\[0\].batch_sizes: must differ, not 8, 8"),
        ({"device": "gpu"}, r"latency\[0\].device: must be auto, cpu, mps, or a GPU such as cuda:0, not 'gpu'"),
        ({"threads": 0}, r"latency\[0\].threads: must be greater than or equal to 1, not 0"),
        (["eager", {"rounds": 9}], "latency: measures eager_b1 twice"),
        (3, "latency: must be a backend's name, a mapping with it, or a list of these, not 3"),
    ],
)
def test_refused(latency, message):
    with pytest.raises(FieldError, match=message):
        asked(latency)


def test_a_missing_package_is_refused_with_the_extra(monkeypatch):
    monkeypatch.setattr("search.plugins.find_spec", lambda name: None)
    with pytest.raises(FieldError, match=r"onnxruntime needs the package onnx: pip install 'archspec-vision\[onnx\]'"):
        asked(["eager", "onnxruntime"])


def test_a_device_that_is_not_here_is_refused_before_anything_is_written(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 0)
    with pytest.raises(SpecError, match=r"latency\.device: cuda:3 is not on this machine, which has cpu"):
        asked({"device": "cuda:3"}).check_ready(1)
    asked({"device": "cpu"}).check_ready(1)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    with pytest.raises(SpecError, match="cuda:3 is not on this machine, which has cpu, cuda:0, cuda:1"):
        check_devices(asked({"device": "cuda:3"}).latency)
    check_devices(asked({"device": "cuda:1"}).latency)


def test_onnxruntime_says_where_it_does_not_run(monkeypatch):
    monkeypatch.setattr(exporting, "_providers", lambda: ["CPUExecutionProvider"])
    backend = exporting.OnnxRuntime()
    assert backend.place(torch.device("cpu")).type == "cpu"
    with pytest.raises(RunError, match="runs on cpu and cuda, not on mps"):
        backend.place(torch.device("mps"))
    with pytest.raises(RunError, match="has no CUDAExecutionProvider: pip install onnxruntime-gpu"):
        backend.place(torch.device("cuda:0"))
