"""The sections of the evaluate page."""
