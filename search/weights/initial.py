"""The weights that a network begins with: drawn, or those of a trained network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from archspec.documents.paths import suggest
from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError
from archspec.spec.schema import ArchSpec
from search.inputs import Input
from search.plugins import first_problem

if TYPE_CHECKING:
    from archspec.model.network import Network
    from search.weights.reading import Weights

Drawn = Literal["vit", "fan_out"]
DRAWN = ("vit", "fan_out")
OWN = "own"
"""In place of a supernet's folder, that of the run itself."""


@final
class InitialWeights(BaseModel):
    """The weights of a trained network; what they do not give begins as `others` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: str = Field(
        min_length=1,
        max_length=1000,
        description="a file (.safetensors, .pt, .pth), timm:NAME, or RUN/MEMBER: a run's folder and a trial or digest",
    )
    partial: bool = Field(
        default=False,
        description="take what fits by name and shape, rather than refuse another layout than that of the weights",
    )
    others: Drawn = Field(default="fan_out", description="initial weights of what they lack, such as a new head")


@final
class SupernetWeights(BaseModel):
    """The slices that make up the layout in a trained supernet of its space."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    supernet: str = Field(
        min_length=1,
        max_length=1000,
        description="folder of a trained supernet (runs/x/supernet), or own: that of the run which trains the layout",
    )


@final
@dataclass(frozen=True)
class Beginning:
    """A network before its training.

    Attributes:
        network: on the CPU.
        taken: parameters that come from weights; None where all are drawn.
        share: of all parameters.
        line: what came from where, for people; empty where all are drawn.
    """

    network: Network
    taken: int | None = None
    share: float = 0
    line: str = ""


def _parse(raw: object) -> object:
    if isinstance(raw, str) and raw not in DRAWN:
        hint = suggest(raw, DRAWN) or ": vit, fan_out, or {weights: a file, timm:NAME or RUN/MEMBER}"
        raise FieldError("", f"unknown initial weights {raw!r:.60}{hint}")
    if isinstance(raw, Mapping):
        fields = dict(cast("Mapping[str, Any]", raw))
        kind = SupernetWeights if "supernet" in fields else InitialWeights
        if unknown := next((name for name in fields if name not in kind.model_fields), None):
            raise FieldError(str(unknown), f"unknown field{suggest(str(unknown), kind.model_fields)}")
        try:
            return kind.model_validate(fields)
        except ValidationError as error:
            raise first_problem(error, kind) from None
    return raw


AnyInit = Annotated[Drawn | InitialWeights | SupernetWeights, BeforeValidator(_parse)]
"""Type of a pydantic field that says how weights begin."""


def check_initial(init: Drawn | InitialWeights, spec: ArchSpec) -> None:
    """Refuse weights that cannot be had, or that are not of this layout; reads them, where they have changed.

    Raises:
        FieldError: they do not fit; the field is `weights`.
    """
    if isinstance(init, str):
        return
    from archspec.model.build import build
    from search.weights.matching import match
    from search.weights.reading import outline

    try:
        weights = outline(init.weights)
    except SpecError as error:
        raise FieldError("weights", str(error)) from None
    match(weights, build(spec, init="skip", device="meta"), spec).check(partial=init.partial)


def begin(
    spec: ArchSpec, init: Drawn | InitialWeights, *, zero_init_residual: bool, weights: Weights | None
) -> Beginning:
    """The network of a spec with its first weights; draws from torch's global generator.

    Args:
        spec: the layout.
        init: how it begins.
        zero_init_residual: see `archspec.build`; weights that are taken replace the zeros.
        weights: what `init` names, where it names some.

    Raises:
        FieldError: the weights are not of this layout; the field is `weights`.
    """
    from archspec.model.build import build
    from search.weights.matching import match

    drawn = init if isinstance(init, str) else init.others
    network = build(spec, init=drawn, zero_init_residual=zero_init_residual)
    if isinstance(init, str) or weights is None:
        return Beginning(network)
    found = match(weights, network, spec)
    found.check(partial=init.partial)
    found.copy_to(network)
    taken, total = found.count(network)
    return Beginning(network, taken, taken / max(total, 1), found.describe(network))


def weights_input(text: str, classes: int | None = None) -> Input:
    """Weights as an input of a run, which may not change while it goes on.

    Args:
        text: what `init` takes.
        classes: of the network that begins with them, whose head is another one where these differ; None to say nothing
            of it.

    Raises:
        SpecError: they cannot be had.
    """
    from search.weights.reading import digest_weights, outline
    from search.weights.source import find_source

    source = find_source(text)
    name = source.timm if source.path is None else source.path.name
    digest = outline(text).digest if source.path is None else digest_weights(source.path)
    noun = "model" if source.path is None else "file"
    return Input("data", f"weights {text}", noun, {name: digest}, examine=lambda: [_note(outline(text), classes)])


def _note(weights: Weights, classes: int | None) -> str:
    """A line for people on what is there, and on a head that they cannot give."""
    count = sum(tensor.numel() for tensor in weights.state.values())
    of = f", of a layout for {weights.spec.resolution} px" if weights.spec is not None else ""
    line = f"weights {weights.text}: {count:,} numbers in {plural(len(weights.state), 'tensor')}{of}"
    heads = (tensor for name, tensor in weights.state.items() if name.endswith(_CLASSIFIERS))
    found = next((tensor.shape[0] for tensor in heads), None)
    if classes is None or found is None or found == classes:
        return line
    return f"{line}; their {found} classes are not the data set's {classes}, so the last layer of the head begins anew"


_CLASSIFIERS = ("head.fc.weight", "head.weight", "classifier.weight", "fc.weight")
"""Names of the layer that gives the logits, here and in timm."""
