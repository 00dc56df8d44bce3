"""Seeds: one integer in, independent streams out; nothing depends on the order of calls."""

import hashlib
import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def mix(*words: int | str) -> int:
    """A 63-bit seed from any words, stable over machines and versions (BLAKE2b; Python's `hash` is not)."""
    text = "\0".join(f"{type(word).__name__}:{word}" for word in words)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def torch_generator(*words: int | str) -> "torch.Generator":
    """A CPU generator of its own, seeded by `mix(*words)`."""
    import torch

    return torch.Generator().manual_seed(mix(*words))


def seed_everything(seed: int) -> None:
    """Seed the global generators that layers draw from: torch on every device, NumPy and Python."""
    import numpy as np
    import torch

    torch.manual_seed(mix(seed, "torch"))
    np.random.seed(mix(seed, "numpy") % 2**32)
    random.seed(mix(seed, "python"))


@contextmanager
def seeded_generators(seed: int) -> Generator[None]:
    """Python's and NumPy's global generators, seeded for what draws from nothing else; afterwards they are as before.

    They are one for all threads of a process.
    """
    import numpy as np

    python, legacy = random.getstate(), np.random.get_state(legacy=True)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)


def rng_state(device: "torch.device") -> dict[str, Any]:
    """State of the global generators, in types that `torch.load(weights_only=True)` accepts."""
    import numpy as np
    import torch

    name, keys, *counters = np.random.get_state(legacy=True)
    version, words, gauss = random.getstate()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": (str(name), torch.from_numpy(np.asarray(keys, np.int64)), *counters),
        "python": (version, torch.tensor(words), gauss),
    }
    if device.type != "cpu":
        state[device.type] = torch.get_device_module(device).get_rng_state(device)
    return state


def restore_rng(state: dict[str, Any], device: "torch.device") -> None:
    """Undo of `rng_state`; the stream of a device that the state does not know stays as it is."""
    import numpy as np
    import torch

    torch.set_rng_state(state["torch"])
    name, keys, *counters = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *counters))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    if device.type in state and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(state[device.type], device)
