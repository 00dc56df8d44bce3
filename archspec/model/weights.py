"""Weights on disk: safetensors beside the spec they belong to."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.errors import RunError, SpecError
from archspec.files.os_errors import unwritable
from archspec.files.output import write_whole
from archspec.files.ownership import OutputCommand, Signature, check_replaceable, write_marked
from archspec.loader import dump, load
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor

    from archspec.model.network import Network

WEIGHTS, SPEC = ".safetensors", ".yaml"
INSIDE = f"model{WEIGHTS}"
"""Name of the weights in a folder."""
MAX_HEADER = 100_000_000
"""Bytes of a header that the format allows."""
COUNTER = "n_averaged"
"""An entry of torch's averaged models that belongs to no network."""
_ENDINGS = frozenset({WEIGHTS, SPEC, ".yml", ".json", ".pt", ".pth", ".bin"})
_UNSIGNED = "0" * 16
_SIGNED = re.compile(rb'"archspec_sha256":"([0-9a-f]{16})"')
_WRITTEN_BY = re.compile(rb'"archspec_by":"([a-z]+)"')


def save(network: Network, path: str | Path, *, force: bool = False) -> tuple[Path, Path]:
    """Write the weights of a network, and beside them its spec in canonical form.

    What an earlier `save` wrote there, and nobody changed since, is replaced.

    Args:
        network: what `build` gave, wherever its parameters are.
        path: a file that ends in `.safetensors`, whose spec ends in `.yaml`; anything else is a folder, which gets
            `model.safetensors` and `model.yaml`.
        force: replace other files of these names, too.

    Returns:
        The two files; each appears whole or not at all.

    Raises:
        SpecError: the folder cannot be written, or a file would be lost.
        RunError: the disk is full.
    """
    path = Path(path)
    weights = path if path.suffix == WEIGHTS else path / INSIDE
    return write_pair(network, weights, OutputCommand("save", force, "force=True"))


def pair(path: Path) -> tuple[Path, Path]:
    """The weights and the spec that a command writes to `path`, of which an ending that names a format is replaced.

    Raises:
        SpecError: `path` names no file.
    """
    if path.name in ("", ".."):
        raise SpecError("names no file", source=str(path))
    stem = path.with_suffix("") if path.suffix.lower() in _ENDINGS and path.stem else path
    return stem.with_name(f"{stem.name}{WEIGHTS}"), stem.with_name(f"{stem.name}{SPEC}")


def check_pair(spec: ArchSpec, weights: Path, command: OutputCommand, reads: Iterable[str | Path] = ()) -> None:
    """Refuse, before any work, to write weights and the spec beside them where something would be lost.

    Raises:
        SpecError: it would.
        RunError: a file that is there cannot be read.
    """
    check_replaceable(weights.with_suffix(SPEC), command, text=dump(spec, "canonical"), reads=reads)
    check_replaceable(weights, command, read_signature, reads=reads)


def write_pair(
    network: Network, weights: Path, command: OutputCommand, reads: Iterable[str | Path] = ()
) -> tuple[Path, Path]:
    """Write the weights of a network and the spec beside them, unless something would be lost; see `check_pair`.

    Returns:
        The two files; each appears whole or not at all.

    Raises:
        SpecError: something would be lost, or the folder cannot be written.
        RunError: the disk is full.
    """
    reads, written = list(reads), weights.with_suffix(SPEC)
    check_pair(network.spec, weights, command, reads)
    try:
        weights.parent.mkdir(parents=True, exist_ok=True)
        write_whole(weights, lambda partial: _write_signed(network, partial, command))
    except OSError as error:
        raise unwritable(error, weights) from None
    write_marked(written, dump(network.spec, "canonical"), command, reads)
    return weights, written


def read_signature(path: Path) -> Signature | None:
    """The signature of a safetensors file; None where archspec has not written it.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = file.read(min(size, MAX_HEADER))
    found, by = _SIGNED.search(header), _WRITTEN_BY.search(header)
    if found is None or by is None:
        return None
    return Signature(by[1].decode(), _digest(path, 8 + found.start(1)).encode() == found[1])


def _write_signed(network: Network, partial: Path, command: OutputCommand) -> None:
    """Write a safetensors file whose metadata hold the digest of everything else in it."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    metadata = {"archspec_digest": network.spec.digest, "archspec_sha256": _UNSIGNED, "archspec_by": command.name}
    try:
        save_file(state, partial, metadata=metadata)
    except SafetensorError as error:  # the library has no other way to say that the disk is full
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]) if number else errno.EIO, str(error).partition(" (os error")[0]) from None
    with partial.open("r+b") as file:
        found = _SIGNED.search(file.read(MAX_HEADER))
        if found is not None:
            file.seek(found.start(1))
            file.write(_digest(partial, found.start(1)).encode())


def _digest(path: Path, place: int) -> str:
    """The digest of a file, as if that at `place` in it were not set yet."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        state.update(file.read(place))
        file.seek(len(_UNSIGNED), os.SEEK_CUR)
        state.update(_UNSIGNED.encode())
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()[: len(_UNSIGNED)]


def restore(path: str | Path) -> Network:
    """Build the network that `save` or `archspec build --out` wrote, with its weights, in evaluation mode.

    Args:
        path: the weights, the spec beside them, what both are called without ending, or the folder of `save`.

    Raises:
        SpecError: no spec, or a spec that breaks a rule.
        RunError: weights that are missing, damaged, or of another spec.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    weights = path / INSIDE if path.is_dir() else pair(path)[0]
    if not weights.is_file() and (other := path.with_suffix(WEIGHTS)).is_file():  # beside a folder of that name
        weights = other
    spec = load(weights.with_suffix(SPEC))
    try:
        with safe_open(weights, "pt") as file:
            digest = (file.metadata() or {}).get("archspec_digest")
            if digest != spec.digest:
                raise RunError(f"{weights}: holds weights of digest {digest}, the spec beside it has {spec.digest}")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        reason = foreign_format(weights) or f"cannot be loaded: {str(error).splitlines()[0]}"
        raise RunError(f"{weights}: {reason}") from None
    return with_weights(spec, state, weights)


def with_weights(spec: ArchSpec, state: dict[str, Tensor], source: Path) -> Network:
    """The network of a spec with the tensors of `state`, which `source` held, in evaluation mode.

    Raises:
        RunError: tensors of another network.
    """
    from archspec.model.build import build

    network = build(spec, init="skip").eval()
    if state.keys() != network.state_dict().keys():
        state = strip_prefix(state)[0]
    try:
        network.load_state_dict(state)
    except RuntimeError as error:  # torch's first line names the class alone
        reason = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise RunError(f"{source}: cannot be loaded: {reason:.300}") from None
    return network


def strip_prefix(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """A state dict without the words that all its names begin with, and these: `module.` of a wrapped network.

    A wrapper's count of averaged steps, which stands beside the network, goes with it.
    """
    names = [name for name in state if name != COUNTER]
    prefix = ""
    while len(names) > 1 and len(first := {name.partition(".")[0] for name in names}) == 1:
        word = first.pop() + "."
        if not all(name.startswith(word) and len(name) > len(word) for name in names):
            break
        prefix, names = prefix + word, [name.removeprefix(word) for name in names]
    if not prefix:
        return dict(state), ""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name != COUNTER}, prefix


def foreign_format(path: Path) -> str:
    """The format of a file of weights where it is not the one that its name says, as a rule; else empty."""
    named = "a safetensors file" if path.suffix == WEIGHTS else "one that torch.save wrote"
    try:
        found = _format(path)
    except OSError:
        return ""
    if not found or found == named:
        return ""
    return f"not {named.replace('one', 'a file')}: {found if found.startswith('it ') else f'it looks like {found}'}"


def _format(path: Path) -> str:
    """The format that the first bytes of a file speak of; empty where they speak of none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "it is empty"
    if start[:4] == b"PK\x03\x04":
        return "a file of NumPy arrays" if b".npy" in start else "one that torch.save wrote"
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "one that torch.save wrote"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= min(size - 8, MAX_HEADER):
        return "a safetensors file"
    known = {b"\x89HDF": "an HDF5 file", b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself"}
    known |= {b"<!DOCTYPE": "a web page", b"<html": "a web page"}
    return next((text for head, text in known.items() if start.startswith(head)), "")
