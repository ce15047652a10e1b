"""Taylor coefficients to any precision: the functions of the table, on power series whose coefficients are mpmath's.

A `Jet` is c₀ + c₁ t + ... + c₇ t⁷. Arithmetic is that of power series; a function is known by its value (mpmath's) and
its slope, y' = f'(x) x', integrated term by term. Nothing here is dualgrad's, and formulas are the plainest ones:
`coefficients` doubles the precision until two results agree, so cancellation costs time, not digits. Where a truth has
no derivative (a kink) a coefficient is NaN; where it has no value (a pole, another domain) evaluation raises.
"""

import functools
import math
from functools import partial

from mpmath import mp, mpf

LAST = 7  # orders to 6 are measured, and one more says how far a rounding of x moves the last of them
PRECISIONS = (50, 100, 200, 400, 800, 1600, 3200)  # decimal digits
SURE = 800  # from here on, two exact zeros are a zero
AGREE = mpf("1e-25")
NOTHING = mpf("1e-400")
FAR = 10**3  # from here on, asymptotic series give any number of digits
LARGEST = 2 * 10**6  # the exponent of what is larger than any float, and its reciprocal smaller


class Jet:
    """A truncated power series."""

    def __init__(self, coefficients):
        self.c = coefficients

    @classmethod
    def constant(cls, value):
        return cls([mpf(value)] + [mpf(0)] * LAST)

    @classmethod
    def variable(cls, value):
        return cls([mpf(value), mpf(1)] + [mpf(0)] * (LAST - 1))

    def __neg__(self):
        return Jet([-a for a in self.c])

    def __add__(self, other):
        return Jet([a + b for a, b in zip(self.c, jet(other).c, strict=True)])

    def __sub__(self, other):
        return self + -jet(other)

    def __rsub__(self, other):
        return jet(other) - self

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return Jet([a * other for a in self.c])
        return Jet([_cauchy(self.c, other.c, k) for k in range(LAST + 1)])

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other):
        other, out = jet(other), []
        for k in range(LAST + 1):
            out.append((self.c[k] - _cauchy(out, other.c, k)) / other.c[0])
        return Jet(out)

    def __rtruediv__(self, other):
        return jet(other) / self

    def __pow__(self, p):
        return power(self, p)

    def __abs__(self):
        return switch(self, 0, lambda x: -x, lambda x: x)


def jet(x):
    """A number as a constant."""
    return x if isinstance(x, Jet) else Jet.constant(x)


def _cauchy(a, b, k):
    """Σ aⱼ bₖ₋ⱼ over the j that ``a`` has."""
    return sum((a[j] * b[k - j] for j in range(min(k + 1, len(a))) if a[j] and b[k - j]), mpf(0))


def coefficients(f, x):
    """c₀ to c₇ of ``f(Jet)`` at the number x, each right to 25 digits, or NaN where there is none."""
    before = None
    for digits in PRECISIONS:
        with mp.workdps(digits):
            try:
                now = [c if isinstance(c, mpf) else mp.nan for c in f(Jet.variable(x)).c]
            except (ValueError, ZeroDivisionError, OverflowError, TypeError, mp.NoConvergence):
                return [mp.nan] * (LAST + 1)
            if before is not None and all(_same(a, b, digits) for a, b in zip(before, now, strict=True)):
                return now
            before = now
    return [b if _same(a, b, digits) else mp.nan for a, b in zip(before, now, strict=True)]


def _same(a, b, digits):
    if mp.isnan(b):
        return mp.isnan(a)
    if a == b == 0:
        return digits >= SURE
    return abs(a - b) <= AGREE * abs(b) or 0 < max(abs(a), abs(b)) < NOTHING


# ---------------------------------------------------------------------- how functions are made


def integrate(value, slope, x):
    """y with y(0) = value and y' = slope · x', for jets slope and x."""
    moved = [k * x.c[k] for k in range(1, LAST + 1)]
    return Jet([mpf(value)] + [_cauchy(moved, slope.c, k) / (k + 1) for k in range(LAST)])


def solve(value, slope, x):
    """The same where the slope is a function of y, as of inverse functions: y' = slope(y) x'."""
    y = Jet.constant(value)
    for _ in range(LAST):  # each pass gets one more coefficient right
        y = integrate(value, slope(y), x)
    return y


def compose(derivatives, x):
    """g(x) from the numbers g(c₀), g'(c₀), ..., which ``derivatives(k)`` gives."""
    h, out = Jet([mpf(0), *x.c[1:]]), Jet.constant(0)
    for k in range(LAST, -1, -1):
        out = out * h + derivatives(k) / mp.factorial(k)
    return out


def switch(x, at, below, above):
    """``below(x)`` or ``above(x)``; at the point itself what they have in common, up to the first that differs."""
    if x.c[0] != at:
        return (below if x.c[0] < at else above)(x)
    left, right = below(x).c, above(x).c
    same = [a == b for a, b in zip(left, right, strict=True)]
    agreed = same.index(False) if False in same else LAST + 1
    if 0 < agreed < LAST + 1 and not any(x.c[1:]):
        return Jet(left)
    return Jet([a if k < agreed else mp.nan for k, a in enumerate(left)])


# ---------------------------------------------------------------------- elementary functions


def _exp(a):
    if a > LARGEST:
        raise OverflowError("too large for any dtype")
    return mp.exp(max(a, -LARGEST))


def exp(x):
    out = [_exp(x.c[0])]
    moved = [k * x.c[k] for k in range(1, LAST + 1)]
    for k in range(LAST):
        out.append(_cauchy(moved, out, k) / (k + 1))
    return Jet(out)


def expm1(x):
    return Jet([mp.expm1(max(x.c[0], -LARGEST)), *exp(x).c[1:]])


def log(x):
    return integrate(mp.log(x.c[0]), 1 / x, x)


def log1p(x):
    return integrate(mp.log1p(x.c[0]), 1 / (1 + x), x)


def power(x, p):
    """x**p for a number or a jet p."""
    if isinstance(p, Jet):
        if any(p.c[1:]):
            return exp(p * log(x))
        p = p.c[0]
    if not any(x.c[1:]):
        return Jet.constant(mp.power(x.c[0], p))
    if mp.isfinite(p) and mp.isint(p) and 0 <= p <= 16:
        return functools.reduce(Jet.__mul__, [x] * int(p), Jet.constant(1))
    out = [mp.power(x.c[0], p)]
    for k in range(1, LAST + 1):
        out.append(sum(((p * j - k + j) * x.c[j] * out[k - j] for j in range(1, k + 1)), mpf(0)) / (k * x.c[0]))
    return Jet(out)


def sqrt(x):
    return power(x, mpf(1) / 2)


def cbrt(x):
    return switch(x, 0, lambda x: -power(-x, mpf(1) / 3), lambda x: power(x, mpf(1) / 3))


def _sine_and_cosine(x, sine, cosine, sign):
    s, c = [sine(x.c[0])], [cosine(x.c[0])]
    moved = [k * x.c[k] for k in range(1, LAST + 1)]
    for k in range(LAST):
        ds, dc = _cauchy(moved, c, k) / (k + 1), sign * _cauchy(moved, s, k) / (k + 1)
        s.append(ds)
        c.append(dc)
    return Jet(s), Jet(c)


def sin(x):
    return _sine_and_cosine(x, mp.sin, mp.cos, -1)[0]


def cos(x):
    return _sine_and_cosine(x, mp.sin, mp.cos, -1)[1]


def tan(x):
    return sin(x) / cos(x)


def sinh(x):
    _exp(abs(x.c[0]))
    return _sine_and_cosine(x, mp.sinh, mp.cosh, 1)[0]


def cosh(x):
    _exp(abs(x.c[0]))
    return _sine_and_cosine(x, mp.sinh, mp.cosh, 1)[1]


def tanh(x):
    return integrate(mp.tanh(min(max(x.c[0], -LARGEST), LARGEST)), 4 * _bell(2 * x), x)


def _bell(x):
    """exp(x) / (1 + exp(x))²."""
    e = exp(-x if x.c[0] > 0 else x)
    return e / ((1 + e) * (1 + e))


def arcsin(x):
    return integrate(mp.asin(x.c[0]), 1 / sqrt(1 - x * x), x)


def arccos(x):
    return integrate(mp.acos(x.c[0]), -1 / sqrt(1 - x * x), x)


def arctan(x):
    return integrate(mp.atan(x.c[0]), 1 / (1 + x * x), x)


def arcsinh(x):
    return integrate(mp.asinh(x.c[0]), 1 / sqrt(1 + x * x), x)


def arccosh(x):
    return integrate(mp.acosh(x.c[0]), 1 / sqrt(x * x - 1), x)


def arctanh(x):
    return integrate(mp.atanh(x.c[0]), 1 / (1 - x * x), x)


def sinc(x):
    """sin πx / πx; near 0 its power series."""
    if abs(x.c[0]) > 1:
        return sin(mp.pi * x) / (mp.pi * x)
    square, out = x * x, Jet.constant(0)
    for k in range(int(mp.dps / 2) + 20, -1, -1):
        out = out * square + (-1) ** k * mp.pi ** (2 * k) / mp.factorial(2 * k + 1)
    return out


def hypot(x, y):
    return abs(x) if not any(y.c) else abs(y) if not any(x.c) else sqrt(x * x + y * y)


def arctan2(y, x):
    size = x * x + y * y
    slope = [a / size for a in (x, -y)]
    value = mp.atan2(y.c[0], x.c[0])
    return integrate(value, slope[0], y) + integrate(0, slope[1], x)


def logaddexp(x, y):
    return logsumexp(x, y)


def logsumexp(*xs):
    top, *others = sorted(xs, key=lambda x: -x.c[0])
    return top + log1p(sum((exp(x - top) for x in others), Jet.constant(0)))


def maximum(x, y):
    """The larger one, and NaN slopes at a tie of two that move differently."""
    if x.c[0] == y.c[0] and x.c != y.c:
        return Jet([x.c[0]] + [mp.nan] * LAST)
    return x if x.c[0] >= y.c[0] else y


def minimum(x, y):
    return -maximum(-x, -y)


def copysign(x, y):
    return abs(x) * (1 if y.c[0] > 0 else -1)


# ---------------------------------------------------------------------- logistic functions and entropies


def sigmoid(x):
    e = _exp(-abs(x.c[0]))
    return integrate((e if x.c[0] < 0 else 1) / (1 + e), _bell(x), x)


def softplus(x):
    a = x.c[0]
    return integrate(max(a, 0) + mp.log1p(_exp(-abs(a))), sigmoid(x), x)


def xlogy(x, y):
    return x * log(y)


def entr(x):
    return -x * log(x)


def rel_entr(x, y):
    return x * (log(x) - log(y))


# ---------------------------------------------------------------------- error functions and the normal distribution


def _gauss(x, sign=-1):
    return 2 / mp.sqrt(mp.pi) * exp(sign * (x * x))


def erf(x):
    return integrate(mp.erf(x.c[0]), _gauss(x), x)


def erfi(x):
    _exp(x.c[0] * x.c[0])
    return integrate(mp.erfi(x.c[0]), _gauss(x, 1), x)


def erfc(x):
    return integrate(mp.erfc(x.c[0]), -_gauss(x), x)


def _asymptotic(x, sign):
    """1 / x Σ sᵐ (2m - 1)!! / (2 x²)ᵐ."""
    u, term, total = 1 / (2 * x * x), 1 / x, Jet.constant(0)
    for m in range(10**4):
        total = total + term
        if abs(term.c[0]) < abs(total.c[0]) * mp.eps:
            break
        term = term * u * (sign * (2 * m + 1))
    return total


def erfcx(x):
    """exp(x²) erfc(x)."""
    if x.c[0] > FAR:
        return _asymptotic(x, -1) / mp.sqrt(mp.pi)
    return exp(x * x) * erfc(x)


def dawsn(x):
    """exp(-x²) ∫ exp(t²)."""
    if abs(x.c[0]) > FAR:
        return _asymptotic(x, 1) / 2
    return exp(-(x * x)) * erfi(x) * (mp.sqrt(mp.pi) / 2)


def ndtr(x):
    return erfc(-x / mp.sqrt(2)) / 2


def log_ndtr(x):
    if x.c[0] > 0:
        return log1p(-erfc(x / mp.sqrt(2)) / 2)
    return log(erfcx(-x / mp.sqrt(2)) / 2) - x * x / 2


def _erfc_inverse(p):
    """y with erfc(y) = p, by Newton's method on log erfc."""
    if not 0 < p < 2:
        raise ValueError("outside of the domain")
    if p > 1:
        return -_erfc_inverse(2 - p)
    from scipy.special import erfcinv, ndtri_exp

    y = (
        mpf(float(erfcinv(float(p))))
        if p > mpf("1e-300")
        else mpf(-float(ndtri_exp(float(mp.log(p / 2))))) / mp.sqrt(2)
    )
    for _ in range(60):
        e = mp.erfc(y)
        step = mp.log(e / p) * e * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        y += step
        if abs(step) <= abs(y) * mp.eps * 1000 or not y:
            break
    return y


def erfinv(x):
    value = mp.erfinv(x.c[0])
    return solve(value, lambda y: exp(y * y) * (mp.sqrt(mp.pi) / 2), x)


def erfcinv(x):
    return solve(_erfc_inverse(x.c[0]), lambda y: exp(y * y) * (-mp.sqrt(mp.pi) / 2), x)


def ndtri(x):
    return -mp.sqrt(2) * erfcinv(2 * x)


# ---------------------------------------------------------------------- gamma and Bessel functions


def _no_pole(x):
    a = x.c[0]
    if a <= 0 and mp.isint(a):
        raise ValueError("a pole")
    return a


def gammaln(x):
    """log |Γ(x)|."""
    a = _no_pole(x)
    return compose(lambda k: mp.psi(k - 1, a) if k else mp.re(mp.loggamma(a)), x)


def loggamma(x):
    if x.c[0] <= 0:
        raise ValueError("complex")
    return gammaln(x)


def gamma(x):
    if x.c[0] > 1000:
        raise ValueError("too large for any dtype")
    return exp(gammaln(x)) * mp.sign(mp.gamma(x.c[0]))


def polygamma(n, x):
    a = _no_pole(x)
    return compose(lambda k: mp.psi(n + k, a), x)


def zeta(s, x):
    a = x.c[0]
    if a <= 0:
        raise ValueError("outside of the domain")
    return compose(lambda k: (-1) ** k * mp.rf(s, k) * mp.zeta(s + k, a), x)


def betaln(a, b):
    return gammaln(a) + gammaln(b) - gammaln(a + b)


def beta(a, b):
    if min(a.c[0], b.c[0]) <= 0:
        raise ValueError("outside of the domain")
    return exp(betaln(a, b))


def iv(v, x):
    """2ᵏ I⁽ᵏ⁾ = Σ C(k, j) I of order v - k + 2j; v is whole, so I₋ᵥ = Iᵥ."""
    a = x.c[0]
    if abs(a) > 1000:
        raise ValueError("too large for any dtype")
    orders = functools.cache(lambda m: mp.besseli(abs(m), a))
    return compose(lambda k: sum(math.comb(k, j) * orders(v - k + 2 * j) for j in range(k + 1)) / mpf(2) ** k, x)


def ive(v, x):
    """exp(-|x|) I_v(x)."""
    if abs(x.c[0]) <= 1000:
        return exp(-abs(x)) * iv(v, x)
    r = abs(x)
    term = total = 1 / sqrt(2 * mp.pi * r)
    for m in range(1, 10**4):
        term = term * (mpf((2 * m - 1) ** 2 - 4 * v * v) / (8 * m)) / r
        total = total + term
        if abs(term.c[0]) < abs(total.c[0]) * mp.eps:
            break
        if m > 2 * abs(x.c[0]) - 1:
            raise ValueError("not this many digits")
    return total * (1 if x.c[0] > 0 or v % 2 == 0 else -1)


def hyperu(a, b, x):
    """U⁽ᵏ⁾(a, b, x) = (-1)ᵏ (a)ₖ U(a + k, b + k, x)."""
    at = x.c[0]
    if at <= 0:
        raise ValueError("outside of the domain")
    return compose(lambda k: (-1) ** k * mp.rf(a, k) * mp.hyperu(a + k, b + k, at), x)


def _cylinder(values, scale, sign):
    """The function of v and x whose k-th derivative is scaleᵏ Σ signʲ C(k, j) ``values``(v - k + 2j, x)."""

    def function(v, x):
        a = x.c[0]
        orders = functools.cache(lambda m: values(m, a))
        terms = lambda k: (sign**j * math.comb(k, j) * orders(v - k + 2 * j) for j in range(k + 1))  # noqa: E731
        return compose(lambda k: sum(terms(k)) * mpf(scale) ** k, x)

    return function


def _upwards(values, sign, below):
    """Of every order by two of them, f_m+1 = 2m/x f_m - sign f_m-1; ``below(m, f, x)`` gives those of order -m."""

    def value(m, x):
        if m < 0:
            return below(-m, value, x)
        base = m % 1
        pair = _pair(values, base, x, mp.prec)
        for k in range(int(m - base)):
            pair = pair[1], 2 * (base + k + 1) / x * pair[1] - sign * pair[0]
        return pair[0]

    return value


@functools.lru_cache(64)
def _pair(values, base, x, _):
    return values(base, x), values(base + 1, x)


def _y_below(m, y, x):
    """cos(mπ) Y_m + sin(mπ) J_m."""
    return mp.cospi(m) * y(m, x) + (0 if mp.isint(m) else mp.sinpi(m) * mp.besselj(m, x))


jv = _cylinder(mp.besselj, 0.5, -1)
yv = _cylinder(_upwards(mp.bessely, 1, _y_below), 0.5, -1)
kv = _cylinder(_upwards(mp.besselk, -1, lambda m, k, x: k(m, x)), -0.5, 1)

# ---------------------------------------------------------------------- exponential integrals


def expi(x):
    return integrate(mp.ei(x.c[0]), exp(x) / x, x)


def exp1(x):
    return integrate(mp.e1(x.c[0]), -exp(-x) / x, x)


def expn(n, x):
    at = x.c[0]
    return compose(lambda k: (-1) ** k * mp.expint(n - k, at), x)


def exprel(x):
    """∫ exp(xt) over t from 0 to 1."""
    at = x.c[0]
    return compose(lambda k: mp.hyp1f1(k + 1, k + 2, at) / (k + 1), x)


def boxcox(log_x, p):
    """(xᵖ - 1) / p."""
    return log_x * exprel(p * log_x)


# ---------------------------------------------------------------------- gamma and beta functions, incomplete ones


def rgamma(x):
    """Σ coefficients of 1 / Γ, by mpmath's own differences at poles."""
    a = x.c[0]
    if a <= 0 and mp.isint(a):
        return compose(lambda k: _at_pole(int(-a), k), x)
    return 1 / gamma(x)


def _at_pole(n, k):
    """The k-th derivative of (x)ₙ₊₁ / Γ(x + n + 1) at -n: of h (h - 1) ... (h - n) / Γ(h + 1), h = x + n."""
    h = Jet.variable(0)
    rising = functools.reduce(Jet.__mul__, (h - j for j in range(n + 1)))
    return (rising * _rgamma_from_one(mp.prec)).c[k] * mp.factorial(k)


@functools.lru_cache(16)
def _rgamma_from_one(_):
    return 1 / gamma(Jet.variable(1))


def multigammaln(d, a):
    if a.c[0] <= mpf(d - 1) / 2:
        raise ValueError("outside of the domain")
    return sum((gammaln(a - mpf(j) / 2) for j in range(d)), jet(mpf(d * (d - 1)) / 4 * mp.log(mp.pi)))


def poch(z, m):
    if min(z.c[0], z.c[0] + m.c[0]) <= 0:
        raise ValueError("outside of the domain")
    return exp(gammaln(z + m) - gammaln(z))


def binom(n, k):
    if min(n.c[0], k.c[0], n.c[0] - k.c[0]) <= -1:
        raise ValueError("outside of the domain")
    return exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def _power(x, p):
    """xᵖ, also at 0."""
    return Jet.constant(1) if p == 0 else power(x, p)


def _gamma_density(a, x):
    return _power(x, mpf(a) - 1) * exp(-x) / mp.gamma(a)


def gammainc(a, x):
    return integrate(mp.gammainc(a, 0, x.c[0], regularized=True), _gamma_density(a, x), x)


def gammaincc(a, x):
    return integrate(mp.gammainc(a, x.c[0], regularized=True), -_gamma_density(a, x), x)


def _beta_density(a, b, x):
    return _power(x, mpf(a) - 1) * _power(1 - x, mpf(b) - 1) / mp.beta(a, b)


def betainc(a, b, x):
    at = x.c[0]
    if not 0 <= at <= 1:
        raise ValueError("outside of the domain")
    return integrate(mp.betainc(a, b, 0, at, regularized=True), _beta_density(a, b, x), x)


def chdtr(v, x):
    return gammainc(mpf(v) / 2, x / 2)


def chdtrc(v, x):
    return gammaincc(mpf(v) / 2, x / 2)


def betaincc(a, b, x):
    return betainc(b, a, 1 - x)


def _student_density(v, t):
    return power(1 + t * t / v, -(v + 1) / 2) / (mp.sqrt(v) * mp.beta(v / 2, mpf(1) / 2))


def stdtr(v, t):
    """By the incomplete beta function at ν / (ν + t²), which does not cancel in the tail."""
    v, at = mpf(v), t.c[0]
    tail = mp.betainc(v / 2, mpf(1) / 2, 0, v / (v + at * at), regularized=True) / 2
    return integrate(1 - tail if at > 0 else tail, _student_density(v, t), t)


def _quantile(area, density, start, p):
    """The y of area(y) = p, by Newton's method from SciPy's, and its derivatives by those of the area."""
    if not 0 < p.c[0] < 1:
        raise ValueError("outside of the domain")
    y = mpf(float(start(float(p.c[0]))))
    for _ in range(12):
        at = Jet.constant(y)
        step = (area(at).c[0] - p.c[0]) / density(at).c[0]
        y -= step
        if abs(step) <= abs(y) * mp.eps * 1000:
            break
    return solve(y, lambda y: 1 / density(y), p)


def gammaincinv(a, p):
    from scipy.special import gammaincinv as start

    return _quantile(partial(gammainc, a), partial(_gamma_density, a), partial(start, a), p)


def gammainccinv(a, q):
    from scipy.special import gammainccinv as start

    return _quantile(partial(gammaincc, a), lambda x: -_gamma_density(a, x), partial(start, float(a)), q)


def chdtri(v, q):
    return gammainccinv(mpf(v) / 2, q) * 2


def betaincinv(a, b, p):
    from scipy.special import betaincinv as start

    return _quantile(partial(betainc, a, b), partial(_beta_density, a, b), partial(start, a, b), p)


def betainccinv(a, b, q):
    from scipy.special import betainccinv as start

    return _quantile(partial(betaincc, a, b), lambda x: -_beta_density(a, b, x), partial(start, a, b), q)


def stdtrit(v, p):
    from scipy.special import stdtrit as start

    return _quantile(partial(stdtr, v), partial(_student_density, mpf(v)), partial(start, v), p)


# ---------------------------------------------------------------------- elliptic, hypergeometric and other functions


def ellipk(m):
    """By F(½, ½; 1; m), whose k-th derivative is (½)ₖ² / k! F(½ + k, ½ + k; 1 + k; m)."""
    return hyp2f1(mpf(1) / 2, mpf(1) / 2, 1, m) * (mp.pi / 2)


def ellipe(m):
    return hyp2f1(mpf(-1) / 2, mpf(1) / 2, 1, m) * (mp.pi / 2)


def hyp1f1(a, b, x):
    at = x.c[0]
    return compose(lambda k: mp.rf(a, k) / mp.rf(b, k) * mp.hyp1f1(a + k, b + k, at), x)


def hyp2f1(a, b, c, x):
    at = x.c[0]
    if at >= 1:
        raise ValueError("outside of the domain")
    return compose(lambda k: mp.rf(a, k) * mp.rf(b, k) / mp.rf(c, k) * mp.hyp2f1(a + k, b + k, c + k, at), x)


def spence(x):
    at = x.c[0]
    if at <= 0:
        raise ValueError("outside of the domain")
    return integrate(mp.re(mp.polylog(2, 1 - at)), log(x) / (1 - x), x)


def lambertw(branch, x):
    at = x.c[0]
    if at <= -mp.exp(-1) or branch and at >= 0:
        raise ValueError("complex")
    return solve(mp.re(mp.lambertw(at, branch)), lambda w: exp(-w) / (1 + w), x)


def huber(delta, r):
    """At its joint what both sides have in common."""
    inner, outer = r * r / 2, delta * (abs(r) - delta / 2)
    if abs(r.c[0]) != delta.c[0]:
        return inner if abs(r.c[0]) < delta.c[0] else outer
    return Jet([*inner.c[:2], *[mp.nan] * (LAST - 1)])


def pseudo_huber(delta, r):
    """δ² (√(1 + (r/δ)²) - 1)."""
    t = r / delta
    return r * r / (1 + sqrt(1 + t * t))
