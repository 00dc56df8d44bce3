"""The layer: plain data that knows its shape rule, its cost rule and which torch module it stands for.

A layer never imports torch until `module` is called. Costs follow fvcore's rules (one multiply-add = 1); bytes
saved for backward are those that PyTorch's CPU kernels keep in float32.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Protocol, TypeVar, final

from archspec.errors import FieldError
from blocks.layers.construction import Construction

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]
"""(channels, height, width) of a map or (features,) of a vector, without the batch."""

Maps = tuple["Value", ...]
"""Several maps of one image, finest first."""

Partition = tuple[int, ...] | None
"""How a dimension of a parameter is cut into equal parts of which a narrower layer has the leading share of each.

`(3, heads)` are three parts of `heads` parts each; `()` is one part. None keeps the dimension whole: it is the same in
all layers that share the parameter.
"""

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")

FLOAT_BYTES = 4
INDEX_BYTES = 8
"""Of a position that backward reads again, such as that of a maximum."""
TRAINING_ONLY = "training only"
"""Operator of a line of what evaluation does not run."""


@final
class Storage:
    """The memory behind one or more values; two values with the same storage are saved once."""

    __slots__ = ("elements",)

    def __init__(self, elements: int) -> None:
        self.elements = elements


@final
@dataclass(frozen=True, slots=True)
class Value:
    """A tensor that flows through the layers: its shape without the batch, and its memory."""

    shape: Shape
    storage: Storage

    @classmethod
    def new(cls, shape: Shape) -> Value:
        """A value in memory of its own."""
        return cls(shape, Storage(prod(shape)))

    def view(self, shape: Shape) -> Value:
        """The same memory seen in another shape."""
        return Value(shape, self.storage)


@final
@dataclass(frozen=True, slots=True)
class Line:
    """The cost of one operator of one layer, for one image.

    `path` is the module's dotted name in the built network; `operator` is fvcore's name for what was counted.
    `elementwise` is what fvcore does not bill but counters of modules do (see `archspec.cost.conventions`): additions
    of a convolution's bias, elements that a pooling reads, elements that a resizing module writes. `repeats` says how
    often `shape` occurs per image, where the layer works on regions of it.
    """

    path: str
    operator: str
    shape: Shape
    params: int
    macs: int
    activations: int
    saved_bytes: int
    elementwise: int = 0
    repeats: int = 1

    def repeated(self, times: int) -> Line:
        """This operator on `times` regions of an image at once; batch norm keeps its statistics once for all."""
        once = self.params * FLOAT_BYTES if self.operator == "batch_norm" else 0
        return replace(
            self,
            macs=times * self.macs,
            activations=times * self.activations,
            saved_bytes=times * (self.saved_bytes - once) + once,
            elementwise=times * self.elementwise,
            repeats=times * self.repeats,
        )


@final
@dataclass(frozen=True, slots=True)
class Visit:
    """One layer on a walk: its module's dotted name, and the shapes of its input and output."""

    path: str
    layer: Layer
    before: Shape
    after: Shape


class MapsTracer(Protocol[R_co]):
    """A layer that can be traced on several maps: see `blocks.layers.maps`."""

    def trace(self, maps: Maps, meter: Meter) -> R_co:
        """Shape and cost rule."""
        ...


@final
class Meter:
    """Collector of the lines of a walk over layers; knows where the walk stands and what is already saved.

    Args:
        training: count as in training.
        kept: values whose memory is saved for backward before the walk begins.
        oversize: let all windows be larger than the map that they cut, as `Layer.oversize` says of one layer.

    Attributes:
        training: count as in training.
        reducing: whether the walk is inside a stem or downsampling, where a stride must find positions to reduce.
        lines: what was recorded, in order.
        visits: where this is a list, every layer is added to it when its walk ends, inner ones before outer ones.
    """

    def __init__(self, *, training: bool = False, kept: tuple[Value, ...] = (), oversize: bool = False) -> None:
        self.training = training
        self.reducing = False
        self.lines: list[Line] = []
        self.visits: list[Visit] | None = None
        self._oversize = oversize
        self._path: list[str] = []
        self._saved = {value.storage for value in kept}

    @property
    def path(self) -> str:
        """Dotted name of the layer that is being traced."""
        return ".".join(self._path)

    def enter(self, name: str, layer: Layer, value: Value) -> Value:
        """Trace `layer` as the part called `name` of the current layer; after an error `path` still names it.

        Raises:
            FieldError: the shape of `value` does not fit.
        """
        self._path.append(name)
        if layer.period > 1 and not (self._oversize or layer.oversize):
            _check_window(layer, value.shape)
        out = layer.trace(value, self)
        if self.visits is not None:
            self.visits.append(Visit(self.path, layer, value.shape, out.shape))
        self._path.pop()
        return out

    def enter_maps(self, name: str, layer: MapsTracer[R], maps: Maps) -> R:
        """As `enter`, for a layer that reads several maps; no visit, since its layers are visited one by one."""
        self._path.append(name)
        out = layer.trace(maps, self)
        self._path.pop()
        return out

    def enter_training_only(self, name: str, layer: Layer, value: Value) -> Value:
        """As `enter`, for what only training runs: in evaluation its params and the bytes that it keeps count alone."""
        start = len(self.lines)
        out = self.enter(name, layer, value)
        if not self.training:
            free = {"operator": TRAINING_ONLY, "macs": 0, "activations": 0, "elementwise": 0}
            self.lines[start:] = [replace(line, **free) for line in self.lines[start:]]
        return out

    @contextmanager
    def regions(self, count: int) -> Generator[None]:
        """Inside, layers are entered with the shape of one region of the image and run on `count` of them at once."""
        start = len(self.lines)
        yield
        self.lines[start:] = [line.repeated(count) for line in self.lines[start:]]

    @contextmanager
    def again(self) -> Generator[None]:
        """Inside, modules are entered that have run before: their params are counted already."""
        start = len(self.lines)
        yield
        self.lines[start:] = [replace(line, params=0) for line in self.lines[start:]]

    def keeps(self, value: Value) -> bool:
        """Whether the memory of `value` is saved for backward."""
        return value.storage in self._saved

    def count(
        self,
        operator: str,
        out: Value,
        *,
        params: int = 0,
        macs: int = 0,
        activations: int = 0,
        keep: tuple[Value, ...] = (),
        extra_bytes: int = 0,
        elementwise: int = 0,
    ) -> Value:
        """Record one operator and return `out`.

        Args:
            operator: fvcore's name of the operator.
            out: its output.
            params: learnable numbers.
            macs: multiply-adds for one image, by fvcore's rule.
            activations: output elements where fvcore counts them.
            keep: values that backward needs; memory that an earlier layer already keeps costs nothing again.
            extra_bytes: bytes saved beside `keep`, such as the statistics of a norm.
            elementwise: what other counting conventions bill; see `Line`.
        """
        saved = extra_bytes
        for value in keep:
            if value.storage not in self._saved:
                self._saved.add(value.storage)
                saved += value.storage.elements * FLOAT_BYTES
        self.lines.append(Line(self.path, operator, out.shape, params, macs, activations, saved, elementwise))
        return out

    def record(self, line: Line) -> None:
        """Add a line that was measured elsewhere; its path begins at the current layer."""
        path = ".".join(step for step in (self.path, line.path) if step)
        self.lines.append(replace(line, path=path))


class Layer(ABC):
    """One node of a layer tree. Subclasses are frozen dataclasses, hence hashable and comparable."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Short name that names the layer inside a sequence: `conv`, `norm`, `act`."""

    @abstractmethod
    def trace(self, x: Value, meter: Meter) -> Value:
        """Shape and cost rule: record the operators on `meter` and return the output value.

        Raises:
            FieldError: the shape of `x` does not fit.
        """

    def construction(self) -> Construction:
        """The call that makes the torch module, whose submodules bear the names under which `trace` enters its parts.

        A layer states this, or else overrides `module`: then its network can be built, but not written down as code.
        """
        raise NotImplementedError(type(self).__name__)

    def module(self) -> nn.Module:
        """The torch module."""
        return self.construction().make()

    @property
    def period(self) -> int:
        """Side of the windows into which the layer cuts a map; 1 where it cuts none."""
        return 1

    @property
    def oversize(self) -> bool:
        """Whether the windows may be larger than the whole map; the modules take such maps in any case."""
        return False

    @property
    def fit(self) -> str:
        """The way of a module where a window is larger than the whole map: `shrink` the window, or `pad` the map."""
        return "pad"

    def children(self) -> tuple[tuple[str, Layer], ...]:
        """The layers that this one is made of, by the name of their submodule."""
        return ()

    def tails(self) -> tuple[str, ...]:
        """Dotted names of the last layers with weights, whose zeroing makes the whole layer return zero."""
        return ()

    def partitions(self) -> dict[str, tuple[Partition, ...]]:
        """Parts of each parameter of the layer's own module, by dimension, of which narrower layers have a share each.

        A layer that fuses several tensors in one must say so: the leading rows of a projection to queries, keys and
        values are not those of a narrower one. What is not named is sliced along its first two dimensions as a whole,
        and not along others.
        """
        return {}

    @property
    def apart(self) -> str:
        """Text that two layers at one place must have in common to share parameters; empty where none is needed."""
        return ""


def _check_window(layer: Layer, shape: Shape) -> None:
    """One side may be shorter than the window, as in HRFormer's pose models at 256x192; the whole map may not."""
    sides = shape[1:]
    if layer.period > max(sides, default=layer.period):
        does = {"shrink": "shrinks the window to the map", "pad": "pads the map to the window"}[layer.fit]
        rule = f"window {layer.period} is larger than the map of {'x'.join(map(str, sides))}"
        raise FieldError("", f"{rule}: with window_fit: {layer.fit} the block {does}, as the original does")


def window_output(size: int, kernel: int, stride: int, padding: int) -> int:
    """Length of a map of length `size` after a sliding window.

    Raises:
        FieldError: no output position is left.
    """
    out = (size + 2 * padding - kernel) // stride + 1
    if size + 2 * padding < kernel or out < 1:
        raise FieldError("", f"a {kernel}x{kernel} window at stride {stride} empties a side of {size}")
    return out


def expect_reducible(x: Value, stride: int, meter: Meter) -> None:
    """Refuse, in a stem or downsampling, a stride along a side of one position.

    Padding would keep that position for ever, but there is nothing left to reduce.

    Raises:
        FieldError: a side of the map is 1, and the stride is not.
    """
    _, height, width = x.shape
    if meter.reducing and stride > 1 and min(height, width) == 1:
        raise FieldError("", f"stride {stride} empties a map of {height}x{width}")
