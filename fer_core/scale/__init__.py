"""Many files with many processes, on this machine or on a Ray cluster.

A *job* is a list of files and a folder of results. The driver (``runner``) hands tasks of some
files to the workers of a *pool* (``local_pool``, ``ray_pool``) and writes their rows in parts
(``job_folder``). What a worker does with a file is defined by a *work* (``work``, ``photos``):
pools, parts and restarts are the same for every kind of file.
"""
