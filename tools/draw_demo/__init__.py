"""Draws the demo set: faces by the program itself, with errors injected and recorded."""
