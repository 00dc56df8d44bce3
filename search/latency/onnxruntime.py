"""Backend `onnxruntime`: the network exported to ONNX, run by ONNX Runtime."""

import logging
import os
import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from archspec.errors import RunError
from search.latency.backend import Backend, Inference, first_line

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@final
class OnnxRuntime(Backend):
    """ONNX Runtime on a CPU, or on an NVIDIA GPU where its package has that provider; a graph per size of batch."""

    name = "onnxruntime"
    packages = ("onnx", "onnxscript", "onnxruntime")

    def place(self, device: "torch.device") -> "torch.device":
        if device.type not in ("cpu", "cuda"):
            raise RunError(f"latency: onnxruntime runs on cpu and cuda, not on {device}: state `device: cpu`")
        if device.type == "cuda" and CUDA not in _providers():
            rule = f"latency: this onnxruntime has no {CUDA}: pip install onnxruntime-gpu, or state `device: cpu`"
            raise RunError(rule)
        return device

    def prepare(self, network: "nn.Module", images: "Tensor", kept: Path | None = None) -> Inference:
        if kept is not None and kept.exists():
            return open_exported(kept, images)
        with tempfile.TemporaryDirectory(prefix=".archspec-", dir=None if kept is None else kept.parent) as folder:
            path = Path(folder) / "network.onnx"
            export(network, images, path)
            inference = open_exported(path, images)
            if kept is not None:
                os.replace(path, kept)
            return inference


def export(network: "nn.Module", images: "Tensor", path: Path) -> None:
    """Write `network`, for batches such as `images`, as an ONNX file.

    Raises:
        RunError: an operator of it has no counterpart there.
    """
    import torch

    try:
        with _silence(), torch.no_grad():
            program = torch.onnx.export(network, (images.contiguous(),), None, dynamo=True, verbose=False)
            assert program is not None
            program.save(str(path))
    except Exception as error:  # whatever part of the exporter gives up
        raise RunError(f"latency: this network cannot be exported to ONNX: {first_line(error)}") from error


def open_exported(path: Path, images: "Tensor") -> Inference:
    """The inference of `images` by the network in an ONNX file, on the device of the images.

    Uses as many threads as torch does at the moment.
    """
    import torch

    runtime = _runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.log_severity_level = 3
    device = images.device
    chosen: list[Any] = [CPU] if device.type == "cpu" else [(CUDA, {"device_id": device.index or 0}), CPU]
    session = runtime.InferenceSession(str(path), options, providers=chosen)
    name, answer = session.get_inputs()[0].name, session.get_outputs()[0].name
    values = images.detach().contiguous().cpu().numpy()
    if device.type == "cpu":
        return lambda: torch.from_numpy(session.run([answer], {name: values})[0])
    return _bound(session, name, answer, values, device.index or 0)


def _bound(session: Any, name: str, answer: str, values: Any, index: int) -> Inference:
    """An inference whose images lie on a GPU, where its answer stays until it is asked for."""
    import torch

    binding = session.io_binding()
    binding.bind_ortvalue_input(name, _runtime().OrtValue.ortvalue_from_numpy(values, "cuda", index))
    binding.bind_output(answer, "cuda", index)

    def run() -> "torch.Tensor":
        session.run_with_iobinding(binding)
        return torch.from_numpy(binding.copy_outputs_to_cpu()[0])

    return run


def _providers() -> list[str]:
    return list(_runtime().get_available_providers())


def _runtime() -> Any:
    """The package onnxruntime, of an extra; pyright would take this module for it."""
    return import_module("onnxruntime")


@contextmanager
def _silence() -> Generator[None]:
    """Keep the exporter's remarks from the terminal: they speak of its own parts, not of the network."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            open(os.devnull, "w") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
