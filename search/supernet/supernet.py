"""The supernet of a space: parameters that all of its layouts share, each a slice of them (experimental)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast, final

from torch import Tensor, nn
from torch.func import functional_call  # pyright: ignore[reportUnknownVariableType]

from archspec.errors import RunError
from archspec.model.build import Init, build
from archspec.model.network import Network
from archspec.model.slices import take
from archspec.spec.schema import ArchSpec
from search.space.space import Space
from search.supernet.initial import draw
from search.supernet.members import Buffers, Member, Members
from search.supernet.options import Prepare
from search.supernet.shapes import shared_tensors

Output = Tensor | tuple[Tensor, ...] | list[Tensor]


@final
class Supernet(nn.Module):
    """The network of any layout of a space, on slices of parameters that layouts share: images -> its output.

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
        self.no_weight_decay = frozenset(_name(key) for key, tensor in self._shared.items() if not tensor.decays)
        self._factors = {key: tensor.slice.factors for key, tensor in self._shared.items()}
        self._members = Members(self._shared)
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

    def forward(self, images: Tensor) -> Output:
        """The active layout's output for images (N, C, H, W), in training or evaluation as the supernet is.

        Raises:
            RunError: no layout is active, or evaluation without statistics for its batch norm.
        """
        member = self._active
        if member is None:
            raise RunError("no layout of the supernet is active: call activate first")
        if self.training:
            buffers = self.fresh_buffers(member)
        elif member.norms and member.spec.digest not in self._statistics:
            rule = "has no statistics of batch norm: estimate_statistics and set_buffers come before evaluation"
            raise RunError(f"layout {member.spec.digest} of the supernet {rule}")
        else:
            buffers = self._statistics.get(member.spec.digest) or self.fresh_buffers(member)
        member.network.train(self.training)
        return self.run(member, buffers, images)

    def run(self, member: Member, buffers: Buffers, images: Tensor) -> Output:
        """A layout's output for images, with buffers of its own, which training changes in place."""
        state = {**dict(self.tensors(member)), **buffers}
        return cast("Any", functional_call)(member.network, state, (images,), tie_weights=False)

    def tensors(self, member: Member) -> Iterator[tuple[str, Tensor]]:
        """The slices that a layout runs on, by the names of its own parameters."""
        for name, (key, factors) in member.cuts.items():
            # Torch chooses among kernels by the memory order, and these differ in the last bit.
            yield name, take(self.get_parameter(_name(key)), self._factors[key], factors).contiguous()

    def member(self, spec: ArchSpec) -> Member:
        """A layout's modules and slices; kept for layouts that come again.

        Raises:
            RunError: a layout of another space.
        """
        return self._members.get(spec)

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
        buffers = {**self.fresh_buffers(member), **self._statistics.get(spec.digest, {})}
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

    def fresh_buffers(self, member: Member) -> Buffers:
        """New buffers of a layout, where the parameters are."""
        device = next(self.parameters()).device
        return {name: value.to(device, copy=True) for name, value in member.buffers.items()}


def _name(key: str) -> str:
    """The name under which a module may hold a parameter."""
    return key.replace(".", "/")
