"""Sphinx's configuration: `make docs` builds the site from the pages as they lie in the repository.

The source folder is the root of the repository, so that the links of a page are the same on a forge
and on the site, README and the contract are pages, and nothing is copied.
"""

import sys
from pathlib import Path

from adqhw.spec.host.version import VERSION

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))

project = "adqhw"
author = "the adqhw authors"
copyright = "the adqhw authors, Apache-2.0"
release = version = VERSION

extensions = ["myst_nb", "sphinx.ext.autodoc", "reference"]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "spec/contract.md",
    "zoo/**",
    "verify/mutation/*.md",
]
exclude_patterns = [
    "verify/mutation/survivors.md",  # the end of docs/mutation.md
    # the walk over the root follows links; these hold no page, or the pages a second time
    ".*", "runs", "build", "data", "dist", "adqhw", "tests", "*.egg-info", "**/__pycache__",
]  # fmt: skip

myst_enable_extensions = ["attrs_block", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True
suppress_warnings = ["mystnb.unknown_mime_type"]

# Docstrings are plain text with `code` in single backticks.
smartquotes = False
highlight_language = "none"
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"adqhw {VERSION}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_extra_path = ["_extra"]
