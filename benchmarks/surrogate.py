"""How well the surrogate of `sampler: exact` ranks layouts that it has not seen, by the number of trainings.

    python benchmarks/surrogate.py

Draws layouts of a table at random, fits the additive surrogate to one training of each, and takes Kendall's tau between
its predictions for all other layouts and their mean accuracy over the table's seeds: as a sum of effects alone, and on
what a line in log multiply-adds leaves; beside it the multiply-adds themselves. The ceiling is what noise leaves to a
predictor that knows every layout's expected accuracy, if those and the noise are normal. Then the CPU time of a
proposal, with and without the line, on spaces up to 1e12 layouts with made-up accuracies.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from convergence import band
from numpy.typing import NDArray
from samplers_truth import Truth, measure_truth

from archspec.cost.tables import MetricAt
from reports.drawing.text_table import text_table
from search.space.encoding import Encoding
from search.space.space import load_space
from search.surrogate.features import Features
from search.surrogate.model import fit_surrogate, kendall
from search.surrogate.optimum import Known, Optimizer
