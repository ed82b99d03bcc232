"""The demo set: drawn faces with known errors, shipped with the program.

It needs no download and is available at once. Results on it hold for drawn faces only.
"""
