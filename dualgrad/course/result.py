"""What `check` found, as text and in a notebook."""

import html
import textwrap
from dataclasses import dataclass

from .notebook import show_again

GREEN, ORANGE = "#2a9d5c", "#d9822b"


@dataclass(frozen=True)
class Result:
    """What `check` found: whether the answer passed, and if not, on which input and why.

    It is true where the answer passed, prints as a paragraph, and is a card in a notebook.

    Attributes
    ----------
    number, title : of the exercise
    passed : whether every input came out right
    right, total : on how many inputs it did, of how many that were tried
    input, expected, got : of the simplest input that came out wrong, as text; "" where there is none
    hint : what a teacher would say

    Examples
    --------
    >>> from dualgrad.course import check
    >>> def slope(f, x, h):
    ...     return (f(x + h) - f(x)) / h
    >>> result = check("1.1", slope)            # doctest: +ELLIPSIS
    1.1 The difference quotient: passed, on ... inputs.
    >>> bool(result), result
    (True, <1.1 passed>)
    """

    number: str
    title: str
    passed: bool
    right: int = 0
    total: int = 0
    input: str = ""
    expected: str = ""
    got: str = ""
    hint: str = ""

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"<{self.number} {'passed' if self.passed else 'not passed'}>"

    @property
    def _verdict(self):
        if self.passed:
            return f"passed, on {self.total} inputs."
        return f"not yet: right on {self.right} of {self.total} inputs." if self.total else "not yet."

    @property
    def _rows(self):
        rows = {"input": self.input, "expected": self.expected, "got": self.got, "hint": self.hint}
        return {name: text for name, text in rows.items() if text}

    def __str__(self) -> str:
        lines = [f"{self.number} {self.title}: {self._verdict}"]
        for name, text in self._rows.items():
            lines += textwrap.wrap(text, 100, initial_indent=f"  {name:<10}", subsequent_indent=" " * 12)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        color = GREEN if self.passed else ORANGE
        head = f"<b>{self.number} {html.escape(self.title)}</b>: {self._verdict}"
        cell = "text-align:left;vertical-align:top;padding:0.1em 0.8em 0.1em 0;background:none;border:none"
        rows = "".join(
            f'<tr style="background:none"><td style="{cell};opacity:0.7">{name}</td><td style="{cell}">'
            f"{html.escape(text) if name == 'hint' else f'<code>{html.escape(text)}</code>'}</td></tr>"
            for name, text in self._rows.items()
        )
        table = f'<table style="border:none;margin:0.3em 0 0 0">{rows}</table>' if rows else ""
        return f'<div style="border-left:4px solid {color};padding:0.3em 0.8em">{head}{table}</div>'

    def _ipython_display_(self) -> None:
        """A cell that ends with ``check(...)`` shows the card once."""
        show_again(self)
