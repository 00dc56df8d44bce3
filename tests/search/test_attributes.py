"""Attributes of trials: metrics one by one, as they are written now, and in one mapping, as they were."""

import pytest

from search.attributes import RESERVED, metric_attributes, recorded_metrics

METRICS = {"accuracy": 0.5, "macs": 1000, "energy_j": 2.5}
OTHER = {"digest": "a" * 16, "seed": 3, "audited": True, "repaired": [], "curve": [{"epoch": 1}], "duplicate_of": 4}


@pytest.mark.parametrize("attributes", [{**OTHER, **METRICS}, {**OTHER, "metrics": METRICS}])
def test_metrics_are_read_from_trials_of_every_version(attributes):
    assert recorded_metrics(attributes) == METRICS


def test_a_number_with_the_name_of_an_attribute_does_not_overwrite_it():
    assert metric_attributes({**METRICS, "seed": 7, "digest": 1, "epochs": 3}) == {**METRICS, "epochs": 3}
    assert "metrics" in RESERVED
