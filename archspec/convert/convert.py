"""Published weights under archspec's names: a state dict of a known family, checked tensor by tensor.

A family is one file in `archspec/convert/timm`, found by its being there, with `convert(state, spec)`: tensors by the
source's names -> tensors by the names of the network that `spec` describes.
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
from archspec.documents.paths import suggest
from archspec.documents.wording import either
from archspec.errors import SpecError
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

SOURCES = ("timm",)
COUNTER = "num_batches_tracked"
"""How often batch norm was trained: older checkpoints lack it, and nothing here reads it."""
_WRAPPERS = ("state_dict", "model")
"""Under these keys training scripts keep the state dict of a checkpoint."""

Conversion = Callable[[Mapping[str, "Tensor"], ArchSpec], dict[str, "Tensor"]]


def convert_file(spec: ArchSpec, weights: Path, out: Path, family: str | None = None) -> tuple[Path, Path]:
    """Write the weights of a file as `out`.safetensors with the spec `out`.yaml; see `archspec.model.weights`.

    Args:
        spec: the network, which must have the tensors of the file.
        weights: a state dict, as `.safetensors`, or as `.pth`, `.pt` or `.bin` without anything but tensors.
        out: the files to write; an ending is replaced.
        family: see `families`; the beginning of the spec's name when None.

    Raises:
        SpecError: no family, a file that cannot be read or written, or tensors of another network.
    """
    from archspec.model.build import build
    from archspec.model.weights import save

    family = find_family(spec, family)
    if out.with_suffix(".safetensors").resolve() == weights.resolve():
        raise SpecError("would overwrite the weights that it reads", field="--out", source=str(out))
    network = build(spec, init="skip")
    try:
        network.load_state_dict(convert(read_state(weights), spec, network, family))
    except SpecError as error:
        raise SpecError(error.rule, source=error.source or str(weights)) from None
    return save(network, out.with_suffix(".safetensors"))


def convert(state: Mapping[str, Tensor], spec: ArchSpec, network: nn.Module, family: str) -> dict[str, Tensor]:
    """The tensors of `state` by their names in `network`, each of its own exactly once.

    Args:
        state: tensors by the source's names.
        spec: the network.
        network: what was built from `spec`, on any device.
        family: see `families`.

    Raises:
        SpecError: tensors that are missing, unexpected, of another shape or used twice, by name.
    """
    conversion = cast("Conversion", import_module(f"{timm.__name__}.{family}").convert)
    read = _Read(state)
    try:
        converted = conversion(read, spec)
    except KeyError as error:
        raise SpecError(f"is not the {family} of {spec.name}: no tensor {error.args[0]}") from None
    expected = network.state_dict()
    for name, tensor in expected.items():
        if name.endswith(f".{COUNTER}"):
            converted.setdefault(name, tensor.new_zeros(tensor.shape, device="cpu"))
    problems = _problems(converted, expected, [name for name in state if name not in read.names])
    if problems:
        raise SpecError(f"is not the {family} of {spec.name}: {'; '.join(problems)}")
    return converted


def families() -> tuple[str, ...]:
    """Names of the families that can be converted, sorted."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(timm.__path__)))


def find_family(spec: ArchSpec, asked: str | None = None) -> str:
    """The family `asked` for, or that of the spec's name: `pvtv2` of `pvtv2-b2`.

    Raises:
        SpecError: there is no such family.
    """
    name = asked if asked is not None else re.split(r"[-_ ]", spec.name)[0].lower()
    if name in families():
        return name
    rule = f"must be {either(families())}, not {name!r:.60}{suggest(name, families())}"
    raise SpecError(rule if asked is not None else f"{rule}, with which the spec's name begins", field="--family")


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a file.

    Raises:
        SpecError: no such file, or a file with anything but tensors.
    """
    if not os.path.isfile(path):
        raise SpecError("no such file", source=str(path))
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
    except UnpicklingError as error:  # torch's own text proposes to run the code in the file
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


def _problems(converted: Mapping[str, Tensor], expected: Mapping[str, Tensor], unread: list[str]) -> list[str]:
    """What keeps `converted` from being the state of a network with the tensors `expected`."""
    problems: list[str] = []
    if missing := [name for name in expected if name not in converted]:
        problems.append(f"no {_first(missing)}")
    if unexpected := [*unread, *(name for name in converted if name not in expected)]:
        problems.append(f"unexpected {_first(unexpected)}")
    both = [(name, tuple(converted[name].shape), tuple(t.shape)) for name, t in expected.items() if name in converted]
    if wrong := [f"{name} {found}, not {shape}" for name, found, shape in both if found != shape]:
        problems.append(f"shape of {_first(wrong)}")
    owners: dict[int, str] = {}
    for name, tensor in converted.items():
        address = tensor.data_ptr()  # 0 where nothing is stored
        if address and (other := owners.setdefault(address, name)) != name:
            problems.append(f"{other} and {name} are one tensor")
            break
    return problems


def _first(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
