"""Programs as NumPy users write them, before anyone asks them for a derivative: `PROGRAMS`, which test_everyday runs.

`@program(*at)` is a program that must run as it stands. `@program(*at, says=pattern)` cannot carry a tangent as it is
written: it must end at an error whose first line has the pattern, the cure, and its `.cured` version must run.
"""

import dataclasses
import functools
import io
import itertools
import math
import random
import statistics
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy
import scipy.integrate
import scipy.interpolate
import scipy.optimize
import scipy.stats
from numpy.polynomial import Polynomial, chebyshev, legendre

import dualgrad as dg
from dualgrad.scipy import integrate, linalg, special, stats

PROGRAMS = []


@dataclasses.dataclass
class Program:
    natural: object
    at: tuple
    says: str = ""  # pattern in the first line of the error at which the natural code ends; "": it runs
    cure: object = None
    orders: int = 2  # derivatives that are smooth and converged at the point

    def cured(self, f):
        self.cure = f
        return f

    @property
    def name(self):
        return self.natural.__name__


def program(*at, **how):
    def declare(f):
        PROGRAMS.append(Program(f, at, **how))
        return PROGRAMS[-1]

    return declare


# ---- roots and fixed points


@program(2.0)
def newton_square_root(a):
    x = a
    while abs(x * x - a) > 1e-13:
        x = 0.5 * (x + a / x)
    return x


@program(np.array([2.0, 0.8]), says="like=")
def newton_system(p):
    x = np.array([1.5, 0.5])
    for _ in range(20):
        F = np.array([x[0] ** 2 + x[1] ** 2 - p[0], x[0] * x[1] - p[1]])
        J = np.array([[2 * x[0], 2 * x[1]], [x[1], x[0]]])
        x = x - np.linalg.solve(J, F)
    return x


@newton_system.cured
def newton_system_like(p):
    x = np.array([1.5, 0.5], like=p)
    for _ in range(20):
        F = np.array([x[0] ** 2 + x[1] ** 2 - p[0], x[0] * x[1] - p[1]], like=p)
        J = np.array([[2 * x[0], 2 * x[1]], [x[1], x[0]]], like=p)
        x = x - np.linalg.solve(J, F)
    return x


@program(np.array([0.3, 0.8]))
def kepler(p):
    e, M = p
    E = M if e < 0.8 else np.pi
    for _ in range(50):
        dE = (E - e * np.sin(E) - M) / (1 - e * np.cos(E))
        E -= dE
        if abs(dE) < 1e-15:
            break
    return np.array([np.cos(E) - e, np.sqrt(1 - e**2) * np.sin(E)])


@program(1.3)
def halley_cube_root(a):
    x = 1.0
    for _ in range(8):
        f, fp, fpp = x**3 - a, 3 * x**2, 6 * x
        x = x - 2 * f * fp / (2 * fp**2 - f * fpp)
    return x


@program(0.7)
def fixed_point_cosine(a):
    x, old = 1.0, 0.0
    while not np.isclose(x, old, rtol=0, atol=1e-14):
        x, old = np.cos(a * x), x
    return x


@program(np.array([4.0, 1.0]))
def secant(c):
    def f(x):
        return x**3 - c[0] * x + c[1]

    x0, x1 = 1.5 * c[1], 2.0 * c[1]
    for _ in range(7):
        x0, x1 = x1, x1 - f(x1) * (x1 - x0) / (f(x1) - f(x0))
    return x1


@program(0.3, says="dg.implicit")
def brentq_root(c):
    return scipy.optimize.brentq(lambda x: np.exp(x) - 2 - c * x, 0, 3)


@brentq_root.cured
def brentq_root_and_newton(c):
    x = scipy.optimize.brentq(lambda x: np.exp(x) - 2 - dg.primal(dg.primal(c)) * x, 0, 3)
    for _ in range(3):
        x = x - (np.exp(x) - 2 - c * x) / (np.exp(x) - c)
    return x


@program(np.array([1.0, 24.0]))
def agm(ab):
    a, b = ab
    while abs(a - b) > 1e-14:
        a, b = (a + b) / 2, np.sqrt(a * b)
    return a


@program(np.array([0.2, -1.3, 0.4]))
def quadratic_formula(p):
    a, b, c = p
    q = -0.5 * (b + np.sign(b) * np.sqrt(b * b - 4 * a * c))
    return np.array([q / a, c / q])


# ---- ordinary differential equations


@program(np.array([1.0, 0.0]))
def rk4_oscillator(y0):
    def f(t, y):
        return np.array([y[1], -y[0]])

    y, t, h = y0, 0.0, 0.1
    for _ in range(20):
        k1 = f(t, y)
        k2 = f(t + h / 2, y + h / 2 * k1)
        k3 = f(t + h / 2, y + h / 2 * k2)
        k4 = f(t + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        t += h
    return y


@program(1.5)
def van_der_pol(mu):
    def rhs(y):
        return np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    y = np.array([2.0, 0.0])
    for _ in range(100):
        y = y + 0.02 * rhs(y + 0.01 * rhs(y))
    return y


@program(np.array([10.0, 28.0, 8 / 3]))
def lorenz(p):
    sigma, rho, beta = p
    x = np.array([1.0, 1.0, 1.0])
    for _ in range(40):
        dx = np.array([sigma * (x[1] - x[0]), x[0] * (rho - x[2]) - x[1], x[0] * x[1] - beta * x[2]])
        x = x + 0.005 * dx
    return x


@program({"a": 1.1, "b": 0.4, "c": 0.4, "d": 0.1})
def lotka_volterra(p):
    x, y = 10.0, 5.0
    xs, ys = [x], [y]
    for _ in range(100):
        dx, dy = p["a"] * x - p["b"] * x * y, p["d"] * x * y - p["c"] * y
        x, y = x + 0.01 * dx, y + 0.01 * dy
        xs.append(x)
        ys.append(y)
    return np.mean(np.stack(xs)) / np.max(np.stack(ys))


@program(1.2, says=r"np\.sin")
def pendulum_of_math(theta):
    omega, dt = 0.0, 0.01
    for _ in range(100):
        omega -= 9.81 * math.sin(theta) * dt
        theta += omega * dt
    return theta


@pendulum_of_math.cured
def pendulum_of_numpy(theta):
    omega, dt = 0.0, 0.01
    for _ in range(100):
        omega -= 9.81 * np.sin(theta) * dt
        theta += omega * dt
    return theta


@program(np.array([0.4, 0.1]), says="zeros_like|like=")
def sir_table(p):
    beta, gamma = p
    S, I, R = np.zeros(60), np.zeros(60), np.zeros(60)
    S[0], I[0] = 0.99, 0.01
    for t in range(59):
        infected, recovered = beta * S[t] * I[t], gamma * I[t]
        S[t + 1] = S[t] - infected
        I[t + 1] = I[t] + infected - recovered
        R[t + 1] = R[t] + recovered
    return I.max()


@sir_table.cured
def sir_table_like(p):
    beta, gamma = p
    S, I, R = np.zeros_like(p, shape=(3, 60))
    S[0], I[0] = 0.99, 0.01
    for t in range(59):
        infected, recovered = beta * S[t] * I[t], gamma * I[t]
        S[t + 1] = S[t] - infected
        I[t + 1] = I[t] + infected - recovered
        R[t + 1] = R[t] + recovered
    return I.max()


@program(np.array([[0.97, -0.24], [-0.97, 0.24], [0.0, 0.0]]), orders=1)
def three_body(r):
    v = np.array([[0.466, 0.432], [0.466, 0.432], [-0.932, -0.865]])

    def acceleration(r):
        a = []
        for i in range(3):
            a.append(sum((r[j] - r[i]) / np.linalg.norm(r[j] - r[i]) ** 3 for j in range(3) if j != i))
        return np.array(a)

    a = acceleration(r)
    for _ in range(30):
        v = v + 0.005 * a
        r = r + 0.01 * v
        a = acceleration(r)
        v = v + 0.005 * a
    return r


@program(np.array([0.5, 0.7, 0.0, 0.0]))
def double_pendulum(s):
    def deriv(s):
        d = s[0] - s[1]
        sin, cos, pull, pull2 = np.sin(d), np.cos(d), 9.8 * np.sin(s[0]), 9.8 * np.sin(s[1])
        a = -sin * (s[2] ** 2 * cos + s[3] ** 2) + pull2 * cos - 2 * pull
        b = sin * (2 * s[2] ** 2 + s[3] ** 2 * cos) + 2 * (pull * cos - pull2)
        return np.array([s[2], s[3], a / (2 - cos**2), b / (2 - cos**2)])

    for _ in range(20):
        k = deriv(s)
        s = s + 0.02 * deriv(s + 0.01 * k)
    return s


@program(np.array([20.0, 0.9]), says=r"np\.cos")
def projectile_with_drag(p):
    speed, angle = p
    vx, vy = speed * math.cos(angle), speed * math.sin(angle)
    x = y = 0.0
    for _ in range(100):
        v = math.hypot(vx, vy)
        vx, vy = vx - 0.01 * 0.1 * v * vx, vy - 0.01 * (9.81 + 0.1 * v * vy)
        x, y = x + 0.01 * vx, y + 0.01 * vy
    return [x, y]


@projectile_with_drag.cured
def projectile_with_drag_of_numpy(p):
    speed, angle = p
    vx, vy = speed * np.cos(angle), speed * np.sin(angle)
    x = y = 0.0
    for _ in range(100):
        v = np.hypot(vx, vy)
        vx, vy = vx - 0.01 * 0.1 * v * vx, vy - 0.01 * (9.81 + 0.1 * v * vy)
        x, y = x + 0.01 * vx, y + 0.01 * vy
    return [x, y]


@program(np.array([1.0, 0.5]), says=r"write dualgrad\.scipy\.integrate\.solve_ivp")
def solve_ivp_decay(p):
    sol = scipy.integrate.solve_ivp(lambda t, y: -p[0] * y + p[1], (0, 1), [1.0], rtol=1e-10, atol=1e-12)
    return sol.y[0, -1]


@solve_ivp_decay.cured
def decay_by_solve_ivp(p):
    sol = integrate.solve_ivp(lambda t, y: -p[0] * y + p[1], (0, 1), [1.0], "DOP853", rtol=1e-13, atol=1e-13)
    return sol.y[0, -1]


@program(np.array([0.5, 0.0]))
def trajectory_as_list(y):
    out = [y]
    for _ in range(10):
        y = y + 0.1 * np.array([y[1], -np.sin(y[0]) - 0.2 * y[1]])
        out.append(y)
    return np.array(out)


@program(np.array([0.5, 0.0]), says="zeros_like|like=")
def trajectory_as_table(y0):
    y = np.zeros((11, 2))
    y[0] = y0
    for i in range(10):
        y[i + 1] = y[i] + 0.1 * np.array([y[i, 1], -np.sin(y[i, 0])])
    return y


@trajectory_as_table.cured
def trajectory_as_table_of_duals(y0):
    y = np.zeros_like(y0, shape=(11, 2))
    y[0] = y0
    for i in range(10):
        y[i + 1] = y[i] + 0.1 * np.array([y[i, 1], -np.sin(y[i, 0])])
    return y


@program(np.array([1.0, 0.3]))
def implicit_euler_stiff(p):
    k, y = p
    for _ in range(10):
        z = y
        for _ in range(6):
            z -= (z - y + 0.1 * k * z**3) / (1 + 0.3 * k * z**2)
        y = z
    return y


# ---- filters and state spaces


@program(np.array([0.1, 0.5]))
def kalman_constant_velocity(noise):
    q, r = noise
    F, H = np.array([[1, 0.5], [0, 1]]), np.array([[1.0, 0.0]])
    x, P = np.zeros(2), np.eye(2)
    loglik = 0.0
    for z in [0.1, 0.7, 1.1, 1.4, 2.2]:
        x, P = F @ x, F @ P @ F.T + q * np.eye(2)
        S = H @ P @ H.T + r
        K = P @ H.T @ np.linalg.inv(S)
        innovation = z - H @ x
        x, P = x + K @ innovation, (np.eye(2) - K @ H) @ P
        loglik -= 0.5 * (innovation @ np.linalg.inv(S) @ innovation + np.log(np.linalg.det(2 * np.pi * S)))
    return loglik


@program(np.array([0.1, 0.5]))
def kalman_scalar_generator(noise):
    def run(data):
        mean, var = 0.0, 1.0
        for z in data:
            var = var + noise[0]
            gain = var / (var + noise[1])
            mean, var = mean + gain * (z - mean), (1 - gain) * var
            yield mean

    return sum(m**2 for m in run([0.1, 0.7, 1.1, 1.4]))


@program(0.3)
def exponential_smoothing(alpha):
    data = [3.0, 5.0, 4.0, 6.0, 8.0]
    level = data[0]
    error = 0
    for d in data[1:]:
        error += (d - level) ** 2
        level = alpha * d + (1 - alpha) * level
    return error / len(data)


@program(np.array([0.2, 0.5, -0.3]), says="zeros_like|like=")
def iir_loop(c):
    x = np.sin(np.arange(20.0))
    y = np.zeros(20)
    for n in range(2, 20):
        y[n] = c[0] * x[n] + c[1] * y[n - 1] + c[2] * y[n - 2]
    return y


@iir_loop.cured
def iir_loop_of_duals(c):
    x = np.sin(np.arange(20.0))
    y = np.zeros_like(c, shape=20)
    for n in range(2, 20):
        y[n] = c[0] * x[n] + c[1] * y[n - 1] + c[2] * y[n - 2]
    return y


class Biquad:
    def __init__(self, b, a):
        self.b, self.a = b, a
        self.z1 = self.z2 = 0.0

    def __call__(self, x):
        y = self.b[0] * x + self.z1
        self.z1 = self.b[1] * x - self.a[0] * y + self.z2
        self.z2 = self.b[2] * x - self.a[1] * y
        return y


@program(np.array([0.3, 0.7]))
def biquad_low_pass(p):
    w, q = p
    alpha = np.sin(w) / (2 * q)
    b = np.array([1 - np.cos(w), 2 - 2 * np.cos(w), 1 - np.cos(w)]) / 2 / (1 + alpha)
    a = np.array([-2 * np.cos(w), 1 - alpha]) / (1 + alpha)
    filt = Biquad(b, a)
    return np.array([filt(x) for x in [1.0, 0.0, 0.5, -1.0, 0.0]])


@program(np.linspace(0.0, 1.0, 8) ** 2)
def moving_average(x):
    return np.convolve(x, np.ones(3) / 3, mode="valid")


@program(np.sin(np.arange(8.0)))
def moving_average_by_cumsum(x):
    c = np.cumsum(np.insert(x, 0, 0))
    return (c[3:] - c[:-3]) / 3.0


@program(np.sin(np.arange(16.0)))
def fft_low_pass(x):
    X = np.fft.rfft(x)
    X[4:] = 0
    return np.fft.irfft(X, n=len(x))


@program(np.sin(np.arange(12.0)))
def goertzel(x):
    k = 2 * math.cos(2 * math.pi * 3 / 12)
    s1 = s2 = 0.0
    for v in x:
        s1, s2 = v + k * s1 - s2, s1
    return s1**2 + s2**2 - k * s1 * s2


@program(np.cos(np.arange(6.0) ** 2))
def autocorrelation(x):
    x = x - np.mean(x)
    r = np.correlate(x, x, mode="full")[len(x) - 1 :]
    return r / r[0]


@program(3.0)
def ring_buffer_delay(gain):
    line = deque([0.0] * 4, maxlen=4)
    out = []
    for n in range(12):
        y = (1.0 if n == 0 else 0.0) + line[0] / gain
        line.append(y)
        out.append(y)
    return np.array(out)


# ---- probability and likelihoods


@program(np.array([0.5, 1.2]))
def normal_likelihood(theta):
    mu, sigma = theta
    data = np.array([0.2, 1.1, -0.4, 0.9])
    return np.sum(-0.5 * ((data - mu) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi))


@program(np.array([0.5, 1.2]), says=r"no rule for scipy\.stats\.\S*logpdf yet: .*dualgrad\.scipy\.stats or np")
def normal_likelihood_of_scipy(theta):
    data = np.array([0.2, 1.1, -0.4, 0.9])
    return scipy.stats.norm.logpdf(data, loc=theta[0], scale=theta[1]).sum()


@normal_likelihood_of_scipy.cured
def normal_likelihood_of_dualgrad(theta):
    data = np.array([0.2, 1.1, -0.4, 0.9])
    return stats.norm.logpdf(data, loc=theta[0], scale=theta[1]).sum()


@program(np.array([0.1, 0.4]))
def poisson_regression(b):
    x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1, 1, 3, 4])
    rate = np.exp(b[0] + b[1] * x)
    return (y * np.log(rate) - rate - special.gammaln(y + 1)).sum()


@program(np.array([0.1, -0.4, 0.7]))
def logistic_regression(w):
    X = np.c_[np.ones(5), np.arange(5.0), np.arange(5.0) ** 2 / 5]
    y = np.array([0, 0, 1, 0, 1])
    p = 1 / (1 + np.exp(-X.dot(w)))
    return -np.mean(np.where(y == 1, np.log(p), np.log(1 - p)))


@program(np.array([0.1, -0.4, 0.7]))
def logistic_regression_by_matmul(w):
    X = np.c_[np.ones(5), np.arange(5.0), np.arange(5.0) ** 2 / 5]
    y = np.array([0, 0, 1, 0, 1])
    p = 1 / (1 + np.exp(-(X @ w)))
    return -np.mean(np.where(y == 1, np.log(p), np.log(1 - p)))


@program(np.array([0.1, -0.4, 0.7]))
def log_loss_by_sum_of_dot(w):
    X = np.c_[np.ones(5), np.arange(5.0), np.arange(5.0) ** 2 / 5]
    y = np.array([0, 0, 1, 0, 1])
    p = 1 / (1 + np.exp(-X.dot(w)))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum() / len(y)


@program({"mu": np.array([-1.0, 2.0]), "s": np.array([0.5, 1.0]), "w": 0.3})
def mixture_likelihood(p):
    x = np.array([-1.2, 0.3, 2.2, 1.9])[:, None]
    dens = np.exp(-0.5 * ((x - p["mu"]) / p["s"]) ** 2) / (p["s"] * np.sqrt(2 * np.pi))
    return np.log(dens @ np.array([p["w"], 1 - p["w"]])).sum()


@program(np.array([0.8, 0.3, 0.9, 0.2]))
def hmm_forward(p):
    A = np.array([[p[0], 1 - p[0]], [p[1], 1 - p[1]]])
    B = np.array([[p[2], 1 - p[2]], [p[3], 1 - p[3]]])
    alpha = np.array([0.5, 0.5])
    for o in [0, 1, 1, 0]:
        alpha = (alpha @ A) * B[:, o]
    return np.log(alpha.sum())


@program(np.array([1.5, 2.0]))
def weibull_survival(p):
    k, lam = p
    times, events = np.array([0.5, 1.0, 2.5, 3.0]), np.array([True, False, True, True])
    z = times / lam
    return np.sum(np.log(k / lam * z[events] ** (k - 1))) - np.sum(z**k)


@program(np.array([0.4, 1.1]), says=r"special\.erf")
def normal_cdf_of_math(p):
    z = (1.0 - p[0]) / p[1]
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


@normal_cdf_of_math.cured
def normal_cdf_of_special(p):
    z = (1.0 - p[0]) / p[1]
    return 0.5 * (1 + special.erf(z / math.sqrt(2)))


@program(np.array([1.0, 0.3, 0.1]))
def gaussian_process(theta):
    X, y = np.array([0.0, 0.5, 1.2, 2.0]), np.array([0.1, 0.6, 0.9, 0.3])
    s, l, noise = theta
    K = s**2 * np.exp(-0.5 * (X[:, None] - X[None, :]) ** 2 / l**2) + noise**2 * np.eye(len(X))
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    return -0.5 * y.dot(alpha) - np.log(np.diag(L)).sum() - 2 * np.log(2 * np.pi)


@program(np.array([0.6, 0.2]))
def gaussian_process_by_loops(theta):
    X, y = [0.0, 0.5, 1.2], np.array([0.1, 0.6, 0.9])
    K = np.array([[np.exp(-((a - b) ** 2) / theta[0]) for b in X] for a in X]) + theta[1] * np.eye(3)
    return y @ (np.stack([np.stack(list(row)) for row in K]) @ y) + K[0, 0]


@program(np.array([0.5, 1.5]), says=r"special\.(gammaln|loggamma)")
def beta_likelihood_of_math(p):
    a, b = p
    c = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return sum(c + (a - 1) * math.log(x) + (b - 1) * math.log(1 - x) for x in (0.2, 0.5, 0.6))


@beta_likelihood_of_math.cured
def beta_likelihood_of_special(p):
    a, b = p
    c = special.gammaln(a + b) - special.gammaln(a) - special.gammaln(b)
    return sum(c + (a - 1) * math.log(x) + (b - 1) * math.log(1 - x) for x in (0.2, 0.5, 0.6))


@program(np.array([2.0, 5.0, 1.0]))
def dirichlet_entropy(a):
    p = a / a.sum()
    assert np.isclose(p.sum(), 1.0)
    assert (p > 0).all()
    return -(p * np.log(p)).sum()


@program(0.7)
def log_sum_exp_by_hand(t):
    x = [t, 2 * t, t**2 - 1]
    m = max(x)
    return m + np.log(sum(np.exp(v - m) for v in x))


# ---- finance and economics


@program(np.array([100.0, 0.2, 0.03]), says=r"np\.log")
def black_scholes_of_math(p):
    S, sigma, r = p
    K, T = 105.0, 0.5
    d1 = (math.log(S / K) + (r + sigma**2 / 2) * T) / (sigma * math.sqrt(T))
    d2 = d1 - sigma * math.sqrt(T)

    def cdf(x):
        return 0.5 * math.erfc(-x / math.sqrt(2))

    return S * cdf(d1) - K * math.exp(-r * T) * cdf(d2)


@black_scholes_of_math.cured
def black_scholes(p):
    S, sigma, r = p
    K, T = 105.0, 0.5
    d1 = (np.log(S / K) + (r + sigma**2 / 2) * T) / (sigma * np.sqrt(T))
    d2 = d1 - sigma * np.sqrt(T)
    return S * special.ndtr(d1) - K * np.exp(-r * T) * special.ndtr(d2)


@program({"S": 100.0, "sigma": 0.2}, orders=1)
def binomial_tree(p):
    n, r, K = 16, 0.03, 101.0
    dt = 1.0 / n
    u = np.exp(p["sigma"] * np.sqrt(dt))
    q = (np.exp(r * dt) - 1 / u) / (u - 1 / u)
    j = np.arange(n + 1)
    v = np.maximum(K - p["S"] * u ** (2 * j - n), 0.0)
    for i in range(n - 1, -1, -1):
        v = np.exp(-r * dt) * (q * v[1:] + (1 - q) * v[:-1])
        v = np.maximum(v, K - p["S"] * u ** (2 * np.arange(i + 1) - i))
    return v[0]


@program(np.array([100.0, 0.2]), orders=1)
def monte_carlo_call(p):
    rng = np.random.default_rng(0)
    z = rng.standard_normal(200)
    ST = p[0] * np.exp((0.03 - 0.5 * p[1] ** 2) + p[1] * z)
    return np.exp(-0.03) * np.maximum(ST - 105, 0).mean()


@program(np.array([0.5, 2.0]), says=r"standard_normal|mean \+ sigma|no rule for")
def normal_draws(p):
    rng = np.random.default_rng(3)
    draws = rng.normal(p[0], p[1], size=10)
    return np.mean(draws**2)


@normal_draws.cured
def normal_draws_reparameterised(p):
    rng = np.random.default_rng(3)
    draws = p[0] + p[1] * rng.standard_normal(10)
    return np.mean(draws**2)


@program(0.07)
def net_present_value(rate):
    flows = [-1000, 300, 420, 680]
    return sum(c / (1 + rate) ** t for t, c in enumerate(flows))


@program(np.array([-1000.0, 300.0, 420.0, 680.0]))
def internal_rate_of_return(flows):
    r = 0.1
    for _ in range(30):
        t = np.arange(len(flows))
        f = np.sum(flows / (1 + r) ** t)
        df = np.sum(-t * flows / (1 + r) ** (t + 1))
        r = r - f / df
    return r


@dataclasses.dataclass
class Loan:
    principal: float
    rate: float
    years: int = 3

    @property
    def annuity(self):
        return self.principal * self.rate / (1 - (1 + self.rate) ** -self.years)

    def schedule(self):
        balance = self.principal
        for _ in range(self.years):
            interest = balance * self.rate
            balance = balance + interest - self.annuity
            yield interest


@program(np.array([1000.0, 0.05]))
def loan_schedule(p):
    loan = Loan(p[0], p[1])
    return sum(interest * 0.9**year for year, interest in enumerate(loan.schedule()))


@program(np.array([0.3, 0.5, 0.2]))
def cobb_douglas(p):
    inputs = np.array([2.0, 3.0, 1.5])
    assert len(p) == 3, f"three shares, not {len(p)}"
    return np.prod(inputs**p)


@program(np.array([1.0, 2.0, 3.5, 0.5]))
def gini(x):
    x = np.sort(x)
    n = len(x)
    return (2 * np.sum(np.arange(1, n + 1) * x) / (n * x.sum())) - (n + 1) / n


@program(30_000.0)
def tax_brackets(income):
    tax, lower = 0.0, 0.0
    for upper, rate in [(10_000, 0.0), (25_000, 0.2), (60_000, 0.3)]:
        if income > lower:
            tax += (min(income, upper) - lower) * rate
        lower = upper
    return tax


# ---- splines, interpolation and polynomials


@program(np.array([0.0, 1.0, 0.5, 2.0]))
def natural_cubic_spline(y):
    n = len(y)
    A, b = np.eye(n), np.zeros_like(y)
    for i in range(1, n - 1):
        A[i, i - 1 : i + 2] = [1, 4, 1]
        b[i] = 6 * (y[i + 1] - 2 * y[i] + y[i - 1])
    m = np.linalg.solve(A, b)
    t = 0.3
    return m[1] * (1 - t) ** 3 / 6 + m[2] * t**3 / 6 + (y[1] - m[1] / 6) * (1 - t) + (y[2] - m[2] / 6) * t


@program(np.array([0.0, 1.0, 0.5, 2.0]), says=r"dualgrad\.scipy|no rule for scipy\.interpolate\.CubicSpline yet")
def cubic_spline_of_scipy(y):
    return scipy.interpolate.CubicSpline(np.arange(4.0), y, bc_type="natural")(1.3)


@cubic_spline_of_scipy.cured
def cubic_spline_as_a_matrix(y):
    basis = scipy.interpolate.CubicSpline(np.arange(4.0), np.eye(4), bc_type="natural")(1.3)
    return basis @ y


@program(0.35)
def de_casteljau(t):
    points = [np.array([0.0, 0.0]), np.array([1.0, 2.0]), np.array([3.0, 3.0]), np.array([4.0, 0.0])]
    while len(points) > 1:
        points = [(1 - t) * p + t * q for p, q in itertools.pairwise(points)]
    return points[0]


@program(0.6, says=r"np\.array.*|np\.stack")
def catmull_rom(t):
    P = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 3.0], [4.0, 0.0]])
    basis = np.fromiter((t**k for k in range(4)), dtype=float)
    M = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
    return basis @ M @ P


@catmull_rom.cured
def catmull_rom_of_stack(t):
    P = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 3.0], [4.0, 0.0]])
    basis = np.stack([t**k for k in range(4)])
    M = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
    return basis @ M @ P


@program(2.4)
def b_spline_basis(x):
    knots = [0, 1, 2, 3, 4, 5]

    def basis(i, k):
        if k == 0:
            return 1.0 if knots[i] <= x < knots[i + 1] else 0.0
        left = (x - knots[i]) / (knots[i + k] - knots[i]) * basis(i, k - 1)
        right = (knots[i + k + 1] - x) / (knots[i + k + 1] - knots[i + 1]) * basis(i + 1, k - 1)
        return left + right

    return basis(0, 3) + 2 * basis(1, 3)


@program(np.array([1.0, 3.0, 2.0, 5.0]))
def lagrange(y):
    xs, x = [0.0, 1.0, 2.0, 4.0], 2.7
    total = 0
    for j in range(len(xs)):
        term = y[j]
        for m in range(len(xs)):
            if m != j:
                term = term * (x - xs[m]) / (xs[j] - xs[m])
        total += term
    return total


@program(np.array([1.0, 3.0, 2.0, 5.0]))
def newton_divided_differences(y):
    xs = np.array([0.0, 1.0, 2.0, 4.0])
    coef = y.copy()
    for j in range(1, len(xs)):
        coef[j:] = (coef[j:] - coef[j - 1 : -1]) / (xs[j:] - xs[:-j])
    value = coef[-1]
    for c, x in zip(coef[-2::-1], xs[-2::-1], strict=True):
        value = value * (2.7 - x) + c
    return value


@program(np.array([0.2, 1.4, 2.9]))
def table_lookup(x):
    xp, fp = [0, 1, 2, 3], [1.0, 0.5, 0.7, 2.0]
    return np.interp(x, xp, fp)


@program(np.array([1.0, 0.4]), says="like=")
def table_of_scalars(p):
    return np.interp(1.3, [0, 1, 2], np.array([p[0], p[0] * p[1], p[1] ** 2]))


@table_of_scalars.cured
def table_of_scalars_like(p):
    return np.interp(1.3, [0, 1, 2], np.array([p[0], p[0] * p[1], p[1] ** 2], like=p))


@program(np.array([1.0, 2.2, 2.8, 4.1, 5.2]))
def line_fit(y):
    slope, intercept = np.polyfit(np.arange(5), y, 1)
    return slope**2 + intercept


@program(np.array([1.0, -2.0, 0.5]), says=r"np\.polyval")
def poly1d_of_coefficients(c):
    p = np.poly1d(c)
    return p(1.5) + p.deriv()(0.5)


@poly1d_of_coefficients.cured
def polyval_of_coefficients(c):
    return np.polyval(c, 1.5) + np.polyval(np.polyder(c), 0.5)


@program(1.2)
def poly1d_of_numbers(x):
    p = np.poly1d([1.0, 0.0, -3.0, 2.0])
    return p(x) * p.deriv()(x)


@program(np.array([1.0, -2.0, 0.5]))
def polynomial_class(c):
    return Polynomial([2.0, 1.0, 0.5])(c) + chebyshev.chebval(c / 3, [1.0, 0.5, 0.25])


@program(np.array([0.3, -0.2, 0.7, 0.1]))
def clenshaw(c):
    x, b1, b2 = 0.4, 0.0, 0.0
    for a in c[:0:-1]:
        b1, b2 = a + 2 * x * b1 - b2, b1
    return c[0] + x * b1 - b2


@program(0.8)
def horner(x):
    return functools.reduce(lambda acc, c: acc * x + c, [2.0, -1.0, 0.5, 3.0])


@program(np.array([1.0, 0.2, -4.0, 0.5]))
def polynomial_roots(c):
    return np.sort(np.roots(c).real)


# ---- quadrature, series and limits


@program(0.8)
def simpson(a):
    x = np.linspace(0, a, 21)
    y = np.exp(-(x**2))
    h = x[1] - x[0]
    return h / 3 * (y[0] + y[-1] + 4 * y[1:-1:2].sum() + 2 * y[2:-1:2].sum())


@program(np.array([0.5, 2.0]))
def gauss_legendre(p):
    nodes, weights = legendre.leggauss(12)
    x = 0.5 * (nodes + 1) * p[1]
    return 0.5 * p[1] * (weights * np.exp(-p[0] * x) * np.cos(x)).sum()


@program(1.3, says=r"write dualgrad\.scipy\.integrate\.quad")
def quad_of_scipy(a):
    value, _ = scipy.integrate.quad(lambda x: np.exp(-a * x**2), 0, 1)
    return value


@quad_of_scipy.cured
def quad_by_dualgrad(a):
    value, _ = integrate.quad(lambda x: np.exp(-a * x**2), 0, 1)
    return value


@program(2.0)
def romberg(b):
    R = [[(b / 2) * (1 + np.sin(b) / b)]]
    for i in range(1, 6):
        n = 2**i
        h = b / n
        mid = sum(np.sinc(h * k / np.pi) for k in range(1, n, 2))
        row = [R[-1][0] / 2 + h * mid]
        for k in range(1, i + 1):
            row.append(row[-1] + (row[-1] - R[-1][k - 1]) / (4**k - 1))
        R.append(row)
    return R[-1][-1]


@program(np.array([0.0, 0.4, 1.0, 1.7]))
def trapezoid_on_a_moving_grid(x):
    return np.trapezoid(np.sin(x) ** 2, x)


@program(np.array([1.0, 2.0]))
def arc_length(p):
    t = np.linspace(0, 2 * np.pi, 40)
    x, y = p[0] * np.cos(t), p[1] * np.sin(t)
    return np.sum(np.sqrt(np.diff(x) ** 2 + np.diff(y) ** 2))


@program(0.7)
def continued_fraction_tan(x):
    value = 0.0
    for n in range(15, -1, -1):
        value = (x if n == 0 else x * x) / (2 * n + 1 - value)
    return value


@program(0.7)
def series_with_tolerance(x):
    term, total, n = x, x, 1
    while abs(term) > 1e-17:
        term *= -x * x / ((n + 1) * (n + 2))
        total += term
        n += 2
    return total


@program(1.1)
def richardson_derivative(x):
    def central(h):
        return (np.exp(np.sin(x + h)) - np.exp(np.sin(x - h))) / (2 * h)

    return (4 * central(0.05) - central(0.1)) / 3


@program(0.4)
def legendre_recursion(x):
    @functools.cache
    def p(n):
        return 1.0 if n == 0 else x if n == 1 else ((2 * n - 1) * x * p(n - 1) - (n - 1) * p(n - 2)) / n

    return p(7)


@program(1.5)
def adaptive_simpson(b):
    def f(x):
        return 1 / (1 + x**4)

    def go(a, b, tol):
        m = (a + b) / 2
        whole = (b - a) / 6 * (f(a) + 4 * f(m) + f(b))
        left = (m - a) / 6 * (f(a) + 4 * f((a + m) / 2) + f(m))
        right = (b - m) / 6 * (f(m) + 4 * f((m + b) / 2) + f(b))
        if abs(left + right - whole) < 15 * tol:
            return left + right + (left + right - whole) / 15
        return go(a, m, tol / 2) + go(m, b, tol / 2)

    return go(0.0, b, 1e-9)


# ---- linear algebra by hand


@program(np.array([[2.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 1.0]]))
def cholesky_by_hand(A):
    n = len(A)
    L = np.zeros_like(A)
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j] - L[i, :j] @ L[j, :j]
            L[i, j] = np.sqrt(s) if i == j else s / L[j, j]
    return L


@program(np.array([[0.1, 2.0, 1.0], [3.0, 0.5, 0.2], [1.0, 1.0, 4.0]]))
def gauss_elimination_with_pivoting(A):
    M = np.c_[A, np.array([1.0, 2.0, 3.0])]
    n = len(A)
    for k in range(n):
        p = k + np.argmax(np.abs(M[k:, k]))
        M = M[[*range(k), p, *(i for i in range(k, n) if i != p)]]
        for i in range(k + 1, n):
            M = np.concatenate([M[:i], [M[i] - M[k] * M[i, k] / M[k, k]], M[i + 1 :]])
    x = []
    for i in reversed(range(n)):
        x.insert(0, (M[i, -1] - sum(M[i, i + 1 + j] * v for j, v in enumerate(x))) / M[i, i])
    return np.array(x)


@program(np.array([[0.1, 2.0, 1.0], [3.0, 0.5, 0.2], [1.0, 1.0, 4.0]]))
def gauss_elimination_in_place(A):
    A, b = A.copy(), np.ones_like(A, shape=3)
    for k in range(3):
        p = k + np.argmax(np.abs(A[k:, k]))
        A[[k, p]], b[[k, p]] = A[[p, k]], b[[p, k]]
        for i in range(k + 1, 3):
            m = A[i, k] / A[k, k]
            A[i, k:] -= m * A[k, k:]
            b[i] -= m * b[k]
    for k in (2, 1, 0):
        b[k] = (b[k] - A[k, k + 1 :] @ b[k + 1 :]) / A[k, k]
    return b


@program(np.array([[2.0, 1.0], [1.0, 3.0]]))
def power_iteration(A):
    v = np.ones(2)
    for _ in range(60):
        v = A @ v
        v = v / np.linalg.norm(v)
    return v @ A @ v / (v @ v)


@program(np.array([[2.0, 1.0, 0.3], [1.0, 3.0, 0.2], [0.1, 0.5, 1.0]]))
def gram_schmidt(A):
    Q = []
    for a in A.T:
        for q in Q:
            a = a - (q @ a) * q
        Q.append(a / np.sqrt(a @ a))
    return np.column_stack(Q)


@program({"a": np.array([-1.0, -1.0]), "b": np.array([2.5, 3.0, 2.0]), "c": np.array([-0.5, -1.0])})
def thomas(p):
    a, b, c, d = p["a"], p["b"].copy(), p["c"], np.zeros_like(p["b"])
    d[:] = [1.0, 2.0, 3.0]
    for i in range(1, 3):
        w = a[i - 1] / b[i - 1]
        b[i] -= w * c[i - 1]
        d[i] -= w * d[i - 1]
    d[-1] /= b[-1]
    for i in (1, 0):
        d[i] = (d[i] - c[i] * d[i + 1]) / b[i]
    return d


@program(np.array([4.0, 3.0, 2.0]), orders=1)
def conjugate_gradients(diag):
    A = np.diag(diag) + 0.5 * np.ones((3, 3))
    b, x = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    r = b - A @ x
    p = r
    for _ in range(3):
        alpha = r @ r / (p @ A @ p)
        x = x + alpha * p
        new = r - alpha * A @ p
        p = new + (new @ new) / (r @ r) * p
        r = new
    return x


@program(0.6)
def rotation_of_a_plain_vector(angle):
    c, s = np.cos(angle), np.sin(angle)
    R = np.array([[c, -s], [s, c]])
    return R @ np.array([1.0, 2.0])


@program(0.6)
def rotation_as_matrix(angle):
    c, s = np.cos(angle), np.sin(angle)
    R = np.matrix([[c, -s], [s, c]])
    return (R * R)[0, 1] + (R * np.matrix([[1.0], [2.0]]))[0, 0]


@program(np.array([0.3, 0.5, -0.2]), says="like=")
def determinant_of_a_list(p):
    return np.linalg.det(np.array([[1.0, p[0], 0], [p[1], 2.0, p[2]], [0, p[0], 1.0]]))


@determinant_of_a_list.cured
def determinant_of_a_list_like(p):
    return np.linalg.det(np.array([[1.0, p[0], 0], [p[1], 2.0, p[2]], [0, p[0], 1.0]], like=p))


@program(np.array([[2.0, 1.0], [0.5, 3.0]]), says=r"dualgrad\.scipy")
def matrix_exponential_of_scipy(A):
    return scipy.linalg.expm(0.3 * A)


@matrix_exponential_of_scipy.cured
def matrix_exponential(A):
    return linalg.expm(0.3 * A)


@program(np.array([[2.0, 1.0], [0.5, 3.0]]), says=r"dualgrad\.scipy\.linalg\.solve")
def solve_of_scipy(A):
    return scipy.linalg.solve(A, np.array([1.0, 2.0]))


@solve_of_scipy.cured
def solve_of_its_twin(A):
    return linalg.solve(A, np.array([1.0, 2.0]))


@program(np.arange(6.0).reshape(2, 3))
def nested_loops_matmul(A):
    B = [[1.0, 2.0], [0.5, -1.0], [3.0, 0.1]]
    return np.array([[sum(A[i, k] * B[k][j] for k in range(3)) for j in range(2)] for i in range(2)])


@program(np.array([1.0, 2.0, -1.0]))
def cross_product_matrix(w):
    W = np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])
    return W @ W @ np.array([1.0, 0.0, 2.0])


# ---- stencils and grids


@program(np.sin(np.linspace(0, np.pi, 9)))
def heat_equation(u):
    u = u.copy()
    for _ in range(10):
        u[1:-1] += 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


@program(np.sin(np.linspace(0, np.pi, 9)), says=r"copy\(\)")
def heat_equation_in_the_argument(u):
    for _ in range(10):
        u[1:-1] += 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u.sum()


@heat_equation_in_the_argument.cured
def heat_equation_in_a_copy(u):
    u = u.copy()
    for _ in range(10):
        u[1:-1] += 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u.sum()


@program(0.4)
def wave_equation(c):
    u = np.exp(-100 * (np.linspace(0, 1, 21) - 0.5) ** 2)
    old = u
    for _ in range(10):
        u, old = 2 * u - old + c**2 * (np.roll(u, 1) - 2 * u + np.roll(u, -1)), u
    return u


@program(np.array([1.0, 0.5, -0.3, 0.2]))
def poisson_jacobi(edges):
    u = np.zeros((5, 5)) + 0 * edges[0]
    u[0], u[-1], u[:, 0], u[:, -1] = edges
    for _ in range(15):
        u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    return u[2, 2]


@program(np.outer(np.arange(4.0), np.cos(np.arange(4.0))))
def smooth_life_step(g):
    neighbours = sum(np.roll(np.roll(g, i, 0), j, 1) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0))
    return 1 / (1 + np.exp(-(neighbours - 2.5) * g))


@program(np.linspace(-1, 1, 8))
def burgers_upwind(u):
    for _ in range(5):
        back, front = np.diff(u, prepend=u[-1]), np.diff(u, append=u[0])
        u = u - 0.1 * u * np.where(u > 0, back, front)
    return u


@program(np.cos(np.arange(16.0)).reshape(4, 4))
def sobel(img):
    kx = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    out = np.zeros_like(img, shape=(2, 2))
    for i in range(2):
        for j in range(2):
            patch = img[i : i + 3, j : j + 3]
            out[i, j] = np.hypot((patch * kx).sum(), (patch * kx.T).sum())
    return out


@program(np.array([1.3, 2.6]))
def bilinear_interpolation(p):
    img = np.cos(np.arange(16.0)).reshape(4, 4)
    x, y = p
    i, j = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = x - i, y - j
    return (
        img[i, j] * (1 - u) * (1 - v) + img[i + 1, j] * u * (1 - v)
        + img[i, j + 1] * (1 - u) * v + img[i + 1, j + 1] * u * v
    )  # fmt: skip


@program(np.array([1.3, 2.6]), says=r"dg\.primal")
def nearest_pixel_by_int(p):
    img = np.cos(np.arange(16.0)).reshape(4, 4)
    i, j = int(p[0]), int(p[1])
    return img[i, j] * (p[0] - i) * (p[1] - j)


@nearest_pixel_by_int.cured
def nearest_pixel_by_int_of_primal(p):
    img = np.cos(np.arange(16.0)).reshape(4, 4)
    i, j = (int(v) for v in np.floor(p))
    return img[i, j] * (p[0] - i) * (p[1] - j)


@program(np.arange(12.0).reshape(3, 4) / 3)
def histogram_equalisation_like(img):
    ranks = np.argsort(np.argsort(img.ravel()))
    levels = np.cumsum(np.ones(12)) / 12
    return img * levels[ranks].reshape(img.shape)


# ---- geometry, robotics and optics


def dh(theta, d, a, alpha):
    ct, st, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
    return np.array([
        [ct, -st * ca, st * sa, a * ct],
        [st, ct * ca, -ct * sa, a * st],
        [0, sa, ca, d],
        [0, 0, 0, 1],
    ])  # fmt: skip


@program(np.array([0.3, -0.5, 0.8]))
def arm_by_dh_matrices(q):
    T = np.eye(4)
    for theta, (d, a, alpha) in zip(q, [(0.4, 0.0, np.pi / 2), (0.0, 1.0, 0.0), (0.1, 0.7, 0.0)], strict=True):
        T = T @ dh(theta, d, a, alpha)
    return T[:3, 3]


@program(np.array([0.9, 0.1, -0.3, 0.2]))
def quaternion_rotation(q):
    w, x, y, z = q / np.linalg.norm(q)
    R = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    return R.dot([1.0, 2.0, 3.0])


@program(np.array([0.9, 0.1, -0.3, 0.2]), np.array([0.5, 0.5, 0.1, -0.2]))
def quaternion_product(p, q):
    return np.r_[p[0] * q[0] - p[1:] @ q[1:], p[0] * q[1:] + q[0] * p[1:] + np.cross(p[1:], q[1:])]


@program(np.array([0.8, 0.6]), says="like=")
def inverse_kinematics(target):
    q = np.array([0.3, 0.6])
    for _ in range(15):
        s1, s12, c1, c12 = np.sin(q[0]), np.sin(q[0] + q[1]), np.cos(q[0]), np.cos(q[0] + q[1])
        error = target - np.array([c1 + c12, s1 + s12])
        J = np.array([[-s1 - s12, -s12], [c1 + c12, c12]])
        q = q + np.linalg.inv(J) @ error
    return q


@inverse_kinematics.cured
def inverse_kinematics_like(target):
    q = np.array([0.3, 0.6])
    for _ in range(15):
        s1, s12, c1, c12 = np.sin(q[0]), np.sin(q[0] + q[1]), np.cos(q[0]), np.cos(q[0] + q[1])
        error = target - np.array([c1 + c12, s1 + s12])
        J = np.array([[-s1 - s12, -s12], [c1 + c12, c12]], like=target)
        q = q + np.linalg.inv(J) @ error
    return q


@program(np.array([0.1, 0.2, 0.05]))
def abcd_matrices(p):
    def lens(f):
        return np.array([[1, 0], [-1 / f, 1]])

    def gap(d):
        return np.array([[1, d], [0, 1]])

    system = lens(0.1) @ gap(p[0]) @ lens(p[1]) @ gap(p[2])
    return system @ np.array([0.001, 0.01])


@program(0.4)
def snell_through_layers(angle):
    n = [1.0, 1.33, 1.5, 1.7]
    shift = 0.0
    for before, after in itertools.pairwise(n):
        angle = np.arcsin(before / after * np.sin(angle))
        shift += 0.1 * np.tan(angle)
    return shift


@program(np.array([0.0, 2.0, 2.5, 1.0]), np.array([0.0, 0.1, 1.5, 2.0]))
def polygon_area(x, y):
    return 0.5 * np.abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


@program(np.array([0.1, 0.2, -3.0]), np.array([0.05, 0.0, 1.0]))
def ray_sphere(origin, direction):
    direction = direction / np.sqrt(np.sum(direction**2))
    b, c = 2 * np.dot(origin, direction), np.dot(origin, origin) - 1.0
    disc = b * b - 4 * c
    if disc < 0:
        return np.full(3, np.nan)
    hit = origin + (-b - np.sqrt(disc)) / 2 * direction
    normal = hit / np.linalg.norm(hit)
    return max(0.0, normal @ np.array([0.0, 0.6, -0.8]))


@program(np.array([52.5, 13.4, 48.9, 2.35]), says=r"np\.(deg2rad|radians)")
def haversine_of_math(p):
    lat1, lon1, lat2, lon2 = map(math.radians, p)
    a = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371 * math.asin(math.sqrt(a))


@haversine_of_math.cured
def haversine(p):
    lat1, lon1, lat2, lon2 = map(np.radians, p)
    a = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371 * np.arcsin(np.sqrt(a))


@program(np.array([[0.0, 0.0], [4.0, 0.5], [1.0, 3.0]]))
def triangle_by_heron(P):
    a, b, c = (np.linalg.norm(P[i] - P[i - 1]) for i in range(3))
    s = (a + b + c) / 2
    return {"area": np.sqrt(s * (s - a) * (s - b) * (s - c)), "angle": np.arccos((a**2 + b**2 - c**2) / (2 * a * b))}


@program(np.array([1.0, 0.5]), says="np.stack|like=|np.array")
def spherical_to_cartesian(p):
    theta, phi = p
    xyz = np.empty(3)
    xyz[0] = np.sin(theta) * np.cos(phi)
    xyz[1] = np.sin(theta) * np.sin(phi)
    xyz[2] = np.cos(theta)
    return xyz


@spherical_to_cartesian.cured
def spherical_to_cartesian_at_once(p):
    theta, phi = p
    return np.array([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])


# ---- physics, chemistry and circuits


@program({"A": 1e13, "Ea": 80.0})
def arrhenius(p):
    T = np.linspace(300, 600, 4)
    return np.log(p["A"] * np.exp(-p["Ea"] * 1e3 / (8.314 * T)))


@program(1.8e-5, says=r"np\.sqrt")
def weak_acid(Ka):
    c = 0.1
    h = (-Ka + math.sqrt(Ka**2 + 4 * Ka * c)) / 2
    return -math.log10(h)


@weak_acid.cured
def weak_acid_of_numpy(Ka):
    c = 0.1
    h = (-Ka + np.sqrt(Ka**2 + 4 * Ka * c)) / 2
    return -np.log10(h)


@program({"R": 100.0, "L": 0.01, "C": 1e-6})
def rlc_response(p):
    w = 2 * np.pi * np.logspace(2, 4, 5)
    Z = p["R"] + 1j * w * p["L"] + 1 / (1j * w * p["C"])
    return 20 * np.log10(np.abs(p["R"] / Z))


@program(np.array([100.0, 0.3]))
def complex_impedance_of_numbers(p):
    Z = complex(1.0, 2.0) * p[0] + 1j * p[1]
    return Z.real * Z.imag + abs(Z)


@program(np.array([10.0, 20.0, 30.0]), says="like=")
def nodal_analysis(R):
    G = np.array([[1 / R[0] + 1 / R[1], -1 / R[1]], [-1 / R[1], 1 / R[1] + 1 / R[2]]])
    v = np.linalg.solve(G, np.array([5 / R[0], 0]))
    return v[1] / R[2]


@nodal_analysis.cured
def nodal_analysis_like(R):
    G = np.array([[1 / R[0] + 1 / R[1], -1 / R[1]], [-1 / R[1], 1 / R[1] + 1 / R[2]]], like=R)
    v = np.linalg.solve(G, np.array([5 / R[0], 0], like=R))
    return v[1] / R[2]


@program(5800.0)
def planck(T):
    wavelength = np.array([400e-9, 550e-9, 700e-9])
    return 2 * 6.626e-34 * 9e16 / wavelength**5 / np.expm1(6.626e-34 * 3e8 / (wavelength * 1.381e-23 * T)) * 1e-12


@program(np.array([0.3, 0.5]))
def relativistic_addition(v):
    gamma = 1 / np.sqrt(1 - v**2)
    boost = np.array([[gamma[0], -gamma[0] * v[0]], [-gamma[0] * v[0], gamma[0]]])
    return boost @ np.array([gamma[1], gamma[1] * v[1]])


@program(np.array([1.0, 0.2]))
def ising_energy(p):
    J, h = p
    spins = np.where(np.arange(16).reshape(4, 4) % 3 == 0, 1, -1)
    bonds = (spins * np.roll(spins, 1, 0) + spins * np.roll(spins, 1, 1)).sum()
    return -J * bonds - h * spins.sum()


@program(np.array([1.0, 0.2]))
def ising_transfer_matrix(p):
    T = np.array([[np.exp(p[0] + p[1]), np.exp(-p[0])], [np.exp(-p[0]), np.exp(p[0] - p[1])]])
    Z = functools.reduce(np.matmul, [T] * 6)
    return np.log(np.trace(Z))


@program(np.arange(12.0).reshape(4, 3) ** 1.5)
def lennard_jones(r):
    energy = 0.0
    for i, j in itertools.combinations(range(len(r)), 2):
        d2 = ((r[i] - r[j]) ** 2).sum() / 10
        energy += 4 * (d2**-6 - d2**-3)
    return energy


@program(np.arange(12.0).reshape(4, 3) ** 1.5)
def coulomb_by_broadcasting(r):
    d = np.sqrt(((r[:, None] - r) ** 2).sum(-1))
    i, j = np.triu_indices(len(r), k=1)
    return (1 / d[i, j]).sum()


@program(300.0)
def heat_capacity_piecewise(T):
    return np.piecewise(T, [T < 100, T >= 100], [lambda t: t**3 / 1e4, lambda t: 25 - 1500 / t])


@program(np.array([0.2, 1.0, 3.0]))
def stress_by_select(strain):
    return np.select([strain < 0.5, strain < 2], [2 * strain, 1 + 0.1 * strain**2], default=np.sqrt(strain))


# ---- statistics


@program(np.array([1.0, 2.1, 2.9, 4.2]))
def least_squares_by_normal_equations(y):
    X = np.column_stack((np.ones(4), np.arange(4)))
    beta = np.linalg.inv(X.T.dot(X)).dot(X.T).dot(y)
    residual = y - X.dot(beta)
    return residual.dot(residual)


@program(0.5)
def ridge_path(lam):
    X = np.vander(np.linspace(0, 1, 6), 4)
    y = np.array([0.0, 0.4, 0.9, 1.0, 0.7, 0.1])
    return np.linalg.solve(X.T @ X + lam * np.eye(4), X.T @ y)


@program(np.cos(np.arange(15.0) ** 2).reshape(5, 3))
def explained_variance(X):
    X = X - X.mean(axis=0)
    s = np.linalg.svd(X, compute_uv=False)
    return s**2 / (s**2).sum()


@program(np.cos(np.arange(15.0) ** 2).reshape(5, 3))
def principal_component(X):
    C = np.cov(X, rowvar=False)
    w, V = np.linalg.eigh(C)
    v = V[:, np.argmax(w)]
    return np.abs(v)


@program(np.array([1.0, 2.5, 0.3, 1.8]), np.array([2.0, 2.2, 3.1]))
def t_statistic(a, b):
    se = np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))
    return (np.mean(a) - np.mean(b)) / se


@program(np.array([1.0, 2.5, 0.3, 1.8]))
def bootstrap_with_fixed_indices(x):
    rng = np.random.RandomState(0)
    means = [x[rng.randint(0, len(x), len(x))].mean() for _ in range(20)]
    return np.std(np.stack(means))


@program(np.array([1.0, 2.5, 0.3, 1.8]))
def jackknife_as_array(x):
    means = np.array([np.delete(x, i).mean() for i in range(len(x))])
    return np.std(means) * np.sqrt(3)


@program(np.array([1.0, 2.5, 0.3, 1.8]))
def jackknife_as_array_like(x):
    means = np.array([np.delete(x, i).mean() for i in range(len(x))], like=x)
    return np.std(means) * np.sqrt(3)


@program(np.array([3.0, 1.0, 2.5, 0.3, 1.8]))
def trimmed_mean_by_sorted(x):
    s = sorted(x)
    return sum(s[1:-1]) / (len(s) - 2)


@program(np.array([3.0, 1.0, 2.5, 0.3, 1.8]))
def median_by_sort_in_place(x):
    y = x * 1.0
    y.sort()
    return y[len(y) // 2]


@program(np.array([3.0, 1.0, 2.5, 0.3, 1.8]))
def median_by_np_sort(x):
    y = np.sort(x * 1.0)
    return y[len(y) // 2]


@program(np.array([3.0, 1.0, 2.5, 0.3]))
def welford(x):
    mean = m2 = 0.0
    for n, v in enumerate(x, 1):
        delta = v - mean
        mean += delta / n
        m2 += delta * (v - mean)
    print(f"{n} samples, mean {mean}, {x}", file=io.StringIO())
    return m2 / (n - 1)


@program(np.array([0.2, 0.9, 1.5, 0.7]))
def mean_without_nans(x):
    data = np.array([1.0, np.nan, 0.5, 2.0])
    return np.nanmean((data - x) ** 2) + np.nansum(data * x)


@program(np.array([0.2, 5.0, 1.5, 0.7]))
def mean_of_a_masked_selection(x):
    keep = x < 3
    return x[keep].mean() + np.count_nonzero(keep)


@program(np.array([0.2, 5.0, 1.5, 0.7]), np.array([1.0, 2.0, 2.0, 1.0]))
def weighted_quantile(x, w):
    order = np.argsort(x)
    x, w = x[order], w[order]
    return np.interp(0.4, np.cumsum(w) / w.sum(), x)


@program(np.array([1.0, 2.0, 4.0, 3.0]))
def group_means(x):
    groups = {"a": [0, 2], "b": [1, 3]}
    means = {name: x[index].mean() for name, index in groups.items()}
    return means["a"] ** 2 - means["b"]


# ---- machine learning


@program({"W1": np.sin(np.arange(6.0)).reshape(2, 3), "b1": np.zeros(3) + 0.1, "W2": np.cos(np.arange(3.0)), "b2": 0.2})
def mlp(p):
    X, y = np.array([[0.0, 1.0], [1.0, 0.5], [0.3, 0.3]]), np.array([1.0, 0.0, 1.0])
    h = np.tanh(X @ p["W1"] + p["b1"])
    out = h @ p["W2"] + p["b2"]
    return np.mean((out - y) ** 2)


@program([(np.eye(2) + 0.1, np.array([0.1, -0.1])), (np.array([[1.0, -1.0]]), np.array([0.3]))], orders=1)
def mlp_as_list_of_layers(layers):
    h = np.array([0.5, -1.5])
    for W, b in layers[:-1]:
        h = np.maximum(W @ h + b, 0)
    W, b = layers[-1]
    return (W @ h + b).item(0) if isinstance(W, np.ndarray) else (W @ h + b)[0]


@program(np.array([1.0, -0.5, 2.0]))
def softmax_cross_entropy(z):
    z = z - z.max()
    p = np.exp(z) / np.exp(z).sum()
    onehot = np.zeros(3)
    onehot[1] = 1
    return -(onehot * np.log(p)).sum()


@program(np.array([[0.0, 0.1], [2.0, 2.2]]))
def k_means_step(centres):
    X = np.array([[0.1, 0.2], [0.3, -0.1], [1.8, 2.0], [2.5, 2.1]])
    distance = ((X[:, None] - centres) ** 2).sum(-1)
    label = distance.argmin(axis=1)
    return sum(distance[i, k] for i, k in enumerate(label))


@program(np.sin(np.arange(12.0)).reshape(3, 4))
def self_attention(x):
    scores = np.einsum("id,jd->ij", x, x) / np.sqrt(x.shape[-1])
    scores = np.where(np.tril(np.ones((3, 3), bool)), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("ij,jd->id", weights, x)


@program(np.sin(np.arange(12.0)).reshape(4, 3), np.array([1.0, 0.5, 2.0]), np.array([0.0, 0.1, 0.2]))
def batch_norm(x, gamma, beta):
    mu, var = x.mean(0), x.var(0)
    return gamma * (x - mu) / np.sqrt(var + 1e-5) + beta


@program(np.sin(np.arange(9.0)).reshape(3, 3), np.cos(np.arange(6.0)).reshape(3, 2))
def rnn(W, U):
    h = np.zeros(3)
    for x in np.eye(2)[[0, 1, 1, 0]]:
        h = np.tanh(W @ h + U.dot(x))
    return h


@program(np.array([0.5, -0.3]))
def sgd_with_momentum(w):
    class Momentum:
        def __init__(self, lr, beta):
            self.lr, self.beta, self.v = lr, beta, 0

        def step(self, w, g):
            self.v = self.beta * self.v - self.lr * g
            return w + self.v

    opt = Momentum(0.1, 0.9)
    for _ in range(10):
        w = opt.step(w, np.array([2 * w[0], 20 * w[1] ** 3]))
    return w


@program(np.array([0.05, 0.9]))
def learning_rate_of_inner_training(p):
    w = np.array([1.0, -1.0])
    v = np.zeros(2)
    for _ in range(5):
        v = p[1] * v + np.array([4.0, 1.0]) * w
        w = w - p[0] * v
    return np.sum(w**2)


@program(np.sin(np.arange(6.0)).reshape(3, 2))
def contrastive_loss(z):
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    sim = np.exp(z @ z.T / 0.5)
    np.fill_diagonal(sim, 0)
    return -np.log(sim[0, 1] / sim[0].sum())


# ---- idioms


@program(np.array([1.0, 2.0, 3.0]))
def asarray_at_the_top(x):
    x = np.asarray(x)
    return np.sum(x**2) / x.size


@program(np.array([1.0, 2.0, 3.0]), says="already|leave")
def asarray_of_float_at_the_top(x):
    x = np.asarray(x, dtype=float)
    return np.sum(x**2) / x.size


@asarray_of_float_at_the_top.cured
def no_asarray_at_the_top(x):
    return np.sum(x**2) / x.size


@program(2.0, says=r"already|leave|dg\.primal")
def float64_of_a_number(x):
    x = np.float64(x)
    return x**3


@float64_of_a_number.cured
def number_as_it_is(x):
    return x**3


@program(2.0, says=r"dg\.primal|already")
def float_of_a_number(x):
    return float(x) ** 2 + 1


@float_of_a_number.cured
def number_without_float(x):
    return x**2 + 1


@program(np.array([1.0, 2.0]))
def append_to_an_array(x):
    out = np.array([])
    for k in range(3):
        out = np.append(out, x * k)
    return out


@program(np.array([1.0, 2.0]))
def row_and_column_makers(x):
    return np.c_[np.r_[x, 1.0], np.r_[0.0, x[::-1]]].sum(axis=0) * np.r_[x[0], 2.0]


@program(np.array([-1.0, 0.5, 2.0]))
def vectorized_branch(x):
    return np.vectorize(lambda t: t**2 if t > 0 else -t)(x)


@program(0.7)
def full_of_a_scalar(x):
    return np.full(3, x) * np.arange(1.0, 4.0)


@program(0.7)
def ones_times_scalar(x):
    a = np.ones((2, 2)) * x
    a[0, 1] = a[1, 0] = x**2
    return np.linalg.inv(a)


@program(np.array([1.0, 2.0, 3.0]), says="ravel|for v in|flatten|nditer")
def loop_by_nditer(x):
    total = 0.0
    for v in np.nditer(x):
        total = total + v * v
    return total


@loop_by_nditer.cured
def loop_by_ravel(x):
    total = 0.0
    for v in x.ravel():
        total = total + v * v
    return total


@program(np.arange(4.0).reshape(2, 2), says=r"ravel")
def loop_by_flat(x):
    return sum(v**3 for v in x.flat)


@loop_by_flat.cured
def loop_by_flattened(x):
    return sum(v**3 for v in np.ravel(x))


@program(np.array([1.0, 2.0, 3.0]), says=r"x\[i\]|dg\.primal")
def sum_of_tolist(x):
    return sum(v * v for v in x.tolist())


@sum_of_tolist.cured
def sum_of_iteration(x):
    return sum(v * v for v in x)


@program(np.array([3.5, 1.0, 2.2]))
def best_of_a_list(x):
    candidates = [v**2 - 4 * v for v in x]
    best = min(candidates)
    return best * candidates.index(best) + max(candidates)


@program(np.array([7.3, -2.2]))
def floor_and_remainder(x):
    whole, part = x // 1, x % 1
    return whole * part + divmod(x[0], 2.0)[1] + round(x[1])


@program(3.7)
def integers_and_bits(x):
    n = 13
    total = 0
    while n:
        total = total * x + (n & 1)
        n >>= 1
    return total


@program(5.2)
def recursion_with_memory(x):
    memo = {}

    def f(n):
        if n < 2:
            return x**n
        if n not in memo:
            memo[n] = f(n - 1) / x + f(n - 2)
        return memo[n]

    return f(10)


@program(np.array([0.8, 2.0, 3.5, 4.0]))
def fancy_updates(x):
    y = x.copy()
    y[[0, 2]] *= 3
    y[y > 3] = 1 / y[y > 3]
    y[-1] += y[0] * y[1]
    return y


@program(np.array([1.0, 2.0, 3.0]))
def scatter_with_add_at(x):
    out = np.zeros_like(x, shape=2)
    np.add.at(out, [0, 1, 0], x**2)
    return out


@program({"point": {"x": 1.0, "y": 2.0}, "scale": 3.0}, says="array|like=|stack|dict")
def structured_record(p):
    record = np.zeros(1, dtype=[("x", float), ("y", float)])
    record["x"], record["y"] = p["point"]["x"], p["point"]["y"]
    return p["scale"] * record["x"][0] * record["y"][0]


@structured_record.cured
def record_as_dict(p):
    record = dict(p["point"])
    return p["scale"] * record["x"] * record["y"]


@program(np.array([0.5, 1.5]), says="like=")
def mixed_list_under_a_ufunc(x):
    return np.exp(np.array([x[0], 1.0, x[1]])).sum()


@mixed_list_under_a_ufunc.cured
def mixed_list_under_a_ufunc_like(x):
    return np.exp(np.array([x[0], 1.0, x[1]], like=x)).sum()


@program(np.array([0.5, 1.5]))
def list_under_a_ufunc(x):
    return np.exp(np.array([x[0], x[0] * x[1], x[1]])).sum()


@program(np.array([0.5, 1.5]))
def list_given_to_numpy(x):
    return np.linalg.norm([x[0], x[1] ** 2]) + np.dot([1.0, 2.0], [x[0], x[1]])


@program(np.array([0.5, 1.5]), says="like=")
def fft_of_a_list(x):
    return np.abs(np.fft.fft(np.array([x[0], x[1], x[0] * x[1], 1.0])))


@fft_of_a_list.cured
def fft_of_a_list_like(x):
    return np.abs(np.fft.fft(np.array([x[0], x[1], x[0] * x[1], 1.0], like=x)))


@program(np.array([0.5, 1.5, 2.5]), says=r"np\.sqrt|np\.linalg\.norm|np\.")
def distance_of_math(x):
    return math.dist(x, [0.0, 0.0, 1.0])


@distance_of_math.cured
def distance_by_norm(x):
    return np.linalg.norm(x - [0.0, 0.0, 1.0])


@program(np.array([1.0, 2.0, 3.0]))
def meshgrid_of_parameters(p):
    X, Y = np.meshgrid(p, np.linspace(0, 1, 4))
    return (X**2 * Y + np.tensordot(p, p, 0).sum()).mean()


@program(np.array([0.1, 0.4]))
def outer_and_trace(x):
    M = np.outer(x, [1.0, 2.0]) + np.kron(np.eye(1), np.outer(x, x))
    return np.trace(M @ M) + M.T[0] @ M[:, 1]


@program(0.3, says=r"linspace|dg\.primal")
def arange_to_a_dual(end):
    t = np.arange(0, end, end / 10)
    return np.sum(t**2) * end


@arange_to_a_dual.cured
def linspace_to_a_dual(end):
    t = np.linspace(0, end, 10, endpoint=False)
    return np.sum(t**2) * end


@program(np.array([1.0, 2.0]), says=r"dg\.primal")
def formatted_value(x):
    return float(f"{x[0]:.6f}") * x[1]


@formatted_value.cured
def formatted_on_the_side(x):
    print(f"x = {dg.primal(x)}", file=io.StringIO())
    return x[0] * x[1]


@program(np.array([2.0, 2.5, 4.0]))
def masked_array(x):
    return np.ma.masked_where(x > 3, x**2).mean()


# ---- arrays that change in place: an entry taken out is a number of its own


@program(np.array([2.1, 0.7, 1.3]))
def bubble_sort(x):
    y = x.copy()
    for i in range(len(y)):
        for j in range(len(y) - 1 - i):
            if y[j] > y[j + 1]:
                y[j], y[j + 1] = y[j + 1], y[j]
    return y * np.arange(3)


@program(np.array([[2.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 1.0]]))
def gauss_jordan_inverse_in_place(A):
    A = A.copy()
    for k in range(3):
        pivot = A[k, k]
        A[k, k] = 1.0
        A[k] /= pivot
        for i in range(3):
            if i != k:
                factor = A[i, k]
                A[i, k] = 0.0
                A[i] -= factor * A[k]
    return A


@program(np.array([0.7, 1.3, 2.1]))
def gauss_seidel_over_relaxed(u):
    u = u.copy()
    for _ in range(3):
        for i in (0, 1, 2):
            old = u[i]
            u[i] = 0.25 * (u[i - 1] + u[(i + 1) % 3] + 1.0)
            u[i] = old + 1.4 * (u[i] - old)
    return u


@program(np.array([0.7, 1.3, 2.1]))
def rotate_left(x):
    y = x * 2
    first = y[0]
    y[:-1] = y[1:]
    y[-1] = first
    return y


@program(np.array([0.7, 1.3, 1.1]))
def running_maximum(x):
    y = x.copy()
    best, out = y[0], []
    for i, v in enumerate(y):
        best = max(best, v)
        y[i] = 0.0
        out.append(best)
    return np.array(out)


@program(np.array([0.7, 1.3, 2.1]))
def queue_of_entries(x):
    y = x.copy()
    queue = deque(y)
    y *= 0
    total = 0.0
    while queue:
        total = 0.5 * total + queue.popleft()
    return total


@program(np.array([0.7, 1.3, 2.1]))
def array_as_a_copy(x):
    y = x * 1.0
    saved = np.array(y)
    y[0] = 5 * y[1]
    saved[2] += 1
    return saved * y


@program(np.array([0.7, 1.3, 2.1]))
def subtract_the_maximum_in_place(x):
    y = x * 2
    top = max(y)
    y -= top
    return np.exp(y) * top


@program(np.array([0.7, 1.3, 2.1]))
def elimination_on_a_list_of_lists(x):
    A = np.array([[x[0], 1.0, 2.0], [x[1], x[2], 1.0], [1.0, x[0], x[1]]])
    b = np.array([1.0, x[0], 2.0])
    for k in range(3):
        p = k + np.argmax(np.abs(A[k:, k]))
        A[[k, p]], b[[k, p]] = A[[p, k]], b[[p, k]]
        for i in range(k + 1, 3):
            m = A[i, k] / A[k, k]
            A[i] -= m * A[k]
            b[i] -= m * b[k]
    return A.diagonal().prod() * b


@program(np.array([0.7, 1.3]))
def state_that_grows_in_place(p):
    y = np.array([p[0], 0.0])
    for _ in range(5):
        y += 0.1 * p[1] * np.array([y[1], -y[0]])
    return y


@program(np.array([0.7, 1.3]), says=r"zeros_like|like=")
def jacobian_by_rows(p):
    J = np.zeros((2, 2))
    J[0] = [2 * p[0], p[1]]
    J[1] = [1.0, -p[0] * p[1]]
    return np.linalg.det(J)


@jacobian_by_rows.cured
def jacobian_by_rows_like(p):
    J = np.zeros((2, 2), like=p)
    J[0] = [2 * p[0], p[1]]
    J[1] = [1.0, -p[0] * p[1]]
    return np.linalg.det(J)


@program(np.array([0.7, 1.3]), says=r"zeros_like|like=")
def complex_amplitudes(p):
    z = np.zeros(3, dtype=complex)
    z[1] = p[0]
    z[2] = 1j * p[1]
    return np.abs(np.fft.ifft(z))


@complex_amplitudes.cured
def complex_amplitudes_like(p):
    z = np.zeros(3, dtype=complex, like=p)
    z[1] = p[0]
    z[2] = 1j * p[1]
    return np.abs(np.fft.ifft(z))


@program(np.array([0.7, 1.3, 2.1]))
def spectrum_by_parts(x):
    z = np.zeros_like(x, dtype=complex)
    z.real = x
    z.imag = x**2
    return np.abs(z)


@program(0.7)
def phasor(turn):
    return (1j**turn).real + abs((turn + 1j) ** (0.5 + 0.2j))


# ---- lists beside arrays


@program(np.array([0.7, 1.3, 2.1]))
def edges_padded_by_lists(u):
    padded = np.concatenate(([u[0]], u, [u[-1]]))
    return padded[2:] - 2 * padded[1:-1] + padded[:-2]


@program(np.array([0.7, 1.3, 2.1]))
def difference_from_a_list(x):
    return np.sum((x - [x[1], 1.0, 2.0]) ** 2) + x @ [x[0], 1, 2]


@program(np.array([0.7, 1.3, 2.1]))
def differences_with_a_first(x):
    return np.diff(x, prepend=[x[1]]) ** 2


@program(np.array([0.7, 1.3, 2.1]))
def weights_in_a_list(x):
    return np.average(x, weights=[1.0, x[0], 2.0]) + np.dot([1, 2, 3], x)


@program(np.array([0.7, 1.3]), says=r"like=|np\.stack")
def solve_of_lists(p):
    return np.linalg.solve([[p[0], 1.0], [2.0, p[1]]], [1.0, p[0]])


@solve_of_lists.cured
def solve_of_lists_like(p):
    return np.linalg.solve(np.array([[p[0], 1.0], [2.0, p[1]]], like=p), np.array([1.0, p[0]], like=p))


@program(np.array([0.7, 1.3]))
def mean_of_a_list(p):
    return np.mean([p[0] ** 2, p[1], p[0] * p[1]])


@program(np.array([0.7, 1.3]))
def mean_of_a_stack(p):
    return np.mean(np.stack([p[0] ** 2, p[1], p[0] * p[1]]))


@program(np.array([0.7, 1.3, 2.1]), says=r"np\.mean|np\.sum")
def mean_of_the_standard_library(x):
    return statistics.fmean(x)


@mean_of_the_standard_library.cured
def mean_of_numpy(x):
    return np.mean(x)


# ---- what surrounds the numbers


@program(0.7, says=r"dg\.primal|cache|key")
def cached_recursion(x):
    @functools.lru_cache
    def chebyshev_t(n, x):
        return 1.0 if n == 0 else x if n == 1 else 2 * x * chebyshev_t(n - 1, x) - chebyshev_t(n - 2, x)

    return chebyshev_t(6, x)


@cached_recursion.cured
def cached_by_order_alone(x):
    @functools.lru_cache
    def chebyshev_t(n):
        return 1.0 if n == 0 else x if n == 1 else 2 * x * chebyshev_t(n - 1) - chebyshev_t(n - 2)

    return chebyshev_t(6)


@program(np.array([0.7, 1.3, 2.1]), says=r"dg\.primal")
def checked_by_numpy_testing(x):
    p = x / x.sum()
    np.testing.assert_allclose(p.sum(), 1.0)
    return p**2


@checked_by_numpy_testing.cured
def checked_by_allclose(x):
    p = x / x.sum()
    assert np.allclose(p.sum(), 1.0)
    return p**2


@program(np.array([0.2, 0.7, 1.4]))
def clipped_from_below(x):
    return x.clip(0.5) * x.clip(max=1.0)


@program(np.array([0.2, 0.7, 1.4]))
def tasks_in_threads(x):
    with ThreadPoolExecutor(2) as pool:
        return np.array(list(pool.map(lambda v: v**2 * x[0], x)))


@program(np.array([0.2, 0.7, 1.4]))
def random_walk_of_the_standard_library(p):
    rng = random.Random(3)
    return sum(rng.gauss(p[0], p[1]) + rng.uniform(0, p[2]) for _ in range(5))
