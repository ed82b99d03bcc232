"""A child process that ends like one whose library aborts: ``python -m aborting_child``."""

import os

if __name__ == "__main__":
    os.abort()
