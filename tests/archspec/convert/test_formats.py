"""Files of weights that are not what their name says, and names that a wrapper put something before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from archspec.convert.convert import read_state
from archspec.errors import RunError, SpecError
from archspec.loader import load
from archspec.model.build import build
from archspec.model.weights import foreign_format, restore, save, strip_prefix

STATE = {"stem.weight": torch.ones(2), "head.bias": torch.zeros(1)}


def test_formats_are_told_from_names(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "a.safetensors")
    save_file(STATE, tmp_path / "b.pth")
    torch.save(STATE, tmp_path / "c.safetensors", _use_new_zipfile_serialization=False)
    (tmp_path / "d.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (tmp_path / "e.pth").write_bytes(b"")
    (tmp_path / "f.pth").write_bytes(b"<!DOCTYPE html>\n")
    for name, rule in {
        "a.safetensors": "not a safetensors file: it looks like one that torch.save wrote",
        "b.pth": "not a file that torch.save wrote: it looks like a safetensors file",
        "c.safetensors": "not a safetensors file: it looks like one that torch.save wrote",
        "d.safetensors": "not a safetensors file: it looks like a pointer of Git LFS: fetch the file itself",
        "e.pth": "not a file that torch.save wrote: it is empty",
        "f.pth": "not a file that torch.save wrote: it looks like a web page",
    }.items():
        with pytest.raises(SpecError) as refused:
            read_state(tmp_path / name)
        assert str(refused.value) == f"{tmp_path / name}: cannot be read as a state dict: {rule}"
    for name in ("a.pth", "b.safetensors"):
        (torch.save if name == "a.pth" else save_file)(STATE, tmp_path / name)
        assert foreign_format(tmp_path / name) == ""
        assert read_state(tmp_path / name).keys() == STATE.keys()


def test_a_pair_whose_weights_torch_wrote_says_so(tmp_path: Path) -> None:
    network = build(load("tiny"))
    save(network, tmp_path / "net.safetensors")
    torch.save(network.state_dict(), tmp_path / "net.safetensors")
    with pytest.raises(RunError, match=r"net\.safetensors: not a safetensors file: it looks like one that torch"):
        restore(tmp_path / "net")


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "backbone.", "ema.", "_orig_mod.", "module._orig_mod.", "net."]
)
def test_a_common_prefix_is_taken_off(prefix: str) -> None:
    wrapped = {prefix + name: tensor for name, tensor in STATE.items()}
    found, said = strip_prefix({**wrapped, "n_averaged": torch.tensor(3)})
    assert (found.keys(), said) == (STATE.keys(), prefix)
    assert strip_prefix(STATE) == (STATE, "")
    assert strip_prefix({**wrapped, "other.x": torch.ones(1)})[1] == ""
    assert strip_prefix({"a.b": torch.ones(1)})[1] == ""


def test_weights_of_a_wrapped_network_are_restored(tmp_path: Path) -> None:
    network = build(load("tiny"))
    save(network, tmp_path / "net.safetensors")
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    save_file(state, tmp_path / "net.safetensors", {"archspec_digest": network.spec.digest})
    assert torch.equal(next(restore(tmp_path / "net").parameters()), next(network.parameters()))
