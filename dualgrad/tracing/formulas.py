"""Operations as mathematics: ``v1 · v2``, ``ln v1``, ``v1²``; in Unicode, and in LaTeX."""

import re

from .row import call, subscript

_INFIX = {
    "add": ("+", "+"), "subtract": ("−", "-"), "multiply": ("·", r"\cdot"), "divide": ("/", "/"),
    "true_divide": ("/", "/"), "matmul": ("@", ""), "dot": ("@", ""), "remainder": ("mod", r"\bmod"),
    "floor_divide": ("//", r"\mathbin{//}"),
    "less": ("<", "<"), "less_equal": ("≤", r"\le"), "greater": (">", ">"), "greater_equal": ("≥", r"\ge"),
    "equal": ("=", "="), "not_equal": ("≠", r"\ne"), "outer": ("⊗", r"\otimes"),
}  # fmt: skip
_IN_PLACE_OF = {
    "iadd": "add", "isub": "subtract", "imul": "multiply", "itruediv": "divide", "imatmul": "matmul",
    "imod": "remainder", "ifloordiv": "floor_divide", "ipow": "power",
}  # fmt: skip
_UNARY = {  # of one operand
    "log": ("ln {}", r"\ln {}"), "square": ("{}²", "{}^{{2}}"), "sqrt": ("√{}", r"\sqrt{{{}}}"),
    "negative": ("−{}", "-{}"), "absolute": ("|{}|", "|{}|"), "reciprocal": ("1/{}", r"\frac{{1}}{{{}}}"),
    "transpose": ("{}ᵀ", r"{}^{{\top}}"), "log1p": ("ln(1 + {})", r"\ln(1 + {})"),
    "expm1": ("exp {} − 1", r"e^{{{}}} - 1"),
    "exp": ("exp {}", r"e^{{{}}}"), "linalg.inv": ("{}⁻¹", "{}^{{-1}}"), "linalg.det": ("det {}", r"\det {}"),
    "linalg.norm": ("‖{}‖", r"\|{}\|"), "sum": ("Σ {}", r"\textstyle\sum {}"),
    "trace": ("tr {}", r"\operatorname{{tr}} {}"),
    "prod": ("Π {}", r"\textstyle\prod {}"), "floor": ("⌊{}⌋", r"\lfloor {} \rfloor"),
    "cbrt": ("∛{}", r"\sqrt[3]{{{}}}"),
    "ceil": ("⌈{}⌉", r"\lceil {} \rceil"), "log2": ("log₂ {}", r"\log_2 {}"), "log10": ("log₁₀ {}", r"\log_{{10}} {}"),
    "conjugate": ("conj {}", r"\overline{{{}}}"), "positive": ("{}", "{}"),
    "copy": ("{}", "{}"),
    "arcsin": ("arcsin {}", r"\arcsin {}"), "arccos": ("arccos {}", r"\arccos {}"),
    "arctan": ("arctan {}", r"\arctan {}"),
}  # fmt: skip
_PREFIX = {name: (f"{name} {{}}", rf"\{name} {{}}") for name in "sin cos tan sinh cosh tanh".split()}
_UNARY |= _PREFIX
_ESCAPES = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\symbol{34}", "…": r"\ldots{}", "‖": r"\textbardbl{}",
    "`": r"\textasciigrave{}", "-": "{-}", "'": r"\textquotesingle{}",
}  # fmt: skip
_GREEK = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi o pi rho varsigma sigma tau upsilon "
    "varphi chi psi omega A B Gamma Delta E Z H Theta I K Lambda M N Xi O Pi P Sigma T Upsilon Phi X Psi Omega"
).split()
_ESCAPES |= {
    c: rf"\ensuremath{{\{name}}}" if len(name) > 1 else name
    for c, name in zip("αβγδεζηθικλμνξοπρςστυφχψωΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ", _GREEK, strict=True)
}
_STEP = re.compile(r"v-?\d+")
_NUMBER = re.compile(r"(-?[\d.]+)(?:e([+-]?\d+))?")


def formula(row):
    """What made a row, in Unicode."""
    name, operands = _IN_PLACE_OF.get(row.operation, row.operation), row.operands
    if name in _INFIX and len(operands) == 2:
        return f" {_INFIX[name][0]} ".join(map(_in_brackets, operands))
    if name in _UNARY and len(operands) == 1:
        return _UNARY[name][0].format(operands[0])
    if name == "power" and len(operands) == 2:
        base, exponent = _in_brackets(operands[0]), operands[1]
        return base + superscript(exponent) if re.fullmatch(r"-?\d+", exponent) else f"{base}^{_in_brackets(exponent)}"
    if name == "getitem" and len(operands) == 2:
        return f"{operands[0]}[{_subscripted(operands[1])}]"
    if name == "setitem" and len(operands) == 3:
        return f"{operands[0]}[{_subscripted(operands[1])}] ← {operands[2]}"
    if name == "linalg.solve" and len(operands) == 2:
        return f"{operands[0]}⁻¹ {operands[1]}"
    return call(row)


def superscript(k):
    """A number above the line."""
    return "".join("⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".index(c)] for c in str(k))


def _in_brackets(x):
    return f"({x})" if x.startswith("-") or _is_complex(x) else x


def _is_complex(x):
    return x.endswith("j") and ("+" in x[1:] or "-" in x[1:])


def _subscripted(x):
    return x[1:-1].rstrip(",") if x.startswith("(") and x.endswith(")") else x


# ---------------------------------------------------------------------- LaTeX


def latex(text):
    """Any text, for LaTeX outside mathematics."""
    return "".join(_ESCAPES.get(c, c) for c in text)


def latex_formula(row):
    """What made a row, for mathematics in LaTeX."""
    name, operands = _IN_PLACE_OF.get(row.operation, row.operation), row.operands
    x = [latex_operand(operand) for operand in operands]
    factors = [rf"\left({a}\right)" if _in_brackets(o) != o else a for a, o in zip(x, operands, strict=True)]
    if name in ("divide", "true_divide") and len(x) == 2:
        return rf"\frac{{{x[0]}}}{{{x[1]}}}"
    if name in _INFIX and len(x) == 2:
        return f" {_INFIX[name][1]} ".join(factors)
    if name in _UNARY and len(x) == 1:
        return _UNARY[name][1].format(x[0])
    if name == "power" and len(x) == 2:
        return f"{factors[0]}^{{{x[1]}}}"
    if name == "getitem" and len(x) == 2:
        return rf"{x[0]}[\texttt{{{latex(_subscripted(operands[1]))}}}]"
    if name == "setitem" and len(x) == 3:
        return rf"{x[0]}[\texttt{{{latex(_subscripted(operands[1]))}}}] \leftarrow {x[2]}"
    if name == "linalg.solve" and len(x) == 2:
        return f"{x[0]}^{{-1}} {x[1]}"
    return latex_call(row)


def latex_call(row):
    """What made a row, by the names that NumPy uses, for mathematics in LaTeX."""
    x = [latex_operand(operand) for operand in row.operands]
    if row.operation == "input":
        return rf"\texttt{{{latex(row.operands[0])}}}"
    if row.operation == "perturb":
        return rf"{x[0]} + {x[1] if row.operands[1] else ''}\varepsilon_{{{row.depth}}}"
    if row.operation == "derivative":
        return rf"\partial {x[0]} / \partial \varepsilon_{{{row.depth + 1}}}"
    return rf"\texttt{{{latex(row.operation)}}}({', '.join(x)})"


def latex_operand(x):
    """A step, a number, or anything else, for mathematics in LaTeX."""
    if _STEP.fullmatch(x):
        return f"v_{{{x[1:]}}}"
    return latex_number(x) or rf"\texttt{{{latex(x)}}}"


def latex_number(x):
    """A number, or short list of them, for mathematics in LaTeX; nothing for anything else."""
    if found := _NUMBER.fullmatch(x):
        return found[1] + (rf" \times 10^{{{int(found[2])}}}" if found[2] else "")
    if x.startswith("[") and x.endswith("]") and "[" not in x[1:]:
        parts = [latex_number(part) for part in x[1:-1].split(", ")]
        return f"[{', '.join(parts)}]" if all(parts) else ""
    if x.startswith("‖") and x.endswith("‖"):
        inner = latex_number(x[1:-1])
        return rf"\|{inner}\|" if inner else ""
    return {"nan": r"\mathrm{NaN}", "inf": r"\infty", "-inf": r"-\infty"}.get(x, "")


def epsilon(name):
    """The ε of a layer, for mathematics in LaTeX."""
    return re.sub("ε([₀-₉]+)", lambda m: rf"\varepsilon_{{{''.join(str('₀₁₂₃₄₅₆₇₈₉'.index(c)) for c in m[1])}}}", name)


__all__ = [
    "epsilon",
    "formula",
    "latex",
    "latex_call",
    "latex_formula",
    "latex_number",
    "latex_operand",
    "subscript",
    "superscript",
]
