"""Models of timm made from archspec's presets and spec files: `import archspec.timm` registers them.

`timm.create_model("archspec_hiri_vit_s", num_classes=10)` builds a preset, and any spec
`timm.create_model("archspec", spec="net.yaml")`. The arguments are timm's: `num_classes`, `in_chans`, `img_size`,
`drop_path_rate`, `features_only` and `out_indices`. Needs the extra `archspec-vision[timm]`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from archspec.errors import SpecError
from archspec.loader import SpecSource, load, presets
from archspec.model.build import build
from archspec.model.network import Network
from archspec.spec.schema import ArchSpec

GENERIC = "archspec"
"""The model that takes any spec, as the argument `spec`."""
PREFIX = "archspec_"


def register_models() -> list[str]:
    """Register every preset with timm, and the model that takes a spec; their names.

    Raises:
        SpecError: timm is not installed.
    """
    try:
        models: Any = import_module("timm.models")
    except ImportError:
        raise SpecError("timm is not installed: pip install 'archspec-vision[timm]'", field="archspec.timm") from None
    names = {PREFIX + name.replace("-", "_").replace(".", "_"): name for name in presets()}
    for name, preset in names.items():
        models.register_model(_entry_point(name, preset))
    models.register_model(_entry_point(GENERIC, None))
    return [*names, GENERIC]


def create_network(
    spec: ArchSpec,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    img_size: int | tuple[int, int] | None = None,
    drop_path_rate: float | None = None,
    drop_rate: float | None = None,
    global_pool: str | None = None,
) -> Network:
    """The network of a spec, changed as timm's arguments ask; None leaves what the spec says.

    Args:
        spec: the backbone.
        num_classes: of the classifier; 0 for the features in front of it.
        in_chans: channels of the image.
        img_size: side of the image, which chooses a declared variant.
        drop_path_rate: of the last block; that of the others rises linearly up to it.
        drop_rate: must be 0: heads have no dropout.
        global_pool: must not be given: the head has its pooling.

    Raises:
        SpecError: an argument that the spec cannot follow.
    """
    if drop_rate or global_pool:
        name, value = ("drop_rate", drop_rate) if drop_rate else ("global_pool", global_pool)
        raise SpecError(f"is no option of this model (given {value!r:.40}): its head is that of the spec", field=name)
    if isinstance(img_size, tuple):
        if img_size[0] != img_size[1]:
            rule = f"must be square, not {img_size[0]}x{img_size[1]}: the network takes any size"
            raise SpecError(rule, field="img_size")
        img_size = img_size[0]
    changes: dict[str, Any] = {}
    if in_chans is not None and in_chans != spec.channels:
        changes["channels"] = in_chans
    if drop_path_rate is not None and drop_path_rate != spec.drop_path:
        changes["drop_path"] = drop_path_rate
    if num_classes and num_classes != getattr(spec.head, "classes", None):
        changes["head.classes"] = num_classes
    network = build(spec.edit(changes) if changes else spec, img_size)
    if num_classes == 0:
        network.reset_classifier(0)
    return network


def _entry_point(name: str, preset: str | None) -> Callable[..., Any]:
    """The function that timm calls for a model."""

    def create(pretrained: bool = False, *, spec: SpecSource | None = None, **arguments: Any) -> Any:
        if (preset is None) == (spec is None):
            rule = "is needed: a spec file, a preset or a short code" if spec is None else f"is that of preset {preset}"
            raise SpecError(rule, field="spec")
        chosen = load(spec if spec is not None else str(preset))
        if pretrained:
            rule = "has no weights to download: `archspec convert` makes them of published ones, checkpoint_path loads"
            raise SpecError(rule, source=chosen.name, field="pretrained")
        stated = arguments.pop("pretrained_cfg", None) or _configuration(chosen)
        models: Any = import_module("timm.models")
        return models.build_model_with_cfg(
            partial(create_network, chosen),
            name,
            pretrained=False,
            pretrained_cfg=stated,
            feature_cfg={"out_indices": tuple(range(len(chosen.widths))), "feature_cls": "getter"},
            **arguments,
        )

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"The preset {preset}." if preset else "The network of the argument `spec`."
    return create


def _configuration(spec: ArchSpec) -> dict[str, Any]:
    """timm's facts about a spec, as the built network states them."""
    return build(spec, device="meta").default_cfg


register_models()
