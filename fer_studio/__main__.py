"""The program ``fer-studio``: every command of ``python -m fer_core``, and the command ``app``.

``fer-studio app [OPTION …]`` starts the app. Its options are those of ``streamlit run``, such as
``--server.port=8600``.
"""

from __future__ import annotations

import sys

from fer_core.__main__ import main as run_core_command
from fer_studio.paths import MAIN_SCRIPT

PROGRAM = "fer-studio"
_APP_COMMAND = "app"
_APP_HELP = "start the app in the browser"
_APP_USAGE = f"""usage: {PROGRAM} {_APP_COMMAND} [OPTION ...]

Start the app. By default only this machine can reach it, at http://localhost:8501.
Every option of "streamlit run" is accepted, for example:

  --server.port=8600        use another port
  --server.headless=true    do not open a browser
  --server.address=0.0.0.0  accept connections from other machines; configure a login first
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 on success, 2 if the command failed, 130 if it was interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == [_APP_COMMAND]:
        return _run_app(arguments[1:])
    return run_core_command(arguments, program=PROGRAM, other_commands={_APP_COMMAND: _APP_HELP})


def _run_app(options: list[str]) -> int:
    if "-h" in options or "--help" in options:
        print(_APP_USAGE, end="")
        return 0
    from streamlit.web.cli import main as run_streamlit

    # Streamlit parses its options with Click, which ends the process with the server's exit code.
    run_streamlit(["run", str(MAIN_SCRIPT), *options], prog_name="streamlit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
