"""The sections of the analyze page."""
