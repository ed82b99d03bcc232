"""The evaluate page: the choice of model and images in ``selection``, and a module per tab."""
