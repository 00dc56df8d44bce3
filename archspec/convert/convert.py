"""Published weights under archspec's names: a state dict of a known family, checked tensor by tensor.

A family is one file in `archspec/convert/timm`, found by its being there, with `convert(state, spec)`: tensors by the
source's names -> tensors by the names of the network that `spec` describes, and `original(name, spec)`, the source's
name of what messages speak of.
"""

from __future__ import annotations

import os
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, cast, final

from archspec.convert import timm
from archspec.convert.problems import Original, find_problems, name_first
from archspec.documents.paths import suggest
from archspec.documents.wording import either
from archspec.errors import SpecError
from archspec.files.ownership import OutputCommand
from archspec.loader import load
from archspec.model.weights import foreign_format
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

SOURCES = ("timm",)
COUNTER = "num_batches_tracked"
"""How often batch norm was trained: older checkpoints lack it, and nothing here reads it."""
_WRAPPERS = ("state_dict", "model", "state_dict_ema", "model_ema", "ema")
"""Under these keys training scripts keep the state dict of a checkpoint; the first that is there counts."""

Conversion = Callable[[Mapping[str, "Tensor"], ArchSpec], dict[str, "Tensor"]]
Tell = Callable[[str], None]
_HEAD = "head."
_PROFILED = ("total_ops", "total_params")
"""Buffers that the profiler thop leaves in every module of a network."""
_LIST = re.compile(r"(stem|stages|layers)_(\d+)\.")
"""A part of timm's networks with `features_only`, which writes an underscore where the others have a point."""


def convert_file(
    source: str,
    weights: Path,
    out: Path,
    family: str | None = None,
    *,
    force: bool = False,
    tell: Tell | None = None,
) -> tuple[Path, Path]:
    """Write the weights of a file as `out`.safetensors with the spec `out`.yaml; see `archspec.model.weights`.

    Args:
        source: what `load` takes: the network, which must have the tensors of the file.
        weights: a state dict, as `.safetensors`, or as `.pth`, `.pt` or `.bin` without anything but tensors.
        out: the files to write; an ending that names a format is replaced.
        family: see `families`; the beginning of the spec's name when None.
        force: replace files that no conversion wrote.
        tell: what is given a line about what was left out or taken off.

    Raises:
        SpecError: no family, a file that cannot be read or written or would be lost, or tensors of another network.
        RunError: the disk is full.
    """
    from archspec.model.build import build
    from archspec.model.weights import check_pair, pair, strip_prefix, write_pair

    spec, command = load(source), OutputCommand("convert", force)
    family, target = find_family(spec, family), pair(out)[0]
    if target.resolve() == weights.resolve():
        raise SpecError("would overwrite the weights that it reads", field="--out", source=str(out))
    check_pair(spec, target, command, [source])
    network = build(spec, init="skip")
    try:
        state, prefix = strip_prefix(read_state(weights))
        if prefix and tell is not None:
            tell(f"all names in {weights} begin with {prefix}, which was taken off")
        network.load_state_dict(convert(state, spec, network, family, tell))
    except SpecError as error:
        raise SpecError(error.rule, source=error.source or str(weights)) from None
    return write_pair(network, target, command, [source])


def convert(
    state: Mapping[str, Tensor], spec: ArchSpec, network: nn.Module, family: str, tell: Tell | None = None
) -> dict[str, Tensor]:
    """The tensors of `state` by their names in `network`, each of its own exactly once.

    Where the spec has no head, the tensors of the source's are left out.

    Args:
        state: tensors by the source's names.
        spec: the network.
        network: what was built from `spec`, on any device.
        family: see `families`.
        tell: what is given a line about what was left out.

    Raises:
        SpecError: tensors that are missing, unexpected, of another shape or used twice, by name.
    """
    own = _without_profiler(state)
    if len(own) < len(state) and tell is not None:
        tell(f"left out: {len(state) - len(own)} buffers of a profiler, {' and '.join(_PROFILED)}")
    converted, unread = _renamed(own, spec, family)
    expected = network.state_dict()
    original = Original(spec, getattr(import_module(f"{timm.__name__}.{family}"), "original", None))
    if spec.head is None and (heads := [name for name in converted if name.startswith(_HEAD)]):
        converted = {name: tensor for name, tensor in converted.items() if name not in heads}
        if tell is not None:
            tell(f"left out, since the spec has no head: {name_first(heads, original.there)}")
    for name, tensor in expected.items():
        if name.endswith(f".{COUNTER}"):
            converted.setdefault(name, tensor.new_zeros(tensor.shape, device="cpu"))
    problems = find_problems(converted, expected, unread, original)
    if problems:
        raise SpecError(f"is not the {family} of {spec.name}: {'; '.join(problems)}")
    return converted


def convert_names(state: Mapping[str, Tensor], spec: ArchSpec, family: str) -> dict[str, Tensor]:
    """The tensors of `state` under archspec's names as far as the family has them, whatever their number and shapes.

    Args:
        state: tensors by the source's names, on any device.
        spec: the network that they are for.
        family: see `families`.

    Raises:
        SpecError: a tensor is missing that others are made with.
    """
    converted, unread = _renamed(_without_profiler(state), spec, family)
    return converted | {name: state[name] for name in unread if name in state}


def _without_profiler(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name.rpartition(".")[2] not in _PROFILED}


def _renamed(state: Mapping[str, Tensor], spec: ArchSpec, family: str) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors by the names of a family's conversion, and the source's names of those that it did not ask for."""
    conversion = cast("Conversion", import_module(f"{timm.__name__}.{family}").convert)
    read = _Read({_LIST.sub(r"\1.\2.", name, count=1): tensor for name, tensor in state.items()})
    try:
        converted = conversion(read, spec)
    except KeyError as error:
        raise SpecError(f"is not the {family} of {spec.name}: no tensor {error.args[0]}") from None
    return converted, [name for name in read if name not in read.names]


def families() -> tuple[str, ...]:
    """Names of the families that can be converted, sorted."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(timm.__path__)))


def find_family(spec: ArchSpec, asked: str | None = None) -> str:
    """The family `asked` for, or that of the spec's name: `pvtv2` of `pvtv2-b2` and `pvt_v2_b2`.

    Raises:
        SpecError: there is no such family.
    """
    first, *rest = re.split(r"[-_ ]", spec.name.lower())
    names = [asked] if asked is not None else [first, first + "".join(rest[:1]), re.sub(r"\d.*", "", first)]
    for name in names:
        if name in families():
            return name
    rule = f"must be {either(families())}, not {names[0]!r:.60}{suggest(names[0], families())}"
    raise SpecError(rule if asked is not None else f"{rule}, with which the spec's name begins", field="--family")


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a file.

    Raises:
        SpecError: no such file, or a file with anything but tensors.
    """
    if not os.path.isfile(path):
        raise SpecError("no such file", source=str(path))
    if foreign := foreign_format(path):
        raise SpecError(f"cannot be read as a state dict: {foreign}", source=str(path))
    try:
        state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except Exception as error:  # whatever the two formats' readers make of a damaged file
        rule = f"cannot be read as a state dict: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise SpecError(rule, source=str(path)) from None
    return state


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _read_torch(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        data: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, LookupError, EOFError) as error:  # torch's own text proposes to run the code in the file
        raise ValueError(_unpicklable(str(error))) from None
    for wrapper in _WRAPPERS:
        if isinstance(data, Mapping) and isinstance(inner := cast("Mapping[str, Any]", data).get(wrapper), Mapping):
            data = inner
            break
    if not isinstance(data, Mapping) or not data:
        raise ValueError("it holds no mapping of names to tensors")
    state = cast("Mapping[object, object]", data)
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            what = "not a tensor" if isinstance(name, str) else "under no name"
            raise ValueError(f"the entry {name!r:.80} is a {type(tensor).__name__}, {what}")
    return dict(cast("Mapping[str, Tensor]", state))


def _unpicklable(message: str) -> str:
    """Why torch did not unpickle a file, in our words."""
    found = re.search(r"GLOBAL (\S+)", message)
    if found is None:
        return "it is not a file that torch.save wrote"
    return f"it holds a {found[1]}, not tensors alone: save the model's state_dict() where it was made"


@final
class _Read(Mapping[str, "Tensor"]):
    """A state dict that remembers the names that were read."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state = state
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        tensor = self._state[name]
        self.names.add(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)
