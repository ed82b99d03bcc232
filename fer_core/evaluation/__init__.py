"""Evaluation: how good a model is on a split, in figures."""
