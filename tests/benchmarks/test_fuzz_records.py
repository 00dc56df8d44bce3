"""Damaged journals and records: continued and reported with the right counts, or refused in one line with the place.

`python benchmarks/fuzz_records.py --cases 2000` runs the same at length.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def test_damaged_runs_are_right_or_refused(tmp_path):
    found = spec_from_file_location("fuzz_records", Path(__file__).parents[2] / "benchmarks" / "fuzz_records.py")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    outcomes = module.run_cases(24, 4, tmp_path)
    assert sum(outcomes.values()) == 24
    refused = sum(count for outcome, count in outcomes.items() if "refused" in outcome)
    assert 6 <= refused <= 22
