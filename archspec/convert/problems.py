"""Differences between the tensors of a state dict and those of a network, by the names of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True, slots=True)
class Original:
    """The source's names of the tensors of a spec's network.

    Attributes:
        spec: the network.
        find: a family's function from a name here to the source's; None where it has none.
    """

    spec: ArchSpec
    find: Callable[[str, ArchSpec], str] | None

    def there(self, name: str) -> str:
        """The source's name of the tensor called `name` here."""
        return name if self.find is None else self.find(name, self.spec)

    def both(self, name: str) -> str:
        """The source's name, with the one here behind it where that is another."""
        there = self.there(name)
        return name if there == name else f"{there} ({name} here)"


def find_problems(
    converted: Mapping[str, Tensor], expected: Mapping[str, Tensor], unread: list[str], original: Original
) -> list[str]:
    """The reasons why `converted` is not the state of a network with the tensors `expected`; none where it is.

    Args:
        converted: tensors by the network's names.
        expected: the network's tensors.
        unread: the source's names of tensors that nothing asked for.
        original: the source's names of the others.
    """
    problems: list[str] = []
    if missing := [name for name in expected if name not in converted]:
        headless = "head.fc.weight" in missing and all(name.startswith("head.") for name in missing)
        hint = ": without a head in the spec (head: null) the others can be converted" if headless else ""
        problems.append(f"no {name_first(missing, original.both)}{hint}")
    unknown = [original.there(name) for name in converted if name not in expected]
    if unexpected := [*unread, *unknown]:
        problems.append(f"unexpected {name_first(unexpected, str)}")
    both = [(name, tuple(converted[name].shape), tuple(t.shape)) for name, t in expected.items() if name in converted]
    if wrong := [f"{original.both(name)} {found}, not {shape}" for name, found, shape in both if found != shape]:
        problems.append(f"shape of {name_first(wrong, str)}")
    owners: dict[int, str] = {}
    for name, tensor in converted.items():
        address = tensor.data_ptr()  # 0 where nothing is stored
        if address and (other := owners.setdefault(address, name)) != name:
            problems.append(f"{original.both(other)} and {original.both(name)} are one tensor")
            break
    return problems


def name_first(names: list[str], write: Callable[[str], str]) -> str:
    """The first of some names, and how many more there are."""
    return write(names[0]) if len(names) == 1 else f"{write(names[0])} and {len(names) - 1} more"
