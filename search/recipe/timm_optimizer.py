"""The optimisers of `timm.optim`: their names, what each takes, and a refusal of anything else before a training.

timm is imported when one of them is named, and only then.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from archspec.documents.paths import suggest
from archspec.errors import FieldError

EXTRA = "pip install 'archspec-vision[timm]'"
FAMILIAR = ("adafactor", "adam", "adan", "adopt", "lamb", "lars", "lion", "muon", "nadam", "radam", "rmsprop")
"""Some of timm's, to be recognised where timm is not installed."""
RESERVED = {"lr": "lr", "weight_decay": "weight_decay", "params": "no_decay and layer_decay"}
"""Arguments that fields of the recipe stand for."""
UNUSABLE = frozenset({"maximize", "differentiable", "capturable", "params"})
"""Arguments that would turn the training loop's steps into something else."""
LOOKAHEAD = "lookahead_"
HYBRID = frozenset({"fallback_lr_scale", "adamw_lr"})
"""Arguments of optimisers that leave some parameters to AdamW, as Muon does."""
FALLBACK: Mapping[str, Any] = {"fallback_list": (), "fallback_no_weight_decay": False}
"""Options of timm's factory for those: which parameters AdamW gets beside those of unsuitable shape."""


def refuse_reserved(option: str) -> None:
    """Refuse an option that a field of the recipe stands for.

    Raises:
        FieldError: it is one.
    """
    if option in RESERVED:
        raise FieldError(option, f"is no option of an optimizer here: {RESERVED[option]} of the recipe says it")


def check_timm(name: str, options: Mapping[str, Any], own: tuple[str, ...]) -> None:
    """Refuse an optimiser that timm does not have, or options that it does not take, by a step of two tensors.

    Args:
        name: as `timm.optim.create_optimizer_v2` takes it.
        options: its arguments beside learning rate and weight decay.
        own: names of the optimisers that need no timm, for suggestions.

    Raises:
        FieldError: of the name (no field) or of an option (its name).
    """
    known = optimizer_names(name, own)
    base = name.removeprefix(LOOKAHEAD)
    if base not in known:
        hint = suggest(name, (*own, *known)) or "; timm.optim.list_optimizers() names all"
        raise FieldError("", f"unknown optimizer {name!r:.60}{hint}")
    if _library().get_optimizer_info(base).second_order:
        raise FieldError("", f"{name} needs second derivatives, which this training loop does not compute")
    takes = options_of(base)
    for option, value in options.items():
        refuse_reserved(option)
        if option not in takes:
            raise FieldError(option, f"unknown option of {name}{suggest(option, takes)}")
        _check_type(option, value, takes[option])
    _try(name, tuple(sorted(options.items())))


def optimizer_names(name: str, own: tuple[str, ...]) -> tuple[str, ...]:
    """The names that `timm.optim` has; `name` and `own` are for the message where it is not there."""
    if find_spec("timm") is None:
        if name.removeprefix(LOOKAHEAD) in FAMILIAR:
            raise FieldError("", f"{name} is timm's: {EXTRA}")
        hint = suggest(name, (*own, *FAMILIAR))
        raise FieldError("", f"unknown optimizer {name!r:.60}{hint}; all but {' and '.join(own)} are timm's: {EXTRA}")
    return tuple(_library().list_optimizers())


@cache
def options_of(base: str) -> dict[str, Any]:
    """Arguments of an optimiser of timm's beside learning rate and weight decay, each with its default."""
    library = _library()
    try:
        kind = library.get_optimizer_class(base, bind_defaults=False)
    except (ImportError, AssertionError) as error:  # those of apex and bitsandbytes
        raise FieldError("", f"{base} cannot be used here: {error}") from None
    defaults: dict[str, Any] = library.get_optimizer_info(base).defaults or {}
    found = {
        name: defaults.get(name, parameter.default)
        for name, parameter in inspect.signature(kind).parameters.items()
        if name not in UNUSABLE | RESERVED.keys() and parameter.kind is not parameter.VAR_KEYWORD
    }
    return found | (dict(FALLBACK) if found.keys() >= HYBRID else {})


def create(groups: list[dict[str, Any]], name: str, lr: float, options: Mapping[str, Any]) -> Any:
    """The optimiser of `groups` (parameters, weight decay, learning-rate scale) as timm's factory makes it."""
    arguments = {key: value for key, value in options.items() if key not in FALLBACK}
    return _library().create_optimizer_v2(groups, opt=name, lr=lr, **arguments)


@cache
def _library() -> Any:
    """`timm.optim`; FieldError where timm cannot be imported, as beside a torchvision of another torch."""
    try:
        return import_module("timm.optim")
    except Exception as error:
        first = next(iter(str(error).splitlines()), "")
        raise FieldError("", f"timm is installed but cannot be imported: {type(error).__name__}: {first}") from None


def _check_type(option: str, value: Any, default: Any) -> None:
    """Refuse a value of another kind than the default, which timm's classes would fail on in their own ways."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, bool):
        wanted = "" if isinstance(value, bool) else "true or false"
    elif isinstance(default, int | float):
        wanted = "" if number else "a number"
    elif isinstance(default, str):
        wanted = "" if isinstance(value, str | tuple) else "text"
    elif isinstance(default, tuple) and default:
        alike = isinstance(value, tuple) and len(value) == len(default) and not any(isinstance(v, str) for v in value)
        wanted = "" if alike else f"{len(default)} numbers"
    elif default == ():
        wanted = "" if isinstance(value, tuple) else "a list of patterns"
    else:
        return
    if wanted:
        raise FieldError(option, f"must be {wanted}, not {list(value) if isinstance(value, tuple) else value!r:.40}")


@cache
def _try(name: str, options: tuple[tuple[str, Any], ...]) -> None:
    """Make the optimiser and take a step with a vector, a matrix and a kernel; FieldError where it will not."""
    import torch

    given = dict(options)
    culprit = options[0][0] if len(options) == 1 else ""
    shown = ", ".join(f"{key} {list(value) if isinstance(value, tuple) else value}" for key, value in options)
    shapes = ((4,), (4, 4), (4, 2, 3, 3))
    device = "cuda" if isinstance(_library().get_optimizer_info(name.removeprefix(LOOKAHEAD)).opt_class, str) else "cpu"
    try:
        tensors = [torch.ones(shape, device=device, requires_grad=True) for shape in shapes]
        groups: list[dict[str, Any]] = [{"params": tensors, "weight_decay": 0.01}]
        with torch.random.fork_rng(devices=[]):
            optimizer = create(groups, name, 0.01, given)
            for tensor in tensors:
                tensor.grad = torch.full_like(tensor, 0.5)
            optimizer.step()
    except Exception as error:
        first = next(iter(str(error).splitlines()), "") or type(error).__name__
        with_them = f" with {shown}" if shown and not culprit else ""
        raise FieldError(culprit, f"{name} does not take that{with_them}: {first}") from None
    for option, value in given.items():
        if optimizer.defaults.get(option, value) != value and list(optimizer.defaults[option]) != list(value):
            raise FieldError(option, f"is not used by {name}")
