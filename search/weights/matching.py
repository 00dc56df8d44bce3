"""Weights matched to a network: which of its tensors they give, which are left to begin anew, and what does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from archspec.convert.convert import COUNTER, convert_names, families
from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError
from archspec.spec.schema import ArchSpec
from search.weights.differences import find_differences
from search.weights.position_tables import resize_table

if TYPE_CHECKING:
    from torch import Tensor, nn

    from archspec.model.network import Network
    from search.weights.reading import Weights

FIRST = 3
"""Names that a message lists; of the others it says how many there are."""
HEAD = "head."
_LOOKS = {
    "hrnet": r"(incre_modules|stage2\.0\.branches)\.",
    "resnet": r"layer1\.0\.conv1\.",
    "convnext": r"stages\.0\.blocks\.0\.conv_dw\.",
    "davit": r"stages\.0\.blocks\.0\.0\.",
    "swin": r"layers\.0\.blocks\.0\.attn\.",
    "pvtv2": r"(stages\.0\.blocks\.0|block1\.0)\.attn\.kv\.",
    "vit": r"blocks\.0\.attn\.qkv\.",
}
"""Names by which the families of timm are told that people have checkpoints of."""


@final
@dataclass(frozen=True)
class Match:
    """The tensors of a network that weights give.

    Attributes:
        text: the source of the weights.
        names: of its tensors, as it has them.
        taken: by the network's names, in the network's shapes.
        resized: names of those among them that are tables of positions of another size.
        missing: names of the network's tensors that the source lacks.
        unexpected: the source's tensors that the network lacks.
        wrong: names of tensors of another shape, each with both shapes.
        differences: fields in which the two specs differ.
        family: of timm, whose names the source has; empty where it has the network's own.
    """

    text: str
    names: Sequence[str]
    taken: Mapping[str, Tensor]
    resized: Sequence[str]
    missing: Sequence[str]
    unexpected: Sequence[str]
    wrong: Mapping[str, str]
    differences: Sequence[str]
    family: str

    @property
    def misfits(self) -> list[str]:
        """The reasons why the source is another network than this one, up to resolution and head; none where it is."""
        if self.differences:  # which is why tensors differ, where they do
            return [_first(self.differences)]
        found: list[str] = []
        missing, unexpected, wrong = (_body(names) for names in (self.missing, self.unexpected, self.wrong))
        if missing:
            found.append(f"it lacks {_first(missing)}")
        if unexpected:
            found.append(f"it has {_first(unexpected)}, which this layout lacks")
        if wrong:
            found.append(f"of another shape: {_first([self.wrong[name] for name in wrong])}")
        return found

    def check(self, *, partial: bool) -> None:
        """Refuse weights of another network, or with `partial` weights of which nothing fits.

        Raises:
            FieldError: they do not fit; the field is `weights`.
        """
        if not _body(self.taken):
            raise FieldError("weights", f"{self.text}: {self._nothing()}")
        if partial or not (misfits := self.misfits):
            return
        rule = f"{self.text} is another network than this layout: {'; '.join(misfits)}"
        raise FieldError("weights", f"{rule}. `partial: true` takes what fits")

    def count(self, network: nn.Module) -> tuple[int, int]:
        """The parameters (numbers) that are taken, and those of the network in all."""
        sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
        return sum(size for name, size in sizes.items() if name in self.taken), sum(sizes.values())

    def copy_to(self, network: nn.Module) -> None:
        """Overwrite the network's tensors with those that are taken."""
        import torch

        state = network.state_dict()
        with torch.no_grad():
            for name, tensor in self.taken.items():
                state[name].copy_(tensor)

    def describe(self, network: nn.Module) -> str:
        """A line for people: what was taken, what begins anew, what was resized."""
        taken, total = self.count(network)
        anew = [name for name, _ in network.named_parameters() if name not in self.taken]
        line = f"{taken:,} of {total:,} parameters ({100 * taken / max(total, 1):.1f} %) from {self.text}"
        line += f"; new: {_first(anew)}" if anew else ""
        return line + (f"; resized: {plural(len(self.resized), 'table')} of positions" if self.resized else "")

    def _nothing(self) -> str:
        theirs = list(self.names)
        looks = next((name for name, pattern in _LOOKS.items() if any(re.match(pattern, one) for one in theirs)), "")
        like = f" (they look like those of timm's {looks})" if looks else ""
        ours = [*_body(self.missing), *_body(self.wrong)]
        if self.wrong and not self.family:
            return f"nothing of it fits this layout: {_first([*self.wrong.values()])}"
        return f"nothing of it fits this layout: it has {_first(theirs)}{like}, and the layout {_first(ours)}"


def match(weights: Weights, network: Network, spec: ArchSpec) -> Match:
    """The tensors of `weights` for a network.

    Names are the network's own, or those of a family of timm that `archspec convert` knows: whichever fits more. Tables
    of positions are resized (`position_tables`); what batch norm counts steps with need not be there.

    Args:
        weights: what is there; tensors on the meta device do for a check.
        network: what is to begin with them, on any device.
        spec: of the network.
    """
    expected = network.state_dict()
    named, family = _name(weights.state, spec, expected)
    named = {_at_stride(name, named, expected): tensor for name, tensor in named.items()}
    taken: dict[str, Tensor] = {}
    resized, missing = list[str](), list[str]()
    wrong: dict[str, str] = {}
    for name, tensor in expected.items():
        found = named.get(name)
        if found is None:
            if not name.endswith(f".{COUNTER}"):
                missing.append(name)
        elif found.shape == tensor.shape:
            taken[name] = found
        elif (table := resize_table(name, found, tensor.shape)) is not None:
            taken[name] = table
            resized.append(name)
        else:
            wrong[name] = f"{name} is {_shape(found)} there, {_shape(tensor)} here"
    unexpected = [name for name in named if name not in expected]
    differences = find_differences(weights.spec, spec) if weights.spec is not None else []
    return Match(weights.text, [*weights.state], taken, resized, missing, unexpected, wrong, differences, family)


def _name(
    state: Mapping[str, Tensor], spec: ArchSpec, expected: Mapping[str, Tensor]
) -> tuple[Mapping[str, Tensor], str]:
    """The tensors by the network's names as far as they have some, and the family of timm that says which."""
    best, chosen, most = state, "", _overlap(state, expected)
    if most == len(expected):
        return best, chosen
    for family in families():
        try:
            named = convert_names(state, spec, family)
        except (SpecError, ValueError, IndexError, RuntimeError):  # a conversion that meets what it was not made for
            continue
        if (count := _overlap(named, expected)) > most:
            best, chosen, most = named, family, count
    return best, chosen


def _at_stride(name: str, named: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """The name of a tensor at the stride of another resolution: a shortcut by pooling is at stride 1 a convolution."""
    pooled, alone = ".shortcut.conv.", ".shortcut."
    other = name.replace(pooled, alone) if pooled in name else name.replace(alone, pooled)
    return other if name not in expected and other in expected and other not in named else name


def _overlap(named: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> int:
    return sum(name in expected for name in named)


def _body(names: Mapping[str, object] | Sequence[str]) -> list[str]:
    """The names of a network without those of its head."""
    return [name for name in names if not name.startswith(HEAD)]


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - FIRST} more" if len(names) > FIRST else ""
    return f"{', '.join(names[:FIRST])}{more}" if names else "nothing"
