"""The sections of the dataset page."""
