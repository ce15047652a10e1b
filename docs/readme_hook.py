"""Makes README.md the description of the package: its links, relative in the repository, lead there from anywhere.

The address is that of ``[project.urls]`` in pyproject.toml, and set nowhere else. hatchling calls this when it builds.
"""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")


def absolute(text, address, version):
    """The text with its relative links to files as links to the repository at the tag of this version."""

    def placed(m):
        return f"{m[1]}[{m[2]}]({address.rstrip('/')}/{'raw' if m[1] else 'blob'}/v{version}/{m[3]})"

    return LINK.sub(placed, text)


class ReadmeHook(MetadataHookInterface):
    """The readme, which pyproject.toml lists as dynamic."""

    def update(self, metadata):
        text = Path(self.root, "README.md").read_text("utf-8")
        text = absolute(text, metadata["urls"]["Repository"], metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
