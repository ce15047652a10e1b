"""Where the data of the experiments lie: in $DUALGRAD_DATA, in data/ (`make data`), or where Debian installs them."""

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

FETCHED = Path(__file__).parents[1] / "data"
INSTALLED = ("/usr/share/datasets", "/usr/lib/R/site-library", "/usr/local/lib/R/site-library")


@dataclass(frozen=True)
class Packaged:
    """Data of a Debian package: their title, the package, and the folder's name."""

    title: str
    package: str
    folder: str

    def found(self):
        """The folder: the first of its name in the places above, or None."""
        named = os.environ.get("DUALGRAD_DATA")
        if named and not Path(named).is_dir():
            raise NotADirectoryError(f"DUALGRAD_DATA is {named!r}, which is no folder: name one, or unset it")
        places = [*([named] if named else []), FETCHED, *INSTALLED]
        return next((place for p in places if (place := Path(p) / self.folder).is_dir()), None)

    def here(self):
        """The folder; without it, an error that says how to get it."""
        if folder := self.found():
            return folder
        raise FileNotFoundError(self.missing())

    def missing(self):
        return (
            f"Not installed: {self.title}. `make data` puts {self.folder} into data/ where there is apt-get, "
            f"`apt-get install {self.package}` into the system, and a folder of that name in $DUALGRAD_DATA may hold it"
        )

    def or_else(self, name, other, title):
        """``name`` if the data are here, else ``other``: standard error says so, once, and how to get them."""
        if self.found():
            return name
        _say(f"{self.missing()}. In its place: {title}.")
        return other


@functools.cache
def _say(words):
    print(words, file=sys.stderr)
