"""The identity of a configuration: what decides its result, in a form that fields which come later leave as it was.

A class names in `LATER` the fields that it did not always have; at their defaults they are left out, so that what an
earlier version wrote is still recognised.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import BaseModel


def identity(config: BaseModel, exclude: Iterable[str] = (), keep: Collection[str] = ()) -> str:
    """JSON of a configuration, without later fields at their defaults, at whatever depth.

    Later fields that a class names in `FREE`, as pydantic's `exclude` takes them, are left out whatever they say: they
    do not decide a result.

    Args:
        config: the configuration.
        exclude: further fields to leave out.
        keep: later fields that are not left out, wherever they stand: who asks has always held them.
    """
    free: Mapping[str, Any] = getattr(type(config), "FREE", {})
    return config.model_dump_json(exclude=_silent(config, free, keep) | dict.fromkeys(exclude, True))


def _silent(config: BaseModel, free: Mapping[str, Any], keep: Collection[str]) -> dict[str, Any]:
    """The fields to leave out, as pydantic's `exclude` takes them."""
    kind = type(config)
    later = getattr(kind, "LATER", frozenset[str]()).difference(keep)
    found: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        value = getattr(config, name)
        within = free.get(name, {})
        default = field.get_default(call_default_factory=True, validated_data={}) if name in later else None
        if name in later and (within is True or value == default):
            found[name] = True
        elif isinstance(value, BaseModel) and (inner := _silent(value, {} if within is True else within, keep)):
            found[name] = inner
    return found
