"""Tables on the screen, and the same as Markdown."""


def table(title, columns, rows):
    """A table of cells in words."""
    return {"title": title, "columns": list(columns), "rows": [[str(cell) for cell in row] for row in rows]}


def show(made):
    """A table on the screen."""
    lines = [made["columns"], *made["rows"]]
    widths = [max(len(row[k]) for row in lines) for k in range(len(made["columns"]))]
    lines.insert(1, ["-" * w for w in widths])
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    print(f"\n{made['title']}\n" + "\n".join(text))


def markdown(made):
    """A table for a page, under its title; columns of numbers stand to the right."""

    def numbers(k):
        return all(row[k][:1] in set("-0123456789") | {""} for row in made["rows"]) and k > 0

    rules = ["--:" if numbers(k) else "---" for k in range(len(made["columns"]))]
    lines = [[_cell(text) for text in line] for line in (made["columns"], *made["rows"])]
    lines.insert(1, rules)
    return f"{made['title']}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text):
    """Words that stay in their cell."""
    return " ".join(text.replace("|", "\\|").replace("<!--", "&lt;!--").split())
