"""How Sphinx builds these pages."""

project = "baler"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# Single backticks of docstrings.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
napoleon_google_docstring = False
# Attributes of dataclasses stand in the docstrings of these, and nowhere else.
napoleon_use_ivar = True
html_theme = "furo"
html_title = "baler"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
highlight_language = "none"
