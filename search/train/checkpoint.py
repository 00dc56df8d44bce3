"""Checkpoints: written whole or not at all, and never continued by a run they do not belong to."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast, final

from archspec.errors import RunError
from archspec.files.output import write_whole
from search.weights.archive import read_archive

VERSION = 1


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Replace `path` by `state` in one step: a reader, or a kill at any moment, meets the old file or the new one."""
    import torch

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            told = _FailingFile(file)
            try:
                torch.save({"version": VERSION, **state}, cast("IO[bytes]", told))
            except RuntimeError:  # all that torch says of a full disk is where it stood in the file
                if told.failure is None:
                    raise
                raise told.failure from None

    write_whole(path, write)


@final
class _FailingFile:
    """A file that is written, and the first error in doing so, which torch does not keep."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = self.failure or error
            raise

    def flush(self) -> None:
        self._file.flush()


def load_checkpoint(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state at `path` on the CPU, or None where there is no file.

    Raises RunError, naming the file and leaving it as it is, when it is damaged (unreadable, or a checksum differs)
    or when its entries differ from `identity`, which says whose run it is.
    """
    if not path.exists():
        return None
    try:
        state = read_archive(path)
        if not isinstance(state, dict) or "version" not in state:
            raise ValueError("not a checkpoint of a training run")
    except Exception as error:  # whatever the unpickler meets in a damaged file, the answer is the same
        raise damaged(path, error) from error
    found: dict[str, Any] = state
    for name, wanted in {"version": VERSION, **identity}.items():
        if found.get(name) != wanted:
            raise RunError(
                f"{path}: checkpoint of another run ({name} is {found.get(name)}, asked for {wanted}); "
                "the file is kept: move it away to train anew"
            )
    return found


def damaged(path: Path, error: Exception) -> RunError:
    """The error that names a checkpoint which cannot be used."""
    reason = str(error).strip().splitlines()
    return RunError(
        f"{path}: damaged checkpoint ({type(error).__name__}: {reason[0] if reason else 'no message'}); "
        "the file is kept: move it away to train anew"
    )
