"""Measurements of speed and memory, of models, and of face detectors.

``python -m benchmarks`` measures speed and memory.
"""
