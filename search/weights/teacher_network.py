"""The network of a frozen teacher, with the size and the normalisation of the images that it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, final

from archspec.errors import FieldError, SpecError
from archspec.loader import load
from archspec.spec.schema import ArchSpec
from search.inputs import Input
from search.recipe.teacher import TeacherSpec
from search.weights.initial import weights_input
from search.weights.reading import Weights, create_timm, read_weights
from search.weights.source import TIMM, find_source

if TYPE_CHECKING:
    from torch import nn

Channels = tuple[float, float, float]
SHOWN = 3


@final
@dataclass(frozen=True)
class TeacherNetwork:
    """A frozen network in evaluation mode, on the CPU.

    Attributes:
        network: images (N, 3, resolution, resolution) -> logits (N, classes).
        resolution: side of the images that it is for.
        mean: of the pixels, from 0 to 1, that it expects to be taken off; None where it expects what its student does.
        std: by which it expects them to be divided.
    """

    network: nn.Module
    resolution: int
    mean: Channels | None = None
    std: Channels | None = None


def load_teacher(teacher: TeacherSpec, classes: int) -> TeacherNetwork:
    """The network of a teacher for a data set with so many classes.

    Raises:
        FieldError: it cannot be had, or has other classes; the field is `model` or `weights`.
    """
    try:
        found = _load_timm(teacher, classes) if teacher.model.startswith(TIMM) else _load_spec(teacher, classes)
    except SpecError as error:
        field = "weights" if teacher.weights is not None and error.source == teacher.weights else "model"
        raise FieldError(field, str(error)) from None
    found.network.requires_grad_(False).eval()
    return found


def teacher_inputs(teacher: TeacherSpec | None) -> tuple[Input, ...]:
    """The weights of a teacher as an input of a run.

    Raises:
        SpecError: they cannot be had.
    """
    return () if teacher is None else (weights_input(teacher.weights or teacher.model),)


def _load_timm(teacher: TeacherSpec, classes: int) -> TeacherNetwork:
    name, text = teacher.model.removeprefix(TIMM), teacher.model
    if teacher.weights is None:
        model = create_timm(name, text, pretrained=True)
        _check_classes(int(model.num_classes), classes)
    else:
        model = create_timm(name, text, pretrained=False, classes=classes)
        _load_strictly(model, read_weights(teacher.weights))
    config = cast("dict[str, Any]", model.pretrained_cfg)
    mean, std = (cast("Channels", tuple(map(float, config[key]))) for key in ("mean", "std"))
    return TeacherNetwork(model, teacher.resolution or int(config["input_size"][-1]), mean, std)


def _load_spec(teacher: TeacherSpec, classes: int) -> TeacherNetwork:
    from archspec.model.build import build
    from search.weights.matching import match

    spec, weights = _read(teacher, classes)
    network = build(spec, init="skip")
    found = match(weights, network, spec)
    lacking = [*found.missing, *found.wrong]
    if found.differences or lacking or found.resized:
        rule = "; ".join(found.misfits) or f"its head is another one: {_some([*found.missing, *found.wrong.values()])}"
        raise FieldError(
            "model" if teacher.weights is None else "weights", f"{weights.text} is not all of {spec.name}: {rule}"
        )
    found.copy_to(network)
    return TeacherNetwork(network, teacher.resolution or spec.resolution)


def _read(teacher: TeacherSpec, classes: int) -> tuple[ArchSpec, Weights]:
    """The spec of a teacher and its weights."""
    if teacher.weights is not None:
        spec = load(teacher.model)
        head = spec.head
        if head is not None and getattr(head, "classes", classes) != classes:
            spec = spec.model_copy(update={"head": head.model_copy(update={"classes": classes})})
        return spec, read_weights(teacher.weights)
    try:
        source = find_source(teacher.model)
    except SpecError as error:
        try:
            load(teacher.model)
        except SpecError:
            raise error from None
        raise FieldError("weights", f"is required: {teacher.model} is a spec, which has no weights") from None
    weights = read_weights(teacher.model)
    if source.spec is None or weights.spec is None:
        raise FieldError("model", f"{teacher.model} holds weights and no spec: give them as weights, and the spec here")
    _check_classes(getattr(weights.spec.head, "classes", 0), classes)
    return weights.spec, weights


def _check_classes(found: int, classes: int) -> None:
    if found != classes:
        rule = f"answers with {found} class{'' if found == 1 else 'es'}, and the data set has {classes}"
        raise FieldError("model", rule)


def _load_strictly(model: nn.Module, weights: Weights) -> None:
    """Load a state into a model of timm's, all of it.

    Raises:
        FieldError: the tensors are not the model's.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in weights.state]
    unexpected = [name for name in weights.state if name not in own]
    wrong = [
        f"{name} {tuple(weights.state[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in weights.state and weights.state[name].shape != tensor.shape
    ]
    if problems := [
        *([f"no {_some(missing)}"] if missing else []),
        *([f"unexpected {_some(unexpected)}"] if unexpected else []),
        *([f"shape of {_some(wrong)}"] if wrong else []),
    ]:
        raise FieldError("weights", f"{weights.text} is not that model for these classes: {'; '.join(problems)}")
    model.load_state_dict(dict(weights.state))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
