"""Analyze videos: the emotions of every person over time.

``reader`` decodes frames with their times, ``observation`` tracks and classifies the faces of each
frame, and ``analysis_job`` writes the results to an ``analysis_folder``. ``face_table`` is the
table of the results, ``summary`` computes shares and episodes from this table, and ``rendering``
draws the results into a new video. The same file with the same settings gives the same results.

A frame is upright if the rotation in the file's metadata has been applied.
"""
