"""The supernet of a space: parameters that all of its layouts share, each a slice of them (experimental)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch.func import functional_call  # pyright: ignore[reportUnknownVariableType]

from archspec.errors import RunError
from archspec.model.build import Init, Network, build
from archspec.model.slices import Factors, slices, take
from archspec.spec.schema import ArchSpec
from archspec.tree.tree import plant
from blocks.opaque.opaque import Opaque
from search.space.space import Space
from search.supernet.initial import draw
from search.supernet.options import Prepare, placed
from search.supernet.shapes import key_of, shared_tensors, sketch

MAX_STRUCTURES = 256
"""Layouts whose modules are kept; they hold no weights."""

Buffers = dict[str, Tensor]


@final
@dataclass(frozen=True, slots=True)
class Member:
    """A layout's network without weights, and the slices that it runs on.

    Attributes:
        spec: the layout.
        network: its modules, on the meta device.
        slices: of each of its parameters by name, the name of the shared one and the factors of the slice.
        buffers: initial values of its buffers by name.
        normed: whether batch norm keeps statistics in it.
    """

    spec: ArchSpec
    network: Network
    slices: dict[str, tuple[str, tuple[Factors, ...]]]
    buffers: Buffers
    normed: bool


@final
class Supernet(nn.Module):
    """The network of any layout of a space, on slices of parameters that layouts share: images -> what the layout gives.

    The parameters are those of `search.supernet.shapes`: keyed by place, kind of part and name, at the largest size
    that any layout needs. A layout's tensors are slices of them, and gradients flow back into them. Their names are the
    keys with `/` for `.`.

    Batch norm's statistics belong to a layout. In training the batch's are used, and none are kept; evaluation uses
    those of `set_buffers`, which `search.supernet.statistics.estimate_statistics` gives.

    Experimental: names and options may change.

    Args:
        space: a space of pyramids.
        prepare: from a layout to what is trained.
        init, zero_init_residual: see `archspec.model.build.build`, here on layers of the full sizes.
        seed: of the initial values.

    Attributes:
        active: the layout that `forward` runs; None until `activate`.
        no_weight_decay: patterns of parameters that layers declare to be without weight decay.

    Raises:
        SpecError, FieldError: see `search.supernet.shapes.check_space`.
    """

    def __init__(
        self,
        space: Space,
        prepare: Prepare,
        *,
        init: Init = "vit",
        zero_init_residual: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self._shared = shared_tensors(space, prepare)
        for key, value in draw(self._shared, init, zero_init_residual=zero_init_residual, seed=seed).items():
            self.register_parameter(_name(key), nn.Parameter(value))
        self.no_weight_decay = frozenset(_undecayed(self._shared))
        self._members: OrderedDict[str, Member] = OrderedDict()
        self._statistics: dict[str, Buffers] = {}
        self._active: Member | None = None

    @property
    def active(self) -> ArchSpec | None:
        return None if self._active is None else self._active.spec

    def activate(self, spec: ArchSpec) -> None:
        """Run the layout `spec`, as it was prepared, from now on.

        Raises:
            RunError: a layout of another space.
        """
        self._active = self.member(spec)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...] | list[Tensor]:
        """What the active layout gives for images (N, C, H, W), in training or evaluation as the supernet is.

        Raises:
            RunError: no layout is active, or evaluation without statistics for its batch norm.
        """
        member = self._active
        if member is None:
            raise RunError("no layout of the supernet is active: call activate first")
        if self.training:
            buffers = self._fresh(member)
        elif member.normed and member.spec.digest not in self._statistics:
            rule = "has no statistics of batch norm: estimate_statistics and set_buffers come before evaluation"
            raise RunError(f"layout {member.spec.digest} of the supernet {rule}")
        else:
            buffers = self._statistics.get(member.spec.digest) or self._fresh(member)
        if member.network.training != self.training:
            member.network.train(self.training)
        return self.run(member, buffers, images)

    def run(self, member: Member, buffers: Buffers, images: Tensor) -> Tensor | tuple[Tensor, ...] | list[Tensor]:
        """What a layout gives for images with buffers of its own, which training changes in place."""
        state = {**dict(self.tensors(member)), **buffers}
        return cast("Any", functional_call)(member.network, state, (images,))

    def tensors(self, member: Member) -> Iterator[tuple[str, Tensor]]:
        """The slices that a layout runs on, by the names of its own parameters."""
        for name, (shared, factors) in member.slices.items():
            yield name, take(self.get_parameter(shared), self._factors[shared], factors)

    def member(self, spec: ArchSpec) -> Member:
        """A layout's modules and slices; made once for layouts that come again.

        Raises:
            RunError: a layout of another space.
        """
        found = self._members.pop(spec.digest, None) or self._join(spec)
        self._members[spec.digest] = found
        if len(self._members) > MAX_STRUCTURES:
            self._members.popitem(last=False)
        return found

    def cut_out(self, spec: ArchSpec) -> Network:
        """A layout as an ordinary network of its own, in evaluation mode: copies of its slices, and its statistics.

        Without statistics from `set_buffers` the buffers are those of a new network.

        Raises:
            RunError: a layout of another space.
        """
        member = self.member(spec)
        state = {name: tensor.detach().clone() for name, tensor in self.tensors(member)}
        device = next(iter(state.values())).device
        network = build(spec, init="skip", device=device)
        buffers = {**self._fresh(member), **self._statistics.get(spec.digest, {})}
        kept = network.state_dict().keys()
        network.load_state_dict(state | {name: value for name, value in buffers.items() if name in kept})
        return network.eval()

    def buffers_of(self, spec: ArchSpec) -> Buffers | None:
        """The statistics of a layout that evaluation uses; None where there are none."""
        return self._statistics.get(spec.digest)

    def set_buffers(self, spec: ArchSpec, buffers: Mapping[str, Tensor] | None) -> None:
        """Use these statistics of a layout in evaluation; None forgets them."""
        if buffers is None:
            self._statistics.pop(spec.digest, None)
        else:
            self._statistics[spec.digest] = dict(buffers)

    def forget_buffers(self) -> None:
        """Forget the statistics of all layouts, as after every step of training."""
        self._statistics.clear()

    def extra_repr(self) -> str:
        return f"{len(self._shared)} shared parameters"

    @property
    def _factors(self) -> dict[str, tuple[Factors, ...]]:
        known: dict[str, tuple[Factors, ...]] | None = self.__dict__.get("_known_factors")
        if known is None:
            known = {_name(key): tensor.slice.factors for key, tensor in self._shared.items()}
            self.__dict__["_known_factors"] = known
        return known

    def _fresh(self, member: Member) -> Buffers:
        """New buffers of a layout, where the parameters are."""
        device = next(self.parameters()).device
        return {name: value.to(device, copy=True) for name, value in member.buffers.items()}

    def _join(self, spec: ArchSpec) -> Member:
        network = build(spec, init="skip", device="meta")
        found: dict[str, tuple[str, tuple[Factors, ...]]] = {}
        for part in placed(spec.at(spec.resolution) if isinstance(spec.image, int) else spec):
            for name, cut in slices(part.layer, network.get_submodule(part.place)).items():
                key = key_of(part, cut)
                shared = self._shared.get(key)
                if shared is None or not _holds(shared.slice.factors, cut.factors):
                    size = "x".join(map(str, cut.shape))
                    raise RunError(f"layout {spec.digest}: the supernet has no {key} of {size}: it is of another space")
                found[f"{part.place}.{name}"] = (_name(key), cut.factors)
        normed = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())  # noqa: SLF001
        return Member(spec, network, found, _buffers(network, spec), normed)


def _name(key: str) -> str:
    """The name under which a module may hold a parameter."""
    return key.replace(".", "/")


def _holds(full: tuple[Factors, ...], wanted: tuple[Factors, ...]) -> bool:
    same = [len(factors) for factors in full] == [len(factors) for factors in wanted]
    pairs = zip(full, wanted, strict=False)
    return same and all(one >= other for a, b in pairs for one, other in zip(a, b, strict=True))


def _buffers(network: Network, spec: ArchSpec) -> Buffers:
    """Initial values of all buffers of a network on the meta device."""
    found: Buffers = {}
    tree = plant(spec)
    opaque = {name: sketch(layer) for name, layer in tree.walk() if isinstance(layer, Opaque)}
    for name, buffer in network.named_buffers():
        inside = next((path for path in opaque if name.startswith(f"{path}.")), None)
        if inside is not None:
            found[name] = opaque[inside].get_buffer(name.removeprefix(f"{inside}."))
            continue
        module, _, own = name.rpartition(".")
        found[name] = _fresh_buffer(network.get_submodule(module), own, buffer)
    return found


def _fresh_buffer(module: nn.Module, own: str, buffer: Tensor) -> Tensor:
    """A buffer as the module's own initialisation leaves it."""
    import copy

    fresh = copy.deepcopy(module).to_empty(device="cpu", recurse=False)
    reset = getattr(fresh, "reset_running_stats", None) or getattr(fresh, "reset_parameters", None)
    if callable(reset):
        with torch.random.fork_rng(devices=[]):
            reset()
    return fresh.get_buffer(own).to(buffer.dtype)


def _undecayed(shared: Mapping[str, Any]) -> Iterator[str]:
    """Names of shared parameters that their module declares to be without weight decay."""
    for key, tensor in shared.items():
        module = sketch(tensor.part.layer)
        owner, _, own = tensor.name.rpartition(".")
        declared: Any = getattr(module.get_submodule(owner), "no_weight_decay", ())
        patterns: Any = declared() if callable(declared) else declared
        if any(fnmatchcase(own, pattern) for pattern in patterns):
            yield _name(key)
