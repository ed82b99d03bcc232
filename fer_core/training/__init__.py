"""Training: from a configuration and a ``FaceSet`` to a run folder with a bundle in it."""
