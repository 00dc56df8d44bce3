"""The one exception that is neither a fault of the input nor of ours."""

from typing import final

from archspec.errors import ArchspecError


@final
class Interrupted(ArchspecError):  # noqa: N818  (it is no error)
    """`stop` asked an evaluation to end; what it saved is there to continue from."""
