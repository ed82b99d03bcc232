"""The sections of the video page."""
