"""Evaluation of a model on a split of a dataset.

``result.EvaluationResult`` is the single result type: it stores the predictions for a split and
computes every metric on first access. ``evaluate`` creates it, from the cache where possible. The
other modules analyze it (mistakes, slices, robustness, comparison of two models, Grad-CAM) or write
it as JSON and CSV (``tables``).
"""
