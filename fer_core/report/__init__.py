"""Reports: an evaluation as one file that can be sent, kept and printed."""
