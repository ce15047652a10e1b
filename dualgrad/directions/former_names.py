"""The former names of what `dualgrad.layout` does, for programs that use them."""

from ..layout import Layout, ravel
from ..params import with_entries
from ..vectors import double, in_kind
from .base import finite_vector


def as_vector(tree):
    """All entries of a tree in one vector of float64, on the host."""
    return double(ravel(tree)[0])


def vector_like(tree, like, what):
    """`as_vector` of a tree that must match another in structure and shapes, and be finite."""
    return finite_vector(Layout.of(like).double(tree, what), what)


def as_tree(vector, like):
    """A vector ``(..., p)`` as a tree of the kind, shapes and dtypes of ``like``; a lead axis stays in front."""
    w, layout = ravel(like)
    return layout.tree(vector, like=w)


def at(vector, params):
    """The parameters where their entries are those of a vector: `as_tree`, with the buffers."""
    w, layout = ravel(params)
    return with_entries(params, in_kind(vector, w), layout)
