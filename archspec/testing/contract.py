"""The contract of every spec, whatever parts it is made of; call it for a block of your own.

`check_spec` holds one spec to all promises at once; `check_part` holds random specs that contain a given part to
them. Each promise is a function of its own, so that a failing one can be called alone. See docs/start/blocks.md.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import contextmanager
from math import prod
from typing import cast, final

import torch
from torch import Tensor, nn

from archspec.cost.measure import NetworkCost, measure
from archspec.documents.reader import Document, parse_document
from archspec.errors import ArchspecError
from archspec.loader import dump, forms, parse
from archspec.model.audit import audit, compare, count, saved_bytes
from archspec.model.build import build
from archspec.model.network import Network
from archspec.spec.schema import ArchSpec, Resolution
from archspec.testing.contract_slices import check_slices
from archspec.testing.random_specs import random_resolution, random_spec
from archspec.tree.trace import feature_shapes, resolve
from blocks.catalog import Part
from blocks.layers.layer import TRAINING_ONLY, Shape

Output = Tensor | tuple[Tensor, ...] | list[Tensor]


@final
class ContractError(ArchspecError):
    """A spec whose model does not do what the spec promises."""


def check_part(part: type[Part], *, specs: int = 20, seed: int = 0) -> None:
    """Hold random specs that contain `part` to the whole contract, and the part to that of slices.

    The part must be in the catalogue. Of slices: see `archspec.testing.contract_slices`.

    Raises:
        ContractError, AuditError: a broken promise, with the spec that breaks it.
        SliceError: a slice of the part is not the narrower part.
    """
    check_slices(part, seed=seed)
    rng = random.Random(seed)
    for _ in range(specs):
        spec = random_spec(rng, part)
        check_spec(spec, random_resolution(rng, spec))


def check_spec(spec: ArchSpec, resolution: Resolution | None = None) -> None:
    """Hold one spec to the whole contract, on images of one size (the spec's own when None).

    Raises:
        ContractError, AuditError: a broken promise, with the spec that breaks it.
    """
    for check in CHECKS:
        with naming(spec, resolution):
            check(spec, resolution)


@contextmanager
def naming(spec: ArchSpec, resolution: Resolution | None):
    """Add the spec to whatever is raised inside, so that a failure can be repeated."""
    try:
        yield
    except Exception as error:
        error.add_note(f"at resolution {resolution or spec.resolution} of the spec\n{dump(spec, 'canonical')}")
        raise


def check_forms(spec: ArchSpec, resolution: Resolution | None = None) -> None:
    """Every written form, in YAML and in JSON, loads to the same spec and the same digest."""
    del resolution
    texts = {form: dump(spec, form) for form in forms(spec)}
    documents: dict[str, Document] = {form: parse_document(text, f"<{form}>") for form, text in texts.items()}
    documents["json"] = parse_document(json.dumps(spec.canonical()), "<json>")
    for name, document in documents.items():
        again = parse(document)
        if again != spec or again.digest != spec.digest:
            raise ContractError(f"the {name} form loads to another spec: {dump(again, 'rows')}")


def check_shapes(spec: ArchSpec, resolution: Resolution | None = None) -> None:
    """The shape rule of each layer gives the size of its module's output; `feature_info` is true."""
    cost, network, images = _prepare(spec, resolution)
    outputs: dict[str, list[object]] = {}

    def keep(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            outputs.setdefault(name, []).append(output)

        return hook

    for name, module in network.named_modules():
        module.register_forward_hook(keep(name))
    with torch.no_grad():
        network.eval()(images)
        maps = network.features(images)
    for line in cost.total.lines:
        if line.operator == TRAINING_ONLY:
            continue
        # Only a module that several maps share runs more than once; parts of an opaque one may return what they like.
        shapes = [tuple(output.shape[1:]) for output in outputs[line.path] if isinstance(output, Tensor)]
        if shapes and not any(_agree(shape, line.shape) for shape in shapes):
            raise ContractError(f"module {line.path}: the shape rule gives {line.shape}, the module {shapes[-1]}")
    shapes = feature_shapes(spec, resolution)
    for (name, shape), info, out in zip(shapes, network.feature_info, maps, strict=True):
        if shape != tuple(out.shape[1:]) or info["num_chs"] != out.shape[1] or outputs[info["module"]][-1] is not out:
            raise ContractError(f"{name}: {shape} and {info} where the map is {tuple(out.shape[1:])}")


def check_counts(spec: ArchSpec, resolution: Resolution | None = None) -> tuple[int, int]:
    """Params, MACs and activations equal fvcore's, module by module, in evaluation and in training.

    Returns the numbers of modules and of operators in modules that were compared.
    """
    passed = audit(spec, resolution)
    cost, network, images = _prepare(spec, resolution, training=True)
    counted = count(network.train(), images)
    compare(cost, counted)
    operators = sum(len(counts) for counts in counted.macs.values())
    return passed.modules + len(counted.macs), passed.operators + operators


def check_saved_bytes(spec: ArchSpec, resolution: Resolution | None = None) -> bool:
    """The bytes saved for backward equal autograd's, for one image in training.

    Returns whether they were compared: batch norm cannot train on one image's map of a single position.
    """
    cost, network, images = _prepare(spec, resolution, training=True)
    if any(line.operator == "batch_norm" and prod(line.shape[1:]) == 1 for line in cost.total.lines):
        return False
    measured = saved_bytes(network.train(), images[:1].clone())
    if measured != cost.saved_bytes:
        raise ContractError(f"bytes saved for backward: computed {cost.saved_bytes:,}, autograd keeps {measured:,}")
    return True


def check_initialisation(spec: ArchSpec, resolution: Resolution | None = None) -> None:
    """The initial weights are drawn, all of them, and by the seed alone."""
    at, _ = resolve(spec, resolution)
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)  # fills memory that nobody initialises with NaN
    try:
        first, second = (_seeded(at) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(deterministic)
    again = second.state_dict()
    for name, tensor in first.state_dict().items():
        if not tensor.isfinite().all():
            raise ContractError(f"{name} is not initialised: give its module a reset_parameters")
        if not torch.equal(tensor, again[name]):
            raise ContractError(f"{name} is initialised by more than the seed")


def check_gradients(spec: ArchSpec, resolution: Resolution | None = None) -> None:
    """In training every parameter gets a finite gradient, from all outputs and the maps that the head does not read."""
    _, network, images = _prepare(spec, resolution)
    maps = network.train().features(images)
    outs = _outputs(network.answer(maps))
    outs += [x for number, x in enumerate(maps) if number not in network.reads]
    torch.stack([(out * torch.randn_like(out)).sum() for out in outs]).sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.grad is None or not parameter.grad.isfinite().all():
            raise ContractError(f"parameter {name} gets no finite gradient")


def check_inference(spec: ArchSpec, resolution: Resolution | None = None) -> None:
    """In evaluation the output is finite, repeats bit for bit, and does not depend on the other images."""
    network, images = _lively(spec, resolution)
    with torch.no_grad():
        runs = [_outputs(network(images)), _outputs(network(images)), _outputs(network(images[1:]))]
    for first, second, single in zip(*runs, strict=True):
        if not first.isfinite().all():
            raise ContractError("the output is not finite")
        if not torch.equal(first, second):
            raise ContractError("evaluation is not deterministic")
        if not torch.allclose(first[1:], single, rtol=1e-9, atol=1e-9 * float(first.abs().max())):
            difference = float((first[1:] - single).abs().max())
            raise ContractError(f"an image's output depends on its batch, by {difference:.1e}")


def check_export(spec: ArchSpec, resolution: Resolution | None = None) -> None:
    """`torch.export` succeeds, and its program gives the same output."""
    network, images = _lively(spec, resolution)
    program = torch.export.export(network, (images,))
    with torch.no_grad():
        _compare_outputs("torch.export", program.module()(images), network(images))


def check_compile(spec: ArchSpec, resolution: Resolution | None = None) -> None:
    """`torch.compile` captures the forward pass as one graph, which gives the same output."""
    network, images = _lively(spec, resolution)
    torch.compiler.reset()
    compiled = cast("Callable[[Tensor], Output]", torch.compile(network, fullgraph=True, backend="eager"))
    with torch.no_grad():
        _compare_outputs("torch.compile", compiled(images), network(images))


CHECKS: tuple[Callable[[ArchSpec, Resolution | None], object], ...] = (
    check_forms,
    check_shapes,
    check_counts,
    check_saved_bytes,
    check_initialisation,
    check_gradients,
    check_inference,
    check_export,
    check_compile,
)


def _prepare(
    spec: ArchSpec, resolution: Resolution | None, *, training: bool = False
) -> tuple[NetworkCost, Network, Tensor]:
    """The cost of a spec, its network, and two images."""
    cost = measure(spec, resolution, training=training)
    at, size = resolve(spec, resolution)
    return cost, build(at), torch.randn(2, at.channels, *size)


def _seeded(spec: ArchSpec) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(spec)


def _lively(spec: ArchSpec, resolution: Resolution | None) -> tuple[Network, Tensor]:
    """A network in float64 and evaluation mode whose weights and statistics are large enough to show every path."""
    _, network, images = _prepare(spec, resolution)
    network = network.double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.uniform_(0.2, 0.8, generator=generator)
    return network, images.double()


def _outputs(answer: Output) -> list[Tensor]:
    return [answer] if isinstance(answer, Tensor) else list(answer)


def _agree(shape: Shape, rule: Shape) -> bool:
    # Attention's projections see tokens (L, C) where the layer tree has a map (C, H, W).
    return prod(shape) == prod(rule) if len(shape) == 2 else shape == rule


def _compare_outputs(what: str, ours: Output, theirs: Output) -> None:
    for our, their in zip(_outputs(ours), _outputs(theirs), strict=True):
        if not torch.allclose(our, their, rtol=1e-9, atol=1e-9 * float(their.abs().max())):
            raise ContractError(f"{what} gives another output, by {float((our - their).abs().max()):.1e}")
