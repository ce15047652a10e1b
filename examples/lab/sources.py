"""Which code a run was made by: a digest of its function and of all that it names among the examples.

Words, layout and comments are no part of it, and neither is dualgrad, whose version a result has.
"""

import ast
import functools
import hashlib
import inspect
from pathlib import Path

EXAMPLES = Path(__file__).parents[1]


@functools.cache
def digest(function):
    """Eight hexadecimal digits."""
    seen = {}
    _follow(Path(inspect.getsourcefile(function)), function.__name__, seen)
    return hashlib.sha1("\n".join(seen[name] for name in sorted(seen)).encode()).hexdigest()[:8]


def _follow(path, name, seen):
    """A definition, and what it names in turn, as plain source by (file, name)."""
    definitions, imported = _module(path)
    if (path.name, name) in seen:
        return
    if name in definitions:
        node = definitions[name]
        seen[path.name, name] = ast.unparse(node)
        arguments = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
        for inner in sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - arguments):
            _follow(path, inner, seen)
        for inner in (n for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)):
            if source := imported.get(inner.value.id):
                _follow(source[0], inner.attr, seen)
    elif name in imported and imported[name][1]:
        _follow(*imported[name], seen)


@functools.cache
def _module(path):
    """What a file defines at its top, without docstrings; and what it takes from other examples: (file, name there)."""
    definitions, imported = {}, {}
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            definitions[node.name] = _without_words(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            places = node.targets if isinstance(node, ast.Assign) else [node.target]
            targets = [n.id for place in places for n in ast.walk(place) if isinstance(n, ast.Name)]
            definitions |= dict.fromkeys(targets, node)
        elif isinstance(node, ast.ImportFrom):
            if source := _file(path, node.module or "", node.level):
                imported |= {a.asname or a.name: (source, a.name) for a in node.names}
        elif isinstance(node, ast.Import):
            found = {a.asname or a.name: _file(path, a.name, 0) for a in node.names}
            imported |= {name: (source, "") for name, source in found.items() if source}
    return definitions, imported


def _file(path, module, level):
    """The file of a module of the examples; None of any other."""
    base = path.parent if level else EXAMPLES
    place = base.joinpath(*module.split(".")) if module else base
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if module and file.is_file():
            return file
    return None


def _without_words(node):
    """The node without docstrings."""
    for inner in ast.walk(node):
        if isinstance(inner, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(inner, clean=False) is not None:
            inner.body = inner.body[1:] or [ast.Pass()]
    return node
