"""What a layer that reduces a map asks of it."""

from archspec.errors import FieldError
from blocks.layers.layer import Meter, Value


def expect_reducible(x: Value, stride: int, meter: Meter) -> None:
    """Refuse, in a stem or downsampling, a stride along a side of one position.

    Padding would keep that position for ever, but there is nothing left to reduce.

    Raises:
        FieldError: a side of the map is 1, and the stride is not.
    """
    _, height, width = x.shape
    if meter.reducing and stride > 1 and min(height, width) == 1:
        raise FieldError("", f"stride {stride} empties a map of {height}x{width}")
