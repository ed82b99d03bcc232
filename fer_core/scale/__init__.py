"""Process many files with many processes, on this machine or on a Ray cluster.

A *job* is a list of files and a folder of results. The driver (``runner``) sends tasks of a few
files each to the workers of a *pool* (``local_pool``, ``ray_pool``) and writes their rows in parts
(``job_folder``). A ``Work`` (``work``, ``photos``) defines how a worker processes a file; pools,
parts and restarts are the same for every kind of work.
"""
