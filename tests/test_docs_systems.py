"""The table in docs/papers/systems.md is that of `archspec presets`."""

import re
from pathlib import Path

from archspec.convert.convert import families
from archspec.cost.measure import measure
from archspec.documents.wording import short
from archspec.loader import load, presets

PAGE = (Path(__file__).parents[1] / "docs" / "papers" / "systems.md").read_text(encoding="utf-8")


def test_the_table_has_every_published_preset_with_its_costs():
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \| (.+) \| .+ \| (\w+) \| (timm|–) \|$", PAGE, re.MULTILINE)
    specs = {name: load(name) for name in presets()}
    expected = [
        (name, short(cost.params), short(cost.macs), spec.status, "timm" if name.split("-")[0] in families() else "–")
        for name, spec in specs.items()
        if spec.status == "published"
        for cost in (measure(spec, 224),)
    ]
    assert rows == expected
