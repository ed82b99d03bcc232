"""The sections of the train page: new training, runs, comparison, search, models."""
