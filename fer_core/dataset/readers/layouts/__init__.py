"""Layouts of pictures in a source: which path belongs to which class, split and person."""
