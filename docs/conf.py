"""Configuration of Sphinx: the pages of docs/ and of the repository's root as one site."""

from __future__ import annotations

import re
from typing import Any

project = "lesion-fusion"
author = "The authors of lesion-fusion"
extensions = ["myst_parser"]
# The source is the repository's root, so that pages link to the README as they do on a code host.
include_patterns = ["*.md", "docs/**"]
exclude_patterns = [".*", "data", "build", "src", "tests", "notebooks"]
root_doc = "docs/README"
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4
html_theme = "furo"
html_title = project
# Leads from the site's root to the map of the documentation.
html_extra_path = ["index.html"]
html_copy_source = False


def _navigation(app: Any, docname: str, source: list[str]) -> None:
    """Make the sections and links of the map of the documentation the navigation of the site."""
    if docname == app.config.root_doc:
        for section in source[0].split("\n## ")[1:]:
            caption, _, text = section.partition("\n")
            pages = "\n".join(re.findall(r"\]\((\S+)\.md\)", text))
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"


def setup(app: Any) -> None:
    """Register the step above."""
    app.connect("source-read", _navigation)
