"""The identity of a configuration: what decides its result, in a form that fields which come later leave as it was.

A class names in `LATER` the fields that it did not always have; at their defaults they are left out, so that what an
earlier version wrote is still recognised.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel


def identity(config: BaseModel, exclude: Iterable[str] = ()) -> str:
    """JSON of a configuration, without later fields at their defaults, at whatever depth.

    Args:
        config: the configuration.
        exclude: fields that do not decide its result.
    """
    return config.model_dump_json(exclude=_silent(config) | dict.fromkeys(exclude, True))


def _silent(config: BaseModel) -> dict[str, Any]:
    """The fields to leave out, as pydantic's `exclude` takes them."""
    kind = type(config)
    later: frozenset[str] = getattr(kind, "LATER", frozenset())
    found: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        value = getattr(config, name)
        if name in later and value == field.get_default(call_default_factory=True, validated_data={}):
            found[name] = True
        elif isinstance(value, BaseModel) and (inner := _silent(value)):
            found[name] = inner
    return found
