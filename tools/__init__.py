"""Scripts that write files of this repository and of models. The app does not use the scripts."""
