"""Tables on the screen, and the same for the report."""


def table(title, columns, rows):
    """A table on the screen, and its Markdown for the report."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in [columns, *rows]) for k in range(len(columns))]
    lines = [columns, ["-" * w for w in widths], *rows]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    print(f"\n{title}\n" + "\n".join(text))
    return {"title": title, "columns": columns, "rows": rows}


def verdicts(title, claims, *columns):
    """A table of claims: what is said, whether it holds (or a verdict in words), and what stands in further columns."""

    def in_words(holds):
        return holds if isinstance(holds, str) else "holds" if holds else "does not hold"

    rows = [[said, in_words(holds), *more] for said, holds, *more in claims]
    return table(title, ["claim", "here", *columns], rows)
