"""The content of a file that torch has saved, read only where its checksums hold, and never run."""

import zipfile
from pathlib import Path
from typing import Any


def read_archive(path: Path) -> Any:
    """The tensors, numbers and containers that `torch.save` has written to `path`, on the CPU.

    Raises:
        OSError: the file cannot be read.
        Exception: any other, of a file that is damaged, holds more than these, or is of another kind.
    """
    import torch

    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"checksum of {broken} differs")
    return torch.load(path, map_location="cpu", weights_only=True)
