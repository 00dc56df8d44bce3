"""The exchange unit of HRNet, HRFormer and HRViT."""

from typing import Annotated, Any, Literal, cast, final

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from archspec.errors import FieldError
from blocks.component import Exchange, MapNumber, without_added
from blocks.layers.basic.activation import Activation, ActivationKind
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.basic.norm import NormKind, norm
from blocks.layers.basic.resize import Repeat
from blocks.layers.combine import Sequence, chain
from blocks.layers.layer import Layer
from blocks.layers.maps import FusedMap, Gather

MAX_PATHS = 56
"""Ordered pairs of 8 branches."""
Pair = tuple[int, ...]
"""From a branch to a branch."""
TWO = Field(min_length=2, max_length=2, strict=False)


@final
class Fuse(Exchange):
    """Every output sums the maps that reach it, each brought to its resolution and width, followed by an activation.

    All maps reach every output unless `paths` names the ways between branches; a branch that arrives always keeps its
    own map, unchanged. To a finer branch a map goes by a 1x1 convolution, a norm and repetition of positions; to a
    coarser one by strided convolutions, with a norm after each convolution: a `chain` of steps that halve, or one
    `step` of kernel 2^k + 1 and stride 2^k. Strided convolutions have no bias. Each map must be half as large as the
    one before; where a side is odd, its half is rounded up and what is repeated from it cropped.

    Source: HRNet section 3.2 (dense chain), HRFormer section 3 (depthwise chain), HRViT section 3.4 (depthwise step,
    `bias: true`, `act_inside: null`, `act: gelu`).
    """

    type: Literal["fuse"] = "fuse"
    down: Literal["chain", "step"] = Field(
        default="chain", description="way to a coarser branch: 3x3 steps of stride 2, or one step with a large kernel"
    )
    depthwise: bool = Field(
        default=False, description="strided convolutions are depthwise, each followed by a 1x1 convolution and a norm"
    )
    bias: bool = Field(default=False, description="whether the 1x1 convolutions have biases")
    norm: NormKind = Field(default="bn", description="norm after each convolution")
    widen: Literal["first", "last"] = Field(default="last", description="step of a chain that changes the width")
    act_inside: ActivationKind | None = Field(default="relu", description="activation between the steps of a chain")
    act: ActivationKind | None = Field(default="relu", description="activation after the sum; null for none")
    paths: tuple[Annotated[tuple[MapNumber, ...], TWO], ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_PATHS,
        strict=False,
        description="the only ways between branches, each as [from, to], 0 being the finest; null for all",
    )

    def layers(self, widths_in: tuple[int, ...], widths_out: tuple[int, ...]) -> Gather:
        """Layers as of `Exchange.layers`.

        Raises:
            FieldError: as `reads`.
        """
        act = None if self.act is None else Activation(self.act)
        reads = self.reads(len(widths_in), len(widths_out))
        outputs = [
            FusedMap(tuple((j, self._path(j, i, widths_in[j], width)) for j in reads[i]), act)
            for i, width in enumerate(widths_out)
        ]
        return Gather(tuple(outputs), halving=True)

    def reads(self, arriving: int, leaving: int) -> tuple[tuple[int, ...], ...]:
        """Numbers of the maps that reach each output: its own, where one arrives, and those of `paths`.

        Raises:
            FieldError: a path from or to a branch that does not exist, from one that is only born here or to itself;
                one that occurs twice; a branch that is born here and that no path reaches.
        """
        if self.paths is None:
            return super().reads(arriving, leaving)
        for index, pair in enumerate(self.paths):
            rule = _fault(pair, self.paths[:index], arriving, leaving)
            if rule:
                raise FieldError(f"paths[{index}]", rule)
        reads = [{i, *_ends(self.paths, i)} if i < arriving else _ends(self.paths, i) for i in range(leaving)]
        unborn = next((i for i, sources in enumerate(reads) if not sources), None)
        if unborn is not None:
            raise FieldError("paths", f"branch {unborn} is born here, but no path leads to it")
        return tuple(tuple(sorted(sources)) for sources in reads)

    @classmethod
    def normalize(cls, options: dict[str, Any], arriving: int, leaving: int) -> dict[str, Any]:
        """Paths in rising order, and null where all are named."""
        pairs = _pairs(options.get("paths"))
        if not pairs or any(_fault(pair, pairs[:index], arriving, leaving) for index, pair in enumerate(pairs)):
            return options
        everything = arriving * (leaving - 1)
        return {**options, "paths": None if len(pairs) == everything else [list(pair) for pair in sorted(pairs)]}

    @model_serializer(mode="wrap")
    def _serialize(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_added(self, write(self), frozenset({"paths"}))

    def _path(self, source: int, target: int, width_in: int, width_out: int) -> Layer | None:
        if source == target:
            # A change of width on the way to itself is refused with the stage: see `ParallelStage`.
            return None
        if source > target:
            up = conv(width_in, width_out, bias=self.bias)
            return chain(conv=up, norm=norm(self.norm, width_out), repeat=Repeat(2 ** (source - target)))
        steps = target - source
        if self.down == "step":
            return Sequence(self._step(width_in, width_out, 2**steps))
        middle = width_out if self.widen == "first" else width_in
        widths = [width_in, *[middle] * (steps - 1), width_out]
        parts: dict[str, Layer] = {}
        for index in range(steps):
            step = self._step(widths[index], widths[index + 1], 2)
            if index < steps - 1 and self.act_inside is not None:
                step = (*step, ("act", Activation(self.act_inside)))
            parts[f"step{index + 1}"] = Sequence(step)
        return Sequence(tuple(parts.items()))

    def _step(self, width_in: int, width_out: int, stride: int) -> tuple[tuple[str, Layer], ...]:
        kernel = stride + 1
        if not self.depthwise:
            down = conv(width_in, width_out, kernel, stride, bias=False)
            return (("conv", down), ("norm", norm(self.norm, width_out)))
        return (
            ("dwconv", dwconv(width_in, kernel, stride, bias=False)),
            ("norm1", norm(self.norm, width_in)),
            ("conv", conv(width_in, width_out, bias=self.bias)),
            ("norm2", norm(self.norm, width_out)),
        )


def _ends(paths: tuple[Pair, ...], target: int) -> set[int]:
    """The branches from which a path leads to `target`."""
    return {source for source, end in paths if end == target}


def _fault(pair: Pair, before: tuple[Pair, ...], arriving: int, leaving: int) -> str:
    """The rule that a path breaks, where `before` are those in front of it; empty where there is none."""
    source, target = pair
    missing = next((number for number in pair if number >= leaving), None)
    if missing is not None:
        there = f"{leaving}, 0 to {leaving - 1}" if leaving > 1 else "only branch 0"
        return f"no branch {missing}: the stage has {there}"
    if source == target:
        return f"leads from branch {source} to itself, which keeps its own map anyway"
    if source >= arriving:
        return f"leaves branch {source}, which is only born here: a path comes from one that arrives"
    return f"[{source}, {target}] occurs twice, first as paths[{before.index(pair)}]" if pair in before else ""


def _pairs(paths: Any) -> tuple[Pair, ...]:
    """Paths of unchecked data as pairs of numbers; none where anything else stands there, or too many."""
    found: list[Pair] = []
    entries = cast("list[Any]", paths) if isinstance(paths, list | tuple) else []
    for entry in entries if len(entries) <= MAX_PATHS else []:
        numbers = cast("list[Any]", entry) if isinstance(entry, list | tuple) else []
        if len(numbers) != 2 or any(type(number) is not int or number < 0 for number in numbers):
            return ()
        found.append((numbers[0], numbers[1]))
    return tuple(found)
