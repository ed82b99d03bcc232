"""Track, classify, draw and record the faces in the frames of a webcam."""
