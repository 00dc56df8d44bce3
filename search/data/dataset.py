"""Data sets as configuration, and what loading one gives: three splits that yield batches of normalised images.

A data set is one file in `search/datasets/`; the file's name is its tag in YAML (`type: cluttered_digits`). Other
packages add theirs through the entry-point group `archspec.datasets`: an entry named as the tag, naming the class.
Importing this module does not import torch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny

from archspec.errors import FieldError
from archspec.spec.schema import ArchSpec
from archspec.tree.trace import trace
from archspec.tree.tree import plant_head
from blocks.layers.maps import MapsLayer
from search.inputs import Input, code_of
from search.plugins import find_class, parse_config
from search.seeding import torch_generator
from search.tasks.classification import Classification
from search.tasks.task import Normalisation, Supervision

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from search.recipe.recipe import Recipe

Batch: TypeAlias = "tuple[Tensor, Tensor]"
GROUP = "archspec.datasets"


class DatasetSplit(ABC):
    """Labelled images that are never mixed with those of another split."""

    @property
    def supervision(self) -> Supervision:
        """The kind of labels, and so what they ask of a network."""
        return Classification()

    @property
    def normalisation(self) -> Normalisation | None:
        """Mean and deviation by which the images of `batches` are normalised; None where they are not known."""
        return None

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        """One pass: images (N, 3, resolution, resolution) float32, normalised, and labels (N,) int64 (or what
        `supervision` says), on the CPU or the device that the split is configured for.

        Order and augmentation are functions of (seed, epoch) alone, whatever ran before and however many workers
        decode. Images are spread evenly over ceil(len / batch_size) batches, so that no batch is left with one.
        """

    def configured(self, recipe: "Recipe", device: "torch.device") -> "DatasetSplit":
        """This split as a training reads it: with the recipe's augmentation of single images, and for a device.

        Asked once, before the first epoch. What a recipe does to whole batches is not for it to do. A data set whose
        splits do what `Recipe.per_image` names says so by `Dataset.augments_images`.

        Raises:
            FieldError: the recipe asks for what this split does not do.
        """
        del device
        _check_per_image(recipe, "this split")
        return self

    def shared(self, rank: int, ranks: int) -> "DatasetSplit | None":
        """This split as one of several processes reads it that train a network together: of each batch of `batches`
        its `own_part` alone, the same images as in the whole batch.

        None where whole batches must be read, of which the part is then taken: that costs what reading costs.
        """
        del rank, ranks


@final
@dataclass(frozen=True)
class Splits:
    """Three disjoint splits: a search sees `train` and `validation`; `test` is for the final figure."""

    train: DatasetSplit
    validation: DatasetSplit
    test: DatasetSplit


class Dataset(BaseModel, ABC):
    """Configuration of a data set; a final subclass narrows `type` to its tag and `resolution` to what it can do."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    type: Any
    resolution: Annotated[int, Field(strict=True)]

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of labels."""

    @property
    def supervision(self) -> Supervision:
        """The kind of labels, and so what they ask of a network."""
        return Classification()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of their labels; none where they are numbers, or not known."""
        return ()

    @property
    def metric_label(self) -> str:
        """Name in a report of the quality on this data set."""
        return self.supervision.metric

    @property
    def benchmark(self) -> str | None:
        """The published benchmark whose rows may stand beside results on this data set, such as `imagenet1k`."""
        return None

    @property
    def metric(self) -> dict[str, str | None]:
        """The accuracy on this data set for reports; see `search.evaluator.Evaluator.metric`."""
        return {"name": "accuracy", "label": self.metric_label, "dataset": self.type, "benchmark": self.benchmark}

    def fit(self, spec: ArchSpec) -> ArchSpec:
        """`spec` at the resolution of this data set.

        Raises:
            FieldError: its head is a detector's, has another number of classes or gives another kind of output, its
                images have other channels, or a stride empties a map at this resolution.
        """
        spec = spec.at(self.resolution)
        wanted = self.classes  # asked once: a folder of images counts them on disk
        self._check_head(spec, wanted)
        if spec.channels != 3:
            raise FieldError("channels", f"must be 3, as the images of {self.type} have, not {spec.channels}")
        try:
            self.supervision.check_output(trace(spec).lines[-1].shape, wanted)
        except FieldError as error:
            rule = f"{error.rule}: {_name(spec)} does not fit {self.supervision.task}, which {self.type} is for"
            raise FieldError(error.field, rule) from None
        return spec

    def _check_head(self, spec: ArchSpec, wanted: int) -> None:
        task, name = self.supervision.task, _name(spec)
        # Only a detector gives several values; the last of them may look like what the labels ask for.
        if isinstance(plant_head(spec)[0], MapsLayer):
            rule = f"{name} is a detector's, and {self.type} is a data set for {task}"
            raise FieldError("head", f"{rule}; box assignment and NMS are left to detection libraries")
        classes = getattr(spec.head, "classes", None)
        if classes is None:
            rule = f"{name} has no classes, and {self.type} is a data set for {task} with {wanted} of them"
            raise FieldError("head", rule)
        if classes != wanted:
            raise FieldError("head", f"must have the data set's {wanted} classes, not {classes}")

    def inputs(self) -> tuple[Input, ...]:
        """Files, and code that is not archspec's, that its images depend on beside these options.

        Asked once when a run begins or goes on, by the process that conducts it; it may read the disk. SpecError where
        the files cannot be read.
        """
        return code_of(type(self), "data set")

    @property
    def augments_images(self) -> bool:
        """Whether its splits do to single images what a recipe asks for (`Recipe.per_image`)."""
        return False

    def check_recipe(self, recipe: "Recipe") -> None:
        """Refuse what a recipe cannot do to these images or their labels; without torch, so that studies are refused.

        Raises:
            FieldError: the first field of the recipe that cannot be applied.
        """
        if not self.augments_images:
            _check_per_image(recipe, f"data set {self.type}")
        self.supervision.check_recipe(recipe)

    @abstractmethod
    def load(self) -> Splits:
        """Read or compose the images; SpecError where that is impossible."""


def _name(spec: ArchSpec) -> str:
    return "no head" if spec.head is None else spec.head.type


def find_dataset(tag: str) -> type[Dataset]:
    """The class behind a tag.

    Raises:
        FieldError: there is none (it names the nearest tag), or what is there under this name is not a data set.
    """
    return find_class(tag, Dataset, "search.datasets", GROUP)


def parse_dataset(raw: object) -> Dataset:
    """A data set from a tag, from a mapping with `type`, or from itself.

    Raises:
        FieldError: the first field that breaks a rule, with the value given.
    """
    return parse_config(raw, "data set", find_dataset)


AnyDataset = Annotated[SerializeAsAny[Dataset], BeforeValidator(parse_dataset)]
"""Type of a pydantic field that holds whichever data set its `type` names."""


def batch_indices(
    length: int, batch_size: int, *, seed: int, epoch: int, shuffle: bool, repeats: int = 1
) -> "Iterator[Tensor]":
    """The indices (N,) of each batch in turn, spread evenly; with `shuffle` a permutation drawn from (seed, epoch).

    With `repeats`, each image stands so often in a row, and `length` numbers are yielded all the same: of the images,
    one part in `repeats` (repeated augmentation, Hoffer et al. 2020, in the order of DeiT's sampler on one device).
    Copy c of image i is the number i + c * length, which `copy_of` undoes.
    """
    import torch

    generator = torch_generator(seed, "order", epoch)
    order = torch.randperm(length, generator=generator) if shuffle else torch.arange(length)
    if repeats > 1:
        place = torch.arange(length)
        order = order[place // repeats] + place % repeats * length
    yield from torch.tensor_split(order, -(-length // batch_size))


def own_part(count: int, rank: int, ranks: int) -> slice:
    """The part of a batch of `count` images that is one process's of several: one after the other, spread evenly."""
    return slice(count * rank // ranks, count * (rank + 1) // ranks)


def copy_of(number: int, length: int) -> tuple[int, int]:
    """The index of an image and which of its copies is meant, of a number that `batch_indices` yields."""
    copy, index = divmod(number, length)
    return index, copy


def _check_per_image(recipe: "Recipe", who: str) -> None:
    for name, value in recipe.per_image.items():
        off = type(recipe).model_fields[name].default
        rule = f"must be {'null' if off is None else off}, not {value}: {who} does not augment images one by one"
        raise FieldError(name, rule)
