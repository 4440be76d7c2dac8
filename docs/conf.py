"""How Sphinx builds these pages."""

project = "baler"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "baler"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
highlight_language = "none"
