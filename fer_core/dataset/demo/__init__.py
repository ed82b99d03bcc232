"""The demo set: faces that the program draws itself, with faults planted and recorded.

Everything works on it offline, and what it teaches holds for drawn faces alone.
"""
