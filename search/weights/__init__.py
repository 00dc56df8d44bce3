"""Weights that a network begins with or learns from: where they are named, read, and matched to a layout."""
