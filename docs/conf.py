"""Sphinx: MyST pages and an API reference from the docstrings. A public name left out of it fails the build."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import public_names  # noqa: E402

import dualgrad  # noqa: E402

project = "dualgrad"
author = "dualgrad developers"
copyright = "2026, dualgrad developers"
version = release = dualgrad.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx-mathjax-offline",
              "sphinx_copybutton", "sphinx_design", "picture", "plain_notebooks",
              "attributes"]  # fmt: skip
exclude_patterns = ["_build", "**/jupyter_execute"]
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "amsmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"  # the lessons are notebooks: what they show is what today's code says
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # what a class has from another stands there once
autodoc_typehints = "none"
autodoc_preserve_defaults = True  # np.float32, and not <class 'numpy.float32'>
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = ["Returns"]  # our Returns are sentences, not lists of types

html_theme = "furo"
html_title = f"dualgrad {version}"
html_static_path = ["_static"]
html_css_files = ["dualgrad.css", "course.css", "interactive.css"]
html_show_sphinx = False


def setup(app):
    """Check the API reference before anything is rendered."""
    app.connect("builder-inited", refuse_undocumented_names)


def refuse_undocumented_names(app):
    """Raise when a public name has no docstring, no example or no place in the reference."""
    from sphinx.errors import ExtensionError

    problems = public_names.problems()
    if problems:
        raise ExtensionError("the API reference is incomplete:\n  " + "\n  ".join(problems))
