"""Measurements of speed, memory and agreement.

``python -m benchmarks`` runs those of speed and memory.
"""
