"""Decoded batches: by processes that live from one epoch to the next, and pinned where they go to a GPU."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, final

from search.recipe.recipe import Recipe
from search.seeding import torch_generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.utils.data import DataLoader

Key = tuple[int | None, int]
"""What a process is asked for: the stream of the epoch's augmentation (None for none), and the index of the image."""


class Sample(NamedTuple):
    """An image as decoded: pixels (3, H, W) uint8, and its mask (H, W) uint8 where labels are masks.

    Without pixels it is left out of its batch or, where `broken` says why, an error. An error is handed over as text:
    an exception would leave a process as a page of traceback.
    """

    pixels: "Tensor | None"
    mask: "Tensor | None" = None
    broken: str = ""


class DecodedBatch(NamedTuple):
    """The samples of a batch: pixels (N, 3, H, W) uint8, masks (N, H, W) uint8, and which of those asked they are.

    Nothing but `broken` where one of them is an error; no pixels where all were left out.
    """

    pixels: "Tensor | None"
    masks: "Tensor | None"
    kept: tuple[int, ...]
    broken: str


class Decoder(Protocol):
    """Decodes one image; a frozen dataclass, which travels to the processes."""

    @property
    def stream(self) -> int | None:
        """Seed of the augmentation of an epoch; None for none. With an index it decides all that is drawn."""
        ...

    def __getitem__(self, index: int, /) -> Sample: ...


@final
class ImageLoader:
    """A decoder's batches.

    Which images a batch holds is said by whoever asks, and what is drawn for an image follows from its key, so a batch
    is the same whichever process decodes it.

    Args:
        decoder: decodes one image; a dataclass with the field `stream`.
        recipe: for how many batches each process prepares in advance.
        device: of a training, whose processes are kept for its next epoch and, for CUDA, write to pinned memory. None
            for a single pass.
    """

    def __init__(self, decoder: Decoder, recipe: Recipe, device: "torch.device | None" = None) -> None:
        self._decoder = decoder
        self._prefetch = recipe.prefetch
        self._device = device
        self._idle: tuple[int, _Order, DataLoader[Any]] | None = None

    def batches(self, order: Sequence[Sequence[int]], stream: int | None, workers: int) -> Iterator[DecodedBatch]:
        """The batches of one pass, in order; a pass that is given up takes its processes with it."""
        keys = [[(stream, index) for index in batch] for batch in order]
        kept, self._idle = self._idle, None  # a second pass beside this one gets processes of its own
        if kept is None or kept[0] != workers:
            kept = (workers, *self._start(workers))
        kept[1].batches = keys
        yield from kept[2]
        if self._device is not None:
            self._idle = kept

    def _start(self, workers: int) -> "tuple[_Order, DataLoader[Any]]":
        from torch.utils.data import DataLoader

        order = _Order([])
        loader: DataLoader[Any] = DataLoader(
            _Keyed(self._decoder),  # pyright: ignore[reportArgumentType]  (map-style)
            batch_sampler=order,
            num_workers=workers,
            collate_fn=_collate,
            pin_memory=self._device is not None and self._device.type == "cuda",
            prefetch_factor=self._prefetch if workers else None,
            persistent_workers=workers > 0 and self._device is not None,
            generator=torch_generator("workers"),  # without it, each pass would draw from the global one
        )
        return order, loader


@final
@dataclass
class _Order:
    """The keys of the batches of a pass; torch keeps the object, and asks it anew in each pass."""

    batches: list[list[Key]]

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


@final
@dataclass
class _Keyed:
    """Key -> sample. The epoch comes with the key, since the process is older than the epoch."""

    decoder: Any

    def __getitem__(self, key: Key) -> Sample:
        stream, index = key
        if stream != self.decoder.stream:
            self.decoder = replace(self.decoder, stream=stream)
        return self.decoder[index]


def _collate(samples: list[Sample]) -> DecodedBatch:
    import torch

    broken = next((sample.broken for sample in samples if sample.broken), "")
    if broken:
        return DecodedBatch(None, None, (), broken)
    kept = tuple(number for number, sample in enumerate(samples) if sample.pixels is not None)
    pixels = [sample.pixels for sample in samples if sample.pixels is not None]
    masks = [sample.mask for sample in samples if sample.mask is not None]
    return DecodedBatch(torch.stack(pixels) if pixels else None, torch.stack(masks) if masks else None, kept, "")
