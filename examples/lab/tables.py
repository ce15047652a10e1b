"""Tables on the screen, and the same for the report."""


def table(title, columns, rows):
    """A table on the screen, and its Markdown for the report."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in [columns, *rows]) for k in range(len(columns))]
    lines = [columns, ["-" * w for w in widths], *rows]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    print(f"\n{title}\n" + "\n".join(text))
    return {"title": title, "columns": columns, "rows": rows}


def verdicts(title, claims):
    """A table of claims, pairs of what is said and whether it holds."""
    return table(title, ["claim", "here"], [[said, "holds" if holds else "does not hold"] for said, holds in claims])
