"""Members of tar shards in WebDataset's layout, found by an index instead of by reading through.

WebDataset's own readers stream: they shuffle in a buffer, so that the order depends on what was read before. Here the
order is a function of seed and epoch, and a run that goes on is bit-identical, so members are read at their offsets.
(`wids`, the library's indexed reader, is not in its releases since 1.0.) The rules are the library's
(`webdataset.tariterators`): members that follow one another and share a key are one sample.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast, final

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from archspec.files.output import write_bytes
from blocks.opaque import disk_cache
from search.data.stored.storage import RowStorage, Stored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = 1
"""Of the index on disk; another one is made anew."""
META = re.compile(r"__[^/]*__($|/)")
"""Members that describe a shard."""


@final
@dataclass(frozen=True)
class Wanted:
    """The members of a sample that count.

    Attributes:
        images: endings of the image, of which the first that a sample has is taken.
        label: ending of the label; `json.NAME` is the field `NAME` of a JSON object, and may go deeper.
    """

    images: tuple[str, ...]
    label: str

    @property
    def ending(self) -> str:
        """The ending of the member that holds the label."""
        return "json" if self.label.startswith("json.") else self.label

    def read_label(self, data: bytes) -> str:
        """The label in a member: its text, or the field of its JSON object.

        Raises:
            ValueError: it holds none.
        """
        if self.ending == self.label:
            text = data.decode("utf-8").strip()
            if not text:
                raise ValueError("it is empty")
            return text
        value: Any = json.loads(data)
        for field in self.label.split(".")[1:]:
            if not isinstance(value, dict) or field not in value:
                raise ValueError(f"it has no field {field}")
            value = cast("dict[str, Any]", value)[field]
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(f"its field {self.label[5:]} is {value!s:.40}, no integer and no name")
        return str(value)


class ShardSample(NamedTuple):
    """A sample of a shard: its key, where its image is, and its label as text."""

    key: str
    offset: int
    size: int
    label: str


@final
class ShardMembers(RowStorage):
    """The images of tar shards, read at their offsets.

    Args:
        shards: the tar files.
        shard: of each image the number of its shard (N,) int64.
        offsets: where it begins (N,) int64.
        sizes: its bytes (N,) int64.
        keys: its key (N,), UTF-8.
    """

    def __init__(
        self,
        shards: Sequence[str],
        shard: NDArray[np.int64],
        offsets: NDArray[np.int64],
        sizes: NDArray[np.int64],
        keys: NDArray[Any],
    ) -> None:
        self._shards, self._shard, self._offsets, self._sizes, self.keys = list(shards), shard, offsets, sizes, keys

    def __len__(self) -> int:
        return len(self._sizes)

    def open(self, row: int) -> BinaryIO:
        with open(self._shards[self._shard[row]], "rb", buffering=0) as file:
            file.seek(int(self._offsets[row]))
            return io.BytesIO(file.read(int(self._sizes[row])))

    def name(self, row: int) -> str:
        return f"{self._shards[self._shard[row]]}: sample {self.keys[row].decode('utf-8', 'surrogateescape')}"


def open_shards(parts: Mapping[str, Sequence[str]], wanted: Wanted) -> dict[str, Stored]:
    """Images and labels in the shards of each split.

    Labels that are integers in every sample are numbers, others names of classes.

    Raises:
        SpecError: a shard that is no plain tar file or is cut off, or a sample without image or label.
    """
    import numpy as np

    found: dict[str, tuple[ShardMembers, list[str]]] = {}
    for split, shards in parts.items():
        samples = [_samples(path, wanted, split) for path in shards]
        shard = np.repeat(np.arange(len(shards)), [len(part) for part in samples])
        flat = [sample for part in samples for sample in part]
        places = np.asarray([(sample.offset, sample.size) for sample in flat], np.int64).reshape(-1, 2)
        keys = np.asarray([sample.key.encode("utf-8", "surrogateescape") for sample in flat] or [b""])[: len(flat)]
        members = ShardMembers(shards, shard, places[:, 0].copy(), places[:, 1].copy(), keys)
        found[split] = members, [sample.label for sample in flat]
    if all(_INTEGER.fullmatch(label) for _, labels in found.values() for label in labels):
        numbers = {
            split: np.asarray([int(label) for label in labels], np.int64) for split, (_, labels) in found.items()
        }
        return {split: Stored(members, numbers[split], members.keys) for split, (members, _) in found.items()}
    return {split: Stored(members, labels, members.keys) for split, (members, labels) in found.items()}


_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)


def _samples(path: str, wanted: Wanted, split: str) -> list[ShardSample]:
    """The samples of a shard, from the index on disk where it has one of this very file."""
    file = _index_file(path, wanted)
    if file is not None and (known := _read_index(file)) is not None:
        return known
    samples = list(read_samples(path, wanted, split))
    if file is not None:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(file, json.dumps({"version": VERSION, "samples": samples}).encode())
    return samples


def _index_file(path: str, wanted: Wanted) -> Path | None:
    root = disk_cache.folder()
    if root is None:
        return None
    state = os.stat(path)
    asked = [os.path.realpath(path), state.st_size, state.st_mtime_ns, wanted.images, wanted.label]
    return root / "shards" / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]}.json"


def _read_index(file: Path) -> list[ShardSample] | None:
    try:
        index = json.loads(file.read_bytes())
        if index["version"] != VERSION:
            return None
        return [
            ShardSample(str(key), int(offset), int(size), str(label)) for key, offset, size, label in index["samples"]
        ]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def read_samples(path: str, wanted: Wanted, split: str) -> Iterator[ShardSample]:
    """The samples of a shard in its order, found by reading through its headers and its labels.

    Raises:
        SpecError: as `open_shards`.
    """
    try:
        with tarfile.open(path, "r:") as shard, open(path, "rb", buffering=0) as content:
            for key, members in _grouped(shard, path, split):
                yield _sample(content, key, members, wanted, f"{printable(path)}: sample {printable(key)}", split)
            content.seek(shard.offset)
            if content.read(tarfile.BLOCKSIZE).strip(b"\0"):  # which `tarfile` takes for the end
                raise tarfile.ReadError(f"bad header at byte {shard.offset}")
    except (tarfile.TarError, OSError, EOFError) as error:
        said = printable(" ".join(str(error).split())[:120]) or type(error).__name__
        hint = "; compressed ones cannot be read in any order" if "gz" in path or "not a" in said else ""
        raise SpecError(f"{printable(path)} cannot be read as a plain tar file: {said}{hint}", field=split) from None


def _grouped(shard: tarfile.TarFile, path: str, split: str) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Keys with their members by ending."""
    current, members = "", dict[str, tarfile.TarInfo]()
    for member in shard:
        shard.members = []  # pyright: ignore[reportAttributeAccessIssue]  (it would hold every header)
        key, ending = split_name(member.name)
        if not member.isreg() or META.match(member.name) or not ending:
            continue
        if key != current and members:
            yield current, members
            members = {}
        current = key
        if ending in members:
            rule = f"{printable(path)}: sample {printable(key)} has two members that end in .{printable(ending)}"
            raise SpecError(rule, field=split)
        members[ending] = member
    if members:
        yield current, members


def split_name(name: str) -> tuple[str, str]:
    """The key of a member and its ending in small letters, at the first dot of its file's name; no ending, no sample.

    As `webdataset.tariterators.base_plus_ext`, but that hidden files in folders (`set/._1.png`, which macOS adds) are
    no samples.
    """
    folder, slash, file = name.rpartition("/")
    stem, dot, ending = file.partition(".")
    return (f"{folder}{slash}{stem}", ending.lower()) if stem and dot else ("", "")


def _sample(
    content: BinaryIO, key: str, members: dict[str, tarfile.TarInfo], wanted: Wanted, name: str, split: str
) -> ShardSample:
    has = f"it has {', '.join(printable(ending) for ending in members)}"
    image = next((members[ending] for ending in wanted.images if ending in members), None)
    if image is None:
        raise SpecError(f"{name} has no image ({', '.join(wanted.images)}); {has}", field=split)
    member = members.get(wanted.ending)
    if member is None:
        raise SpecError(f"{name} has no label ({wanted.ending}); {has}", field=split)
    content.seek(member.offset_data)
    try:
        label = wanted.read_label(content.read(member.size))
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{name}: no label in .{wanted.ending}: {printable(str(error))[:120]}", field=split) from None
    return ShardSample(key, image.offset_data, image.size, label)
