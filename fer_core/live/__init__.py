"""The frames of a webcam: track, classify, draw and record the faces."""
