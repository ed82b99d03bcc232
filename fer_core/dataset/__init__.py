"""Datasets: readers for every layout, one common form, statistics and audits."""
