"""Data sets as configuration, and what loading one gives: three splits that yield batches of normalised images.

A data set is one file in `search/datasets/`; the file's name is its tag in YAML (`type: cluttered_digits`). Other packages
add theirs through the entry-point group `archspec.datasets`: an entry named as the tag, naming the class. Importing this
module does not import torch.
"""

import difflib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny, ValidationError

import search.datasets
from archspec.errors import FieldError
from search.seeding import torch_generator

if TYPE_CHECKING:
    from torch import Tensor

Batch: TypeAlias = "tuple[Tensor, Tensor]"
GROUP = "archspec.datasets"


class Split(ABC):
    """Labelled images that are never mixed with those of another split."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        """One pass: images (N, 3, resolution, resolution) float32, normalised, and labels (N,) int64, on the CPU.

        Order and augmentation are functions of (seed, epoch) alone, whatever ran before and however many workers decode.
        The images are spread evenly over ceil(len / batch_size) batches, so that no batch is left with one image.
        """


@final
@dataclass(frozen=True)
class Splits:
    """Three disjoint splits: a search sees `train` and `validation`; `test` is for the final figure."""

    train: Split
    validation: Split
    test: Split


class Dataset(BaseModel, ABC):
    """Configuration of a data set; a final subclass narrows `type` to its tag and `resolution` to what it can do."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    type: Any
    resolution: int

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of labels."""

    @property
    def metric_label(self) -> str:
        """How a report names the accuracy on this data set."""
        return "top-1 accuracy"

    @property
    def benchmark(self) -> str | None:
        """The published benchmark whose rows may stand beside results on this data set, such as `imagenet1k`."""
        return None

    @abstractmethod
    def load(self) -> Splits:
        """Read or compose the images; SpecError where that is impossible."""


def datasets() -> list[str]:
    """Tags of every data set that is installed."""
    own = {module.name for module in pkgutil.iter_modules(search.datasets.__path__)}
    return sorted(own | {entry.name for entry in entry_points(group=GROUP)})


def find_dataset(tag: str) -> type[Dataset]:
    """The class behind a tag.

    Raises:
        FieldError: there is none (it names the nearest tag), or what is there under this name is not a data set.
    """
    known = datasets()
    if tag not in known:
        raise FieldError("type", f"unknown data set {tag!r}; {_hint(tag, known)}")
    for entry in entry_points(group=GROUP, name=tag):
        part = entry.load()
        if not (inspect.isclass(part) and issubclass(part, Dataset)):
            raise FieldError("type", f"entry point {tag} of {GROUP} must name a Dataset, not {part!r}")
        return part
    module = import_module(f"{search.datasets.__name__}.{tag}")
    found = [value for value in vars(module).values() if inspect.isclass(value) and issubclass(value, Dataset)]
    return next(value for value in found if value.__module__ == module.__name__)


def parse_dataset(raw: object) -> Dataset:
    """A data set from a tag, from a mapping with `type`, or from itself.

    Raises:
        FieldError: the first field that breaks a rule, with the value given.
    """
    if isinstance(raw, Dataset):
        return raw
    given = {"type": raw} if isinstance(raw, str) else raw
    if not isinstance(given, Mapping):
        raise FieldError("", f"a data set is a type or a mapping, not {raw!r}")
    options = cast("Mapping[str, object]", given)
    tag = options.get("type")
    if not isinstance(tag, str):
        raise FieldError("type", f"a data set needs a type: {', '.join(datasets())}")
    kind = find_dataset(tag)
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        raise _first_error(error, kind) from error


AnyDataset = Annotated[SerializeAsAny[Dataset], BeforeValidator(parse_dataset)]
"""Type of a pydantic field that holds whichever data set its `type` names."""


def batch_indices(length: int, batch_size: int, *, seed: int, epoch: int, shuffle: bool) -> "Iterator[Tensor]":
    """The indices (N,) of each batch in turn, spread evenly; with `shuffle` a permutation drawn from (seed, epoch)."""
    import torch

    generator = torch_generator(seed, "order", epoch)
    order = torch.randperm(length, generator=generator) if shuffle else torch.arange(length)
    yield from torch.tensor_split(order, -(-length // batch_size))


def _first_error(error: ValidationError, kind: type[Dataset]) -> FieldError:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return FieldError(name, f"unknown option; {_hint(name, list(kind.model_fields))}")
    if first["type"] == "missing":
        return FieldError(name, "this option is required")
    message = first["msg"].removeprefix("Value error, ")
    return FieldError(name, f"{message}, got {first['input']!r}" if name else message)


def _hint(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
