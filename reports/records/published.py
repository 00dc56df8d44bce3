"""Published results that come with the package, as tables."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

IMAGENET = "table2_imagenet1k"
BENCHMARK = "imagenet1k"
"""The benchmark that `IMAGENET` reports on, by the name that studies give theirs."""
METRIC = "top-1 accuracy on ImageNet-1K's validation set"


def tables() -> tuple[str, ...]:
    """Names of the published tables."""
    names = (entry.name for entry in files("reports").joinpath("published").iterdir())
    return tuple(sorted(name.removesuffix(".csv") for name in names if name.endswith(".csv")))


def published(name: str, *, as_text: bool = False) -> pd.DataFrame:
    """The table `published/<name>.csv`; `published/README.md` says where each comes from and how it counts.

    Args:
        name: of the table.
        as_text: cells as they are printed, with their decimals; an empty cell is an empty text.
    """
    with files("reports").joinpath("published", f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False) if as_text else pd.read_csv(file)
