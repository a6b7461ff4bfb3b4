"""How the site is built: `make docs`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

# Examples are small matrices; and a developer's own settings are not those of the documentation.
os.environ.setdefault("OMP_NUM_THREADS", "1")
for _name in [name for name in os.environ if name.startswith("SYMDIFF_")]:
    del os.environ[_name]

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent), str(HERE.parent / "plugins")]
os.environ["SYMDIFF_CACHE"] = str(HERE / "_build" / "recordings")

from symdiff import __version__

logging.getLogger("symdiff").setLevel(logging.WARNING)  # analyses of the gallery tell what they do

project = "symdiff"
author = "symdiff developers"
copyright = "symdiff developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
    "mathml",
    "generated",
    "signatures",
]
exclude_patterns = ["_build", "_ext", "gallery/*.md", "gallery/README.rst"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

# --- Markdown: the pages are read as files, too, so that only what a forge renders is used ----------
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.xref_missing",  # anchors of files that are no page, such as ../README.md#the-report; a test follows them
]

# --- the site: nothing is loaded from elsewhere -----------------------------------------------------
html_theme = "furo"
html_title = "symdiff"
smartquotes = False  # quotes in flags and options are typed
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True

# --- references from the code -----------------------------------------------------------------------
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_attr_annotations = False  # shapes are in the text; `*element` is no reStructuredText
nitpick_ignore_regex = [
    # Names in docstrings and signatures that have no page of their own: other libraries, type variables, attributes.
    (r"py:.*", r"(?!symdiff\.).+"),
    (r"py:.*", r"symdiff\.(?!hookspecs)\w+\..*"),
]
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"

# --- the gallery ------------------------------------------------------------------------------------
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples/gallery",
    "filename_pattern": r"/\d_",
    "ignore_pattern": r"__init__",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "matplotlib_animations": False,
    "abort_on_example_error": True,
    "min_reported_time": 1000,
    "write_computation_times": False,
}
