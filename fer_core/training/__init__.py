"""Train a ``FaceSet`` with a configuration; the result is a run folder with a bundle (a model)."""
