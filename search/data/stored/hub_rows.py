"""Splits of Hugging Face's data sets: saved to disk, in local files, or in the cache of what was fetched before."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, final

from archspec.documents.paths import suggest
from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.images.files import some
from search.data.stored.packages import require
from search.data.stored.paths import check_local
from search.data.stored.storage import RowStorage, open_cell

HubSplits = dict[str, Any]
"""Splits (`datasets.Dataset`) by their names."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
"""A data set of the Hub: `name` or `owner/name`."""
FILES = {".parquet": "parquet", ".arrow": "arrow"}


@final
class HubRows(RowStorage):
    """The images of a split of a `datasets.Dataset`, which are read where they lie, in files mapped into memory.

    Args:
        dataset: the split.
        column: its column of images.
        split: its name, for people.
    """

    def __init__(self, dataset: Any, column: str, split: str) -> None:
        self._dataset = dataset
        self._name, self._split = column, split
        self._column: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_column": None}  # the data set travels as the paths of its files, a column as bytes

    def __len__(self) -> int:
        return len(self._dataset)

    def open(self, row: int) -> BinaryIO:
        if self._column is None:
            self._column = self._dataset.data.column(self._name)
        return open_cell(self._column[row].as_py(), "")

    def name(self, row: int) -> str:
        return f"split {self._split}: row {row}"


def open_hub(path: str, config: str | None, revision: str | None) -> HubSplits:
    """The splits (`datasets.Dataset`) of a data set on this machine, by name; nothing is fetched.

    Args:
        path: a folder that `save_to_disk` wrote, a folder of data files, a Parquet or Arrow file, or the name of a
            data set that an earlier call of `load_dataset` left in the cache.
        config: its configuration, where there are several.
        revision: the commit, of which the cache must hold that data set.

    Raises:
        SpecError: `datasets` is not installed, the data set is not on this machine, or it cannot be read.
    """
    datasets = require("datasets", "hf", "hf")
    check_local(path, "path")
    local = Path(path).expanduser()
    if local.exists():
        if revision is not None:
            raise SpecError(f"{printable(path)} is local and has no revision", field="revision")
        return _splits(_open_local(datasets, local, config), "train")
    if not NAME.fullmatch(path):
        raise SpecError(
            f"must be a folder, a file or the name of a data set, {printable(path)} is not there", field="path"
        )
    found = _splits(_open_cached(datasets, path, config, revision), "train")
    _check_revision(found, path, revision)
    return found


def _splits(found: Any, name: str) -> HubSplits:
    return dict(found) if isinstance(found, Mapping) else {name: found}


def _open_local(datasets: Any, path: Path, config: str | None) -> Any:
    saved = (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()
    if saved and config is not None:
        raise SpecError(f"{printable(str(path))} was saved to disk, without configurations", field="config")
    if path.is_file() and path.suffix not in FILES:
        raise SpecError(f"a file must end in {' or '.join(FILES)}, not {printable(path.name)}", field="path")
    with _offline(datasets):
        try:
            if saved:
                return datasets.load_from_disk(str(path))
            if path.is_file():
                return datasets.load_dataset(FILES[path.suffix], data_files=str(path))
            return datasets.load_dataset(str(path), name=config)
        except Exception as error:  # whatever the library and its readers raise on other people's files
            raise _unreadable(error, path, config) from None


def _unreadable(error: Exception, path: Path, config: str | None) -> SpecError:
    cause = error.__cause__ or error
    said = " ".join(str(cause).split())[:200] or type(cause).__name__
    if isinstance(cause, IndexError):  # a table of no rows has no files
        said = "it, or a split of it, has no images"
    field = "config" if config is not None or "onfig" in said else "path"
    return SpecError(f"{printable(str(path))} cannot be read by datasets: {printable(said)}", field=field)


def _open_cached(datasets: Any, name: str, config: str | None, revision: str | None) -> Any:
    with _offline(datasets):
        try:
            return datasets.load_dataset(name, name=config)
        except ValueError as error:  # it is there, but not this configuration of it
            said = " ".join(" ".join(str(error).splitlines()[:2]).split())
            raise SpecError(printable(said[:200]), field="config") from None
        except Exception:  # the library's errors on what is absent are of several kinds
            options = "".join(
                f", {key}={value!r}" for key, value in (("name", config), ("revision", revision)) if value is not None
            )
            rule = (
                f"{name} is no folder, and not in the cache of Hugging Face's data sets; a run fetches nothing: "
                f'fetch it once by python -c "import datasets; datasets.load_dataset({name!r}{options})", '
                "or name a folder"
            )
            raise SpecError(rule, field="path") from None


def _check_revision(found: HubSplits, name: str, revision: str | None) -> None:
    """Refuse another commit than the one that is asked for: without the Hub, the library takes the latest it has."""
    if revision is None:
        return
    cached = commit_of(found) or "unknown"
    if not cached.startswith(revision):
        rule = f"the cache holds commit {cached} of {name}, not {revision}"
        fetch = f"datasets.load_dataset({name!r}, revision={revision!r})"
        raise SpecError(f'{rule}; fetch that by python -c "import datasets; {fetch}"', field="revision")


def commit_of(found: HubSplits) -> str | None:
    """The commit that a cached data set is of, which the folder of its files is called after."""
    files = [file["filename"] for split in found.values() for file in split.cache_files]
    folder = os.path.basename(os.path.dirname(files[0])) if files else ""
    return folder if re.fullmatch(r"[0-9a-f]{40}", folder) else None


def find_split(found: HubSplits, name: str, field: str) -> Any:
    """The split of that name.

    Raises:
        SpecError: there is none; it names those that there are.
    """
    if name not in found:
        rule = f"no split is called {printable(name)}{suggest(name, found)}; the splits are {some(list(found), 12)}"
        raise SpecError(rule, field=field)
    return found[name]


@contextmanager
def _offline(datasets: Any) -> Generator[None]:
    """The library without the network, whose retries take half a minute, and without its bars and warnings."""
    config, logging = datasets.config, datasets.logging
    offline, level, bars = config.HF_HUB_OFFLINE, logging.get_verbosity(), datasets.are_progress_bars_disabled()
    config.HF_HUB_OFFLINE = True
    logging.set_verbosity(logging.CRITICAL)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = offline
        logging.set_verbosity(level)
        if not bars:
            datasets.enable_progress_bars()
