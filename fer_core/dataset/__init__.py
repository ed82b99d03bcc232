"""Datasets: read in every layout, kept in one form, counted and checked."""
