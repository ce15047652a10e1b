"""Taylor mode: x(t) = x₀ + x₁ t + ... + xₙ tⁿ travels through NumPy, every operation truncated at tⁿ.

The rule tables are enough. A function y = f(x) satisfies y' = ∂f(x) x', and ∂f(x) x' is what its tangent rule makes of
the Dual x + ε x'. So yₖ = (∂f(x) x')ₖ₋₁ / k, where the right side needs y up to order k - 1 only (Griewank and Walther
2008, section 13.2): coefficients are computed when they are asked for, and all of them by the end of an operation. Four
kinds of function are not an integral but the ground it stands on:

- a linear function acts on each coefficient,
- a bilinear one makes Cauchy products, zₖ = Σⱼ f(xⱼ, yₖ₋ⱼ),
- quotients and solutions of linear systems are Cauchy products turned round (`dualgrad.series.products`),
- whole powers are products, and the others obey the recurrence of J. C. P. Miller (`dualgrad.series.powers`).

A coefficient of a Cauchy product is a sum of k terms, so an operation to order n costs O(n²) products. Where
coefficients are plain arrays that lie in one array, an operation finds them at once (`dualgrad.series.together`), the
most common ones by recurrences written out (`dualgrad.series.stacked`).
"""

from . import powers, products, stacked  # noqa: F401  (which enter their rules)
from .series import Series
from .transform import taylor

__all__ = ["Series", "taylor"]
