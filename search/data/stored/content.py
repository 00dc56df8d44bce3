"""The content of files of many images, by which a run sees that they have changed."""

import hashlib
import os
from collections.abc import Mapping, Sequence

from archspec.errors import SpecError
from search.data.images.content import MAX_CONTENT

BLOCK = 2**20


def digest_files(parts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The size of each file by its name, and a digest where all have at most `MAX_CONTENT` bytes together.

    Names are those below the folder that all share. Times do not count: a copy is the same data.

    Args:
        parts: the files of each split.

    Raises:
        SpecError: a file cannot be read.
    """
    files = [path for paths in parts.values() for path in paths]
    root = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in files])
    try:
        sizes = {path: os.stat(path).st_size for path in files}
        whole = sum(sizes.values()) <= MAX_CONTENT
        return {
            os.path.relpath(os.path.abspath(path), root).replace(os.sep, "/"): (
                f"{size} {_digest(path)}" if whole else str(size)
            )
            for path, size in sizes.items()
        }
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", source=str(error.filename)) from None


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()[:16]
