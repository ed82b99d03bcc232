"""The evaluate page: choice of model and images (``selection``), and one module per tab."""
