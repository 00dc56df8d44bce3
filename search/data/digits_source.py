"""scikit-learn's bundled handwritten digits (UCI optdigits, 1,797 real images of 8x8), split once and for all."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from archspec.errors import RunError

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

SIDE = 8
CLASSES = 10
MEMORY = 4 * 2**30  # bytes that the composed scenes of a data set take at most


class Digits(NamedTuple):
    """Source images (N, 8, 8) float32 of ink from 0 to 1, and labels (N,) int64."""

    ink: "NDArray[np.float32]"
    labels: "NDArray[np.int64]"


def load_sources() -> tuple[Digits, Digits, Digits]:
    """Train, validation and test sources: 60, 20 and 20 % of each class, disjoint, the same on every machine.

    Raises:
        RunError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise RunError(
            "the bundled digits need scikit-learn, which is not installed: pip install 'archspec-vision[data]'"
        ) from error
    import numpy as np

    ink, labels = load_digits(return_X_y=True)
    pixels = np.asarray(ink / 16, np.float32).reshape(-1, SIDE, SIDE)
    everything = Digits(pixels, np.asarray(labels, np.int64))
    rng = np.random.default_rng(0)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for label in range(CLASSES):
        members = rng.permutation(np.flatnonzero(everything.labels == label)).tolist()
        first, second = round(0.6 * len(members)), round(0.8 * len(members))
        for part, share in zip(parts, (members[:first], members[first:second], members[second:]), strict=True):
            part.extend(share)
    train, validation, test = (Digits(everything.ink[part], everything.labels[part]) for part in parts)
    return train, validation, test


def composed(seed: int, counts: Sequence[int]) -> "Iterator[tuple[Digits, int, Generator]]":
    """Of each split its sources, its number of scenes, and a generator of its own.

    So a split does not depend on the size of another.
    """
    import numpy as np

    for number, (sources, count) in enumerate(zip(load_sources(), counts, strict=True)):
        yield sources, count, np.random.default_rng([seed, number])


def in_turn(length: int, count: int, rng: "Generator") -> "NDArray[np.int64]":
    """Indices (count,) below `length` in random order, each used once before any is used again."""
    import numpy as np

    rounds = [rng.permutation(length) for _ in range(-(-count // length))]
    return np.concatenate(rounds)[:count]


def check_memory(size: int) -> None:
    """Refuse scenes of `size` bytes that would not fit.

    Raises:
        ValueError: they take more than `MEMORY`.
    """
    if size > MEMORY:
        raise ValueError(f"the scenes would take {size / 2**30:.1f} GiB of memory, more than {MEMORY // 2**30} GiB")
