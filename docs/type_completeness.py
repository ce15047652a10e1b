"""Of how many public names a type checker knows the type: `make lint` wants 90 of 100.

``pyright --verifytypes`` looks at every module whose name has no underscore in front. What counts here is what users
see: the names of docs/public_names.py, and for a class all that it has, also by the classes of dualgrad it inherits
from. A name of which pyright knows nothing, or has to guess, lacks its type.

``python -m docs.type_completeness`` prints the share and the names without a type; with ``--rooms`` the
share of each room.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from docs.public_names import public_names

ROOT = Path(__file__).parents[1]
BAR = 90  # of a hundred


def pyright_symbols():
    """What pyright says of every name of dualgrad. It takes the package from the first Python in PATH."""
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "pyright", "--verifytypes", "dualgrad", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": paths}, capture_output=True, text=True)
    try:
        symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    except (json.JSONDecodeError, KeyError):
        symbols = []
    if not symbols:
        raise SystemExit(f"pyright found nothing in dualgrad: is it installed here?\n{done.stdout}{done.stderr}")
    return symbols


def homes(thing):
    """The classes of dualgrad that give a public class what it has, by the names under which pyright has them."""
    classes = [base for base in thing.__mro__ if base.__module__.partition(".")[0] == "dualgrad"]
    return [f"{base.__module__}.{base.__qualname__.rpartition('<locals>.')[2]}" for base in classes]


def known(symbols, names):
    """Whether the type is known of every public name and of every member of a public class, by the name it is defined
    under; ``names`` is ``{"dualgrad.nn.Linear": object}``."""
    found, defined = {}, {}
    for symbol in symbols:
        found[symbol["name"]] = symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"]
        defined.update(dict.fromkeys(symbol.get("alternateNames", ()), symbol["name"]))
    public, classes = {}, set()
    for name, thing in names.items():
        at = defined.get(name, name)
        public[at] = found.get(at, False)
        if isinstance(thing, type):
            classes.update([*homes(thing), at])
    public.update({name: known for name, known in found.items() if name.rpartition(".")[0] in classes})
    return public


def share(public):
    """Of a hundred names, how many have a known type."""
    return 100 * sum(public.values()) / len(public)


def by_room(public):
    """The names of each module or folder of dualgrad."""
    rooms = {}
    for name, is_known in public.items():
        rooms.setdefault(name.split(".")[1], {})[name] = is_known
    return rooms


def report(public):
    """The names without a type, and the share."""
    lacking = sorted(name for name, is_known in public.items() if not is_known)
    last = f"{len(public) - len(lacking)} of {len(public)} public names have a type, {share(public):.1f} %"
    return "\n".join([*(f"{name} has no type, or one that must be guessed" for name in lacking), last])


def main(arguments):
    public = known(pyright_symbols(), public_names())
    print(report(public))
    if arguments == ["--rooms"]:
        for room, names in sorted(by_room(public).items()):
            print(f"{room:16} {share(names):5.1f} % of {len(names)}")
    if share(public) < BAR:
        raise SystemExit(f"expected {BAR} %: annotate the names above")


if __name__ == "__main__":
    main(sys.argv[1:])
