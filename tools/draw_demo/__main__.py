"""Draw the demo set and compare it with the shipped one, or replace the shipped one.

``python -m tools.draw_demo`` draws all 3,540 faces, which takes about 20 s, and exits with 1 if
the faces or their recorded errors differ from the shipped ones; ``--write`` overwrites the shipped
files instead.
"""

from __future__ import annotations

import argparse
import sys

from fer_core.dataset.demo.shipped import injected_errors, load_demo_set, write_demo_set
from tools.draw_demo.assembly import make_demo_set


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.draw_demo", description=__doc__)
    parser.add_argument("--write", action="store_true", help="overwrite the shipped files")
    arguments = parser.parse_args()
    faces, errors = make_demo_set(_print_progress)
    if arguments.write:
        write_demo_set(faces, errors)
        print(f"{len(faces):,} faces written, fingerprint {faces.fingerprint}")
        return 0
    shipped = load_demo_set()
    is_equal = (faces.fingerprint, faces.names) == (shipped.fingerprint, shipped.names)
    if is_equal and errors == injected_errors():
        print(f"{len(faces):,} faces are equal to the shipped ones")
        return 0
    print("the drawn faces or their errors differ from the shipped ones")
    return 1


def _print_progress(done: int, total: int) -> None:
    print(f"\r{done:,} of {total:,}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
