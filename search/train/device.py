"""The device that a training runs on, by its name, and by the place of its worker where a machine has several.

Importing this module does not import torch.
"""

import os
import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from archspec.documents.paths import suggest
from archspec.errors import FieldError
from search.processes.gpus import NUMBER_VARIABLE

if TYPE_CHECKING:
    import torch

    from search.recipe.recipe import Recipe

NAMES = ("auto", "cpu", "cuda", "mps", "xpu")
PLACE_VARIABLE = "ARCHSPEC_WORKER_PLACE"
"""Name in the environment of a worker, and of what it starts, whose value is its place: 0 to the number of workers
less one. A worker that replaces another has its place."""
_FORM = re.compile(r"auto|cpu|(cuda|xpu)(:[0-9]{1,3})?|mps")


def check_name(name: str) -> None:
    """Refuse what can be no device's name; without torch.

    Raises:
        FieldError: with the nearest name.
    """
    if _FORM.fullmatch(name) is None:
        kind = name.partition(":")[0]
        hint = " (did you mean cuda?)" if kind.lower() in ("gpu", "nvidia", "rocm") else suggest(kind, NAMES[2:])
        raise FieldError("device", f"must be auto, cpu, cuda, cuda:1 (the second), mps or xpu, not {name!r:.40}{hint}")


def _named(name: str) -> str:
    try:
        check_name(name)
    except FieldError as error:
        raise FieldError("", error.rule) from None  # the field that holds the name is the place
    return name


DeviceName = Annotated[str, AfterValidator(_named)]
"""Type of a pydantic field that holds the name of a device."""


def worker_place() -> int:
    """The place of this process among the workers of its run; 0 in a process that is no worker."""
    place = os.environ.get(PLACE_VARIABLE, "")
    return int(place) if place.isdecimal() else 0


def find_device(name: str, place: int = 0) -> "torch.device":
    """The device behind a name; `auto` is the accelerator that torch sees, or the CPU.

    Args:
        name: as `check_name` takes it.
        place: of the worker. Where a kind without a number has several devices, workers take them in turn.

    Raises:
        FieldError: there is no such device here; says which there are.
    """
    import torch

    check_name(name)
    kind, _, number = name.partition(":")
    if kind == "auto":
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        kind = "cpu" if found is None else found.type
    if kind == "cpu":
        return torch.device("cpu")
    count = device_count(kind)
    if not count or int(number or 0) >= count:
        raise FieldError("device", f"{name} is not available: torch sees {describe_devices()}")
    return torch.device(kind) if kind == "mps" else torch.device(kind, int(number) if number else place % count)


def check_ranks(device: str, gpus: int, processes: int, recipe: "Recipe") -> None:
    """Refuse numbers of processes that a device, or the batch of a recipe, does not allow; without torch.

    Args:
        device: its name.
        gpus: that train one layout, with a process each.
        processes: that train one layout on a CPU.
        recipe: how each is trained.

    Raises:
        FieldError: the first field that breaks a rule.
    """
    if gpus > 1 and device not in ("auto", "cuda", "xpu"):
        rule = f"must be 1 on device {device}, not {gpus}: several are those of auto, cuda or xpu"
        hint = "; processes says how many train together on a CPU" if device == "cpu" else ""
        raise FieldError("gpus", rule + hint)
    if processes > 1 and device != "cpu":
        rule = f"must be 1 on device {device}, not {processes}: it is for cpu"
        raise FieldError("processes", f"{rule}; on GPUs, gpus says how many train together")
    ranks = max(gpus, processes)
    least = 2 * ranks * recipe.accumulate
    if ranks > 1 and recipe.batch_size < least:
        each = f"{ranks} processes" + (f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else "")
        rule = f"must be at least {least}, two images for each of {each}, for batch norm"
        raise FieldError("recipe.batch_size", f"{rule}, not {recipe.batch_size}")


def find_rank_device(name: str, place: int, rank: int, ranks: int) -> "torch.device":
    """The device of one of the processes that train a network together; see `find_device`.

    Args:
        name: without a number where there are several processes.
        place: of the worker that has started them; workers take as many devices each.
        rank: of the process, from 0.
        ranks: of all processes.

    Raises:
        FieldError: there are fewer devices than processes.
    """
    device = find_device(name, place * ranks + rank)
    if ranks > 1 and name != "cpu" and (device.type == "cpu" or device_count(device.type) < ranks):
        raise FieldError("gpus", f"{ranks} are needed: torch sees {describe_devices()}")
    return device


def device_count(kind: str) -> int:
    """Devices of a kind that torch sees here."""
    import torch

    module = torch.get_device_module(kind)
    return module.device_count() if module.is_available() else 0


def describe_devices() -> str:
    """The devices that torch sees here; where it sees none, with its build: `cpu alone (torch 2.7.0+cpu)`."""
    import torch

    kinds = [(kind, device_count(kind)) for kind in NAMES[2:]]
    seen = [f"{kind}:{number}" for kind, count in kinds for number in range(count)]
    return f"cpu, {', '.join(seen)}" if seen else f"cpu alone (torch {torch.__version__})"


def default_device() -> "torch.device":
    """The accelerator that torch sees, or the CPU."""
    return find_device("auto")


def use_device(device: "torch.device") -> None:
    """Make `device` the one that this process works on: what names no number, and what waits for it, means this one."""
    import torch

    if device.type in ("cuda", "xpu"):
        torch.accelerator.set_device_index(device.index)


def sharing_note(device: "torch.device", name: str, place: int) -> str:
    """A line where workers outnumber the devices that they take in turn; empty where this worker has its own."""
    if device.type == "cpu" or ":" in name:
        return ""
    of_all = os.environ.get(NUMBER_VARIABLE, "")  # where each worker sees its own alone
    count = int(of_all) if of_all.isdecimal() else max(device_count(device.type), 1)
    have = "1 device" if count == 1 else f"{count} devices"
    return f"note: more workers than devices: they share {have} of type {device.type}" if place >= count else ""
