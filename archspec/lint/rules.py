"""The rules of `archspec.lint.lint`. Each is a function from a spec with its costs and layers to findings.

Rules look at layers, shapes and costs, not at the names of blocks: they hold for third-party blocks too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import TypeVar, final

from archspec.cost.measure import NetworkCost
from archspec.cost.symbolic import ATTENTION, total_stride
from archspec.documents.paths import Place
from archspec.documents.wording import plural
from archspec.spec.schema import ArchSpec
from archspec.tree.trace import place_of_module
from blocks.layers.attention.attention import Attention
from blocks.layers.basic.activation import Activation
from blocks.layers.basic.conv import Conv
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import BatchNorm, LayerNorm
from blocks.layers.basic.pool import AvgPool, GlobalPool, MaxPool
from blocks.layers.basic.resize import Resize
from blocks.layers.combine import Residual, Sequence, Sum
from blocks.layers.layer import Line, Shape, Visit
from blocks.opaque.opaque import Opaque

LONG_SIDE = 28
HEAD_DIMENSIONS = range(32, 129)
WIDTH_STEP = 8
MAX_STAGE_SHARE = 0.5
MAX_STEM_SHARE = 0.3
MAX_HEAD_SHARE = 0.5
POSITION_BLIND = (Sequence, Sum, Residual, Attention, Linear, BatchNorm, LayerNorm, Activation, GlobalPool)
"""Layers that treat every position alike; a convolution does where its window is one position."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One warning.

    Attributes:
        rule: the rule's name, such as `heavy-stage`.
        place: what it concerns, in canonical form: ("stages", 3, "downsample").
        message: the numbers, in one line.
        value: the number that the rule looks at.
        limit: the number that it should not pass.
    """

    rule: str
    place: Place
    message: str
    value: float
    limit: float


@final
@dataclass(frozen=True)
class Subject:
    """A spec at one resolution, its cost, and every layer with the shapes around it."""

    spec: ArchSpec
    cost: NetworkCost
    visits: tuple[Visit, ...]

    def attentions(self) -> list[tuple[Line, int, int]]:
        """The matmuls of each attention layer, with their numbers of queries and keys: 2·C·queries·keys MACs.

        What happens inside opaque modules is left out: its shapes are not known.
        """
        layers = {visit.path for visit in self.visits if not isinstance(visit.layer, Opaque)}
        lines = [line for line in self.cost.total.lines if line.operator in ATTENTION and line.path in layers]
        queries = [prod(line.shape[1:]) for line in lines]
        return [(line, n, line.macs // (2 * line.shape[0] * n)) for line, n in zip(lines, queries, strict=True)]

    def place(self, path: str) -> Place:
        """The place in the spec of a module; of a block that of its stage or branch, since findings are of them all."""
        place, _ = place_of_module(path, self.spec)
        return place[: place.index("blocks")] if "blocks" in place else place


Rule = Callable[[Subject], Iterator[Finding]]


def long_attention(subject: Subject) -> Iterator[Finding]:
    """Attention over more than 28x28 tokens, unless its keys are reduced to as few pairs as that makes."""
    limit = LONG_SIDE**4
    long = [(line, n, m) for line, n, m in subject.attentions() if n * m > limit]
    for (place, shape, n, m), found in _grouped(long, lambda one: (subject.place(one[0].path), one[0].shape, *one[1:])):
        share = sum(line.macs for line, _, _ in found) / subject.cost.macs
        tokens = f"{n:,}" if m == n else f"{n:,} queries, {m:,} keys"
        long_map = f"attention over more than {LONG_SIDE}×{LONG_SIDE} tokens ({_sides(shape)}: {tokens})"
        message = f"{long_map} costs {_percent(share)} of the MACs, in {plural(len(found), 'layer')}"
        yield Finding("long-attention", place, message, (n * m) ** 0.5, LONG_SIDE**2)


def one_token(subject: Subject) -> Iterator[Finding]:
    """Attention to a single key: softmax of one number is 1 whatever queries and keys are."""
    layers_of = {visit.path: visit.layer for visit in subject.visits}
    found = [line for line, _, keys in subject.attentions() if keys == 1]
    found = [line for line in found if isinstance(layers_of[line.path], Attention)]
    for place, lines in _grouped(found, lambda line: subject.place(line.path)):
        layers = plural(len(lines), "layer")
        message = f"attention to 1 token in {layers}: its weight is always 1, so queries and keys have no effect"
        yield Finding("one-token", place, message, 1, 2)


def head_dimension(subject: Subject) -> Iterator[Finding]:
    """Attention heads outside 32 to 128 channels."""
    paths = {line.path for line, _, _ in subject.attentions()}
    found: list[tuple[str, int, int]] = []
    for visit in subject.visits:
        width, heads = getattr(visit.layer, "width", 0), getattr(visit.layer, "heads", 0)
        if visit.path in paths and heads and width // heads not in HEAD_DIMENSIONS:
            found.append((visit.path, width, heads))
    for (_, width, heads), group in _grouped(found, lambda one: (subject.place(one[0]), *one[1:])):
        size = width // heads
        limit = HEAD_DIMENSIONS[0] if size < HEAD_DIMENSIONS[0] else HEAD_DIMENSIONS[-1]
        words = f"less than {limit}" if size < limit else f"more than {limit}"
        message = f"{size} channels per head ({width} / {heads}), {words}, in {plural(len(group), 'layer')}"
        yield Finding("head-dimension", _option(subject, group[0][0], "heads"), message, size, limit)


def heavy_stage(subject: Subject) -> Iterator[Finding]:
    """A stage with more than half of all MACs, among three or more."""
    total = subject.cost.macs
    for index, stage in enumerate(subject.cost.stages):
        share = stage.macs / total if total else 0
        if share > MAX_STAGE_SHARE and len(subject.cost.stages) > 2:
            message = f"costs {_percent(share)} of the MACs: {stage.macs / 1e6:,.1f} of {total / 1e6:,.1f} M"
            yield Finding("heavy-stage", ("stages", index), message, share, MAX_STAGE_SHARE)


def heavy_memory(subject: Subject) -> Iterator[Finding]:
    """A stage that keeps more than half of the bytes for backward, or a stem more than 30 %."""
    total = subject.cost.saved_bytes
    for part in subject.cost.parts:
        limit = MAX_STEM_SHARE if part.name == "stem" else MAX_STAGE_SHARE
        share = part.saved_bytes / total if total else 0
        alone = part.name.startswith("stages.") and len(subject.cost.stages) < 3
        if share > limit and not alone:
            kept = f"{part.saved_bytes / 1e6:,.1f} of {total / 1e6:,.1f} MB per image"
            message = f"keeps {_percent(share)} of the memory for backward: {kept}"
            yield Finding("heavy-memory", subject.place(part.name), message, share, limit)


def heavy_head(subject: Subject) -> Iterator[Finding]:
    """A head with more than half of all parameters."""
    head, total = subject.cost.parts[-1], subject.cost.params
    share = head.params / total if total and head.name == "head" else 0
    if share > MAX_HEAD_SHARE:
        message = f"holds {_percent(share)} of the parameters: {head.params:,} of {total:,}"
        yield Finding("heavy-head", ("head",), message, share, MAX_HEAD_SHARE)


def lone_batch_norm(subject: Subject) -> Iterator[Finding]:
    """Batch norm on maps of one position, which has one number per image to take its statistics from."""
    found = [v for v in subject.visits if isinstance(v.layer, BatchNorm) and prod(v.before[1:]) == 1]
    for place, visits in _grouped(found, lambda visit: subject.place(visit.path)):
        norms = plural(len(visits), "batch norm")
        cost = "statistics come from one number per image, and a batch of 1 cannot train"
        yield Finding("lone-batch-norm", place, f"{norms} on maps of 1×1: {cost}", 1, 2)


def odd_width(subject: Subject) -> Iterator[Finding]:
    """Channels that are no multiple of 8, where they are chosen."""
    found: list[tuple[Place, int]] = []
    for visit in subject.visits:
        layer = visit.layer
        if not isinstance(layer, Conv | Linear):
            continue
        # The image's channels and the classes are not for the layout to choose.
        fixed_in = visit.path.startswith("stem") and layer.width_in == subject.spec.channels
        widths = {0 if fixed_in else layer.width_in, 0 if visit.after == subject.cost.total.shape else layer.width_out}
        found += [(_width_place(subject, visit.path, width), width) for width in widths if width % WIDTH_STEP]
    for (place, width), uses in _grouped(found, lambda one: one):
        padded = width + -width % WIDTH_STEP
        extra = _percent(padded / width - 1)
        layers = plural(len(uses), "layer")
        message = f"{width} channels are no multiple of 8: padded to {padded} they cost {extra} more, in {layers}"
        yield Finding("odd-width", place, message, width, WIDTH_STEP)


def ragged_map(subject: Subject) -> Iterator[Finding]:
    """Strides that do not divide the map's side: positions are computed on padding, or left out."""
    found: list[tuple[Place, int, Shape, Shape]] = []
    for visit in subject.visits:
        layer = visit.layer
        strided = layer.stride if isinstance(layer, Conv | MaxPool) else 1
        stride = layer.size if isinstance(layer, AvgPool) else strided
        if any(side % stride for side in visit.before[1:]):
            found.append((subject.place(visit.path), stride, visit.before[1:], visit.after[1:]))
    fixed = any(isinstance(visit.layer, Opaque | Resize) for visit in subject.visits)
    hint = "" if fixed or not found else f" (images divisible by {total_stride(subject.spec)} leave none)"
    for (place, stride, before, after), uses in _grouped(found, lambda one: one):
        extra = prod(after) * stride**2 / prod(before) - 1
        work = f"{_percent(abs(extra))} {'more' if extra > 0 else 'fewer'} positions than 1 in {stride**2}"
        sizes = f"{_product(before)} to {_product(after)}, in {plural(len(uses), 'layer')}"
        message = f"stride {stride} leaves a remainder{hint}: {sizes}, {work}"
        yield Finding("ragged-map", place, message, max(side % stride for side in before), 0)
        hint = ""


def dead_weights(subject: Subject) -> Iterator[Finding]:
    """Weights of a convolution that only ever meet padding, since the map is smaller than the window."""
    found: list[tuple[Place, int, Shape, int, int]] = []
    for visit in subject.visits:
        layer = visit.layer
        if isinstance(layer, Conv) and min(visit.before[1:]) < layer.kernel:
            alive = prod(_alive(layer, a, b) for a, b in zip(visit.before[1:], visit.after[1:], strict=True))
            weights = layer.width_in // layer.groups * layer.width_out
            if alive < layer.kernel**2:
                dead = layer.kernel**2 - alive
                found.append((subject.place(visit.path), layer.kernel, visit.before[1:], dead, weights))
    for (place, kernel, before, dead), uses in _grouped(found, lambda one: one[:4]):
        params = sum(use[4] for use in uses) * dead
        share = _percent(params / subject.cost.params)
        where = f"{kernel}×{kernel} windows on {_product(before)} maps in {plural(len(uses), 'layer')}"
        message = f"{where}: {dead} of {kernel**2} weights meet only padding, {params:,} parameters ({share})"
        yield Finding("dead-weights", place, message, params, 0)


def no_position(subject: Subject) -> Iterator[Finding]:
    """Attention in a network where no layer, after the patches are cut, knows which ones are neighbours."""
    cut = next((visit for visit in subject.visits if isinstance(visit.layer, Conv)), None)
    attentions = subject.attentions()
    if cut is None or not attentions:
        return
    for visit in subject.visits:
        layer = visit.layer
        if isinstance(layer, Conv):
            patches = visit is cut and layer.kernel == layer.stride and not layer.pad
            if not patches and (layer.kernel, layer.stride) != (1, 1):
                return
        elif not isinstance(layer, POSITION_BLIND):
            return
    patches = prod(cut.after[1:])
    layers = plural(len(attentions), "attention")
    message = (
        f"{layers}, but no layer knows where a patch lies: shuffling all {patches:,} changes nothing but their order"
    )
    if patches > 1:
        yield Finding("no-position", subject.place(attentions[0][0].path), message, patches, 1)


def enlarging_resize(subject: Subject) -> Iterator[Finding]:
    """A bilinear resize that makes a map larger: more positions, no more detail."""
    for visit in subject.visits:
        before, after = prod(visit.before[1:]), prod(visit.after[1:])
        if isinstance(visit.layer, Resize) and after > before:
            sizes = f"enlarges {_sides(visit.before)} to {_sides(visit.after)}"
            message = f"{sizes}: {_percent(after / before - 1)} more positions for all that follows, and no more detail"
            yield Finding("enlarging-resize", subject.place(visit.path), message, after, before)


RULES: tuple[Rule, ...] = (
    heavy_stage,
    long_attention,
    one_token,
    head_dimension,
    no_position,
    odd_width,
    ragged_map,
    enlarging_resize,
    dead_weights,
    lone_batch_norm,
    heavy_memory,
    heavy_head,
)


def _option(subject: Subject, path: str, option: str) -> Place:
    """The place of an option of the block that a module belongs to, or of its stage where it has no such option."""
    match place_of_module(path, subject.spec):
        case [(*above, "blocks", int(block)) as place, _]:
            lane = dict(subject.spec.lanes())[tuple(above)]
            return (*place, option) if hasattr(lane.blocks[block], option) else tuple(above)
        case _:
            return subject.place(path)


def _width_place(subject: Subject, path: str, width: int) -> Place:
    """The width of the stage or branch whose width it is, or the part that makes it."""
    place = subject.place(path)
    lanes = [(lane, spec.width) for lane, spec in subject.spec.lanes()]
    match place:
        case ("stages", int(index), *_):
            own = [lane for lane in lanes if place[: len(lane[0])] == lane[0]]
            near = (own or _of_stage(index, lanes)) + _of_stage(index - 1, lanes)
        case ("stem",):
            near = _of_stage(0, lanes)
        case _:
            near = _of_stage(len(subject.cost.stages) - 1, lanes)
    return next(((*lane, "width") for lane, given in near if given == width), place)


def _of_stage(index: int, lanes: list[tuple[Place, int]]) -> list[tuple[Place, int]]:
    return [lane for lane in lanes if lane[0][1] == index]


def _alive(layer: Conv, before: int, after: int) -> int:
    """How many of a window's rows (or columns) ever stand on the map, one side being `before` long."""
    met = {i - o * layer.stride + layer.pad for i in range(before) for o in range(after)}
    return len(met & {*range(layer.kernel)})


def _grouped(items: Iterable[T], key: Callable[[T], K]) -> list[tuple[K, list[T]]]:
    """Items with the same key together, in the order of the first of each."""
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return list(groups.items())


def _sides(shape: Shape) -> str:
    return _product(shape[1:])


def _product(sides: Shape) -> str:
    return "×".join(map(str, sides))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
