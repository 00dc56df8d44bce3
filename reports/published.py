"""Published results that come with the package, as tables."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

IMAGENET = "table2_imagenet1k"


def published(name: str) -> pd.DataFrame:
    """The table `published/<name>.csv`; `published/README.md` says where each comes from and how it counts."""
    with files("reports").joinpath("published", f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)
