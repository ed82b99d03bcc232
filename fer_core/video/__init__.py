"""Analyze videos: the emotions of every person over time.

``reader`` decodes frames with their times, ``observation`` tracks and classifies the faces of each
frame, ``analysis_job`` writes the results to an ``analysis_folder``; ``face_table``
and ``summary`` describe them, ``rendering`` draws them into a new video. The same file with the
same settings gives the same results.
"""
