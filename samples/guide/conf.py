"""How Sphinx builds the guide and the reference: ``sphinx-build -W samples/guide build/guide``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from dbxsdk.version import __version__  # noqa: E402

project = "dbxsdk"
author = "The dbxsdk developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "from_code"]
html_theme = "furo"
html_title = f"dbxsdk {release}"
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
suppress_warnings = ["misc.highlighting_failure"]  # a console's prompt and JSON are in no one language
