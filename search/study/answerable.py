"""The layouts of a study that its budget allows and its evaluator can answer."""

from __future__ import annotations

from archspec.cost.tables import MetricAt
from archspec.documents.wording import plural
from archspec.errors import FieldError
from search.budget.confinement import Confinement
from search.evaluator import Evaluator
from search.space.encoding import Encoding
from search.space.limits import Box, Limit
from search.space.space import Space

ANY: Box = (Limit(MetricAt("params"), 0, None),)
"""A box that holds all layouts."""


def confine(space: Space, box: Box | None, evaluator: Evaluator) -> Confinement | None:
    """The layouts inside a box, and those alone that the evaluator lists; None where there is neither.

    Raises:
        SpecError: there are none, or the space cannot be tabulated.
        FieldError: the evaluator lists none of the space.
    """
    listed = evaluator.listed
    if listed is None:
        return None if box is None else Confinement(space, box)
    encoding = Encoding(space)
    rows = {
        spec.digest: row
        for spec in listed
        for row in encoding.locate(spec)
        if evaluator.prepare(encoding.spec(row)).digest == spec.digest
    }
    if not rows:
        raise FieldError("evaluator", f"none of its {plural(len(listed), 'layout')} is one of {space.name}")
    return Confinement(encoding, ANY if box is None else box, listed=rows)


def tell_listed(confinement: Confinement | None) -> tuple[str, ...]:
    """A line for people on a search that keeps to a list of layouts; none for any other."""
    if confinement is None or confinement.listed is None:
        return ()
    count = plural(confinement.count(), "layout")
    line = (
        f"a proposal that the table lacks is evaluated as the nearest of its {count} that was not evaluated before: "
        "this compares samplers on those, and does not say what they would find in the space"
    )
    return (line,)
