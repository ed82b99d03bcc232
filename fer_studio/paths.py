"""Paths of the main script and of the page files.

In a checkout, both are next to this package. In a wheel, they are inside it.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_FOLDER = _PACKAGE if (_PACKAGE / "app.py").is_file() else _PACKAGE.parent

#: The script for ``streamlit run``. Its configuration is in ``.streamlit/`` next to it.
MAIN_SCRIPT = _FOLDER / "app.py"

#: The folder of the page files.
PAGES_FOLDER = _FOLDER / "pages"
