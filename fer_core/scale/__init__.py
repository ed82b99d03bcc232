"""Process many files with many processes, on this machine or on a Ray cluster.

A *job* is a list of files and a folder for the results. The driver (``runner``) sends tasks of a
few files to the workers of a *pool* (``local_pool``, ``ray_pool``). The workers return rows, and
the driver writes the rows in parts (``job_folder``). A ``Work`` (``work``, ``photos``, ``videos``)
defines how a worker processes a file. Pools, parts and restarts are the same for every ``Work``.
"""
