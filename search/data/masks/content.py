"""Images with masks as an input of a run, examined before anything is trained on them."""

import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import final

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.decoding.pixels import Unreadable, decoding_errors
from search.data.images.content import digest_files
from search.data.images.files import some
from search.data.images.readable import READERS, WHOLE, check_readable
from search.data.images.same import PlacedImage, find_same
from search.data.images.summary import describe_presence
from search.data.masks.indices import MaskError, MaskReading, check_size, read_mask
from search.data.masks.pairs import Pair, PairSplits
from search.inputs import Input


def digest_pairs(name: str, root: Path, pairs: PairSplits, reading: MaskReading, policy: Unreadable) -> Input:
    """The input of images and masks below `root`; its notes say how many there are, and what is wrong with them.

    Raises:
        SpecError: a file cannot be read; when it is examined, also where a mask does not belong to its image or its
            classes, or the policy refuses a file.
    """
    images = [PlacedImage(pair.image, split, 0) for split, found in pairs.parts.items() for pair in found]
    masks = {pair.image: pair.mask for found in pairs.parts.values() for pair in found}

    def examine(sizes: dict[str, int]) -> list[str]:
        notes, left_out = check_readable(root, sizes, policy)
        checked = _Examination(root, reading, whole=sum(sizes[mask] for mask in masks.values()) <= WHOLE)
        kept = {
            split: [pair for pair in found if not left_out.intersection(pair)] for split, found in pairs.parts.items()
        }
        for split, found in kept.items():
            if not found:
                rule = f"no image for {split} that can be decoded with its mask"
                raise SpecError(rule, field="path", source=printable(str(root)))
        checked.check([pair for found in kept.values() for pair in found])
        present = {split: checked.presence(found) for split, found in kept.items()} if checked.whole else None
        for split, classes in (present or {}).items():
            if not any(classes):
                rule = f"no mask for {split} labels a pixel: all of them are ignored"
                raise SpecError(rule, field="path", source=printable(str(root)))
        counts = {split: len(found) for split, found in kept.items()}
        said = describe_presence(counts, reading.classes, present)
        same = find_same(root, images, {image.path: sizes[image.path] for image in images})
        return [f"{name}: {said}", *pairs.left_out, *notes, *same]

    return digest_files(name, root, images, masks, examine)


@final
class _Examination:
    """A look at each mask: at its header, and where all of them are few at its classes.

    Args:
        root: folder of the data set.
        reading: what the masks' values mean.
        whole: whether masks are decoded.
    """

    def __init__(self, root: Path, reading: MaskReading, *, whole: bool) -> None:
        self.root, self.reading, self.whole = root, reading, whole
        self._classes: Mapping[Pair, frozenset[int]] = {}

    def check(self, pairs: list[Pair]) -> None:
        """Look at pairs.

        Raises:
            SpecError: there are masks that do not belong to their image, or have a class too many.
        """
        with warnings.catch_warnings(), ThreadPoolExecutor(READERS) as readers:
            warnings.simplefilter("ignore")
            found = list(readers.map(self._look, pairs, chunksize=64))
        wrong = [
            f"{printable(pair.mask)}: {said}" for pair, said in zip(pairs, found, strict=True) if isinstance(said, str)
        ]
        if wrong:
            count = "1 mask does" if len(wrong) == 1 else f"{len(wrong):,} masks do"
            rule = f"{count} not fit: {some(wrong)}"
            raise SpecError(rule, field="path", source=printable(str(self.root)))
        self._classes = {pair: one for pair, one in zip(pairs, found, strict=True) if not isinstance(one, str)}

    def presence(self, pairs: list[Pair]) -> list[int]:
        """The number of masks that each class is in."""
        return [sum(label in self._classes[pair] for pair in pairs) for label in range(self.reading.classes)]

    def _look(self, pair: Pair) -> frozenset[int] | str:
        """The classes of a mask, none where it is not decoded; or what is wrong with it."""
        import numpy as np
        from PIL import Image

        try:
            with Image.open(self.root / pair.image) as image, Image.open(self.root / pair.mask) as mask:
                if not self.whole:
                    check_size(mask, image.size)
                    return frozenset()
                return frozenset(np.unique(read_mask(mask, image.size, self.reading)).tolist())
        except MaskError as error:
            return str(error)
        except decoding_errors():  # of a file that changed since it was looked at
            return "it cannot be decoded"
