"""What reads and costs a spec never imports torch, and the public names are lazy."""

import subprocess
import sys

import pytest

HEAVY = "{'torch', 'fvcore', 'numpy', 'optuna', 'pandas', 'matplotlib'}"


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "work",
    [
        "import archspec.loader as l; l.dump(l.load('hiri-vit-s'), 'columns')",
        "from archspec.loader import load; from archspec.cost.measure import measure; measure(load('hiri-vit-s'), 224)",
        "from archspec.json_schema.spec import json_schema; json_schema()",
        "import archspec.spec.diagnosis",
        "from archspec.loader import load\ntry: load('HR0x8')\nexcept Exception as error: assert 'depth' in str(error)",
        "from archspec.testing.random_specs import random_spec; import random; random_spec(random.Random(0))",
        "from archspec.tree.tree import plant; from archspec.loader import load; list(plant(load('tiny')).walk())",
        "import archspec; archspec.measure(archspec.load('tiny'))",
        "import blocks.catalog as c; c.parts()",
    ],
)
def test_reading_and_costing_import_nothing_heavy(work):
    assert run(f"{work}\nimport sys; print({HEAVY} & set(sys.modules))") == "set()"


def test_a_spec_imports_its_own_parts_alone():
    some = "{'blocks.heads.detection.atss', 'blocks.swin', 'blocks.bottleneck'}"
    code = f"import sys; from archspec.loader import load; load('resnet-50'); print(*{some} & set(sys.modules))"
    assert run(code) == "blocks.bottleneck"


def test_importing_archspec_is_free_and_its_names_are_there():
    heavy = ("archspec.", "pydantic", "yaml", "blocks")
    code = f"import sys, archspec; print([m for m in sys.modules if m.startswith({heavy})])"
    assert run(code) == "['archspec.lazy', 'archspec.shadowing']"
    names = run("import archspec; print(all(getattr(archspec, name) is not None for name in archspec.__all__))")
    assert names == "True"
    assert run("import archspec; print(dir(archspec) == sorted(archspec.__all__))") == "True"
    assert run("from archspec import *; print(load('tiny').name, build.__name__, open_run.__name__)").endswith(
        "open_run"
    )


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "parts",
            "Block Stem Downsample Head MapsHead Exchange Layer conv dwconv norm Linear gelu residual chain opaque",
        ),
        ("plugins", "Evaluator Session Task Dataset DatasetSplit Splits Sampler SamplerSession Metric"),
    ],
)
def test_what_parts_of_ones_own_are_written_with_has_one_place(module, names):
    code = f"import archspec.{module} as m; print(all(getattr(m, name) is not None for name in m.__all__))"
    assert (
        run(f"{code}; print(set({names.split()!r}) <= set(dir(m)), dir(m) == sorted(m.__all__))") == "True\nTrue True"
    )
    code = f"from archspec.{module} import {names.replace(' ', ', ')}; import sys; print('torch' in sys.modules)"
    assert run(code) == "False"


def test_an_unknown_name_is_no_attribute():
    for module in ("archspec", "archspec.parts"):
        code = f"import {module} as m; print(hasattr(m, 'loda'), hasattr(m, 'numpy'))"
        assert run(code) == "False False"


def test_layers_import_torch_only_to_make_a_module():
    code = "import sys; from blocks.layers.basic.conv import conv; print('torch' in sys.modules); conv(1, 1).module(); "
    assert run(f"{code} print('torch' in sys.modules)").split() == ["False", "True"]
