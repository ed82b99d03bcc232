"""The frames of a recording: every person's emotions over time, deterministically.

``reader`` decodes frames with their times, ``observation`` tracks and classifies the faces of each
frame, ``analysis_job`` writes the results to an ``analysis_folder``; ``tables`` and ``summary``
describe them, ``rendering`` draws them into a new video.
"""
