/* Dual numbers of formulas: a parser with places, and an evaluation that tells every step. The rules at kinks, at poles
   and for zero times infinity are those of dualgrad. No dependency; for a page by <script>, and for node by require. */
(function (root) {
  "use strict";

  const FUNCTIONS = ["sin", "cos", "tan", "exp", "ln", "log", "sqrt", "tanh", "abs"];
  const CONSTANTS = new Map([["pi", Math.PI], ["e", Math.E]]);

  /* An error of a formula, with the place: text.slice(start, end) is what it is about. */
  class FormulaError extends Error {
    constructor(message, start, end) {
      super(message);
      this.start = start;
      this.end = end;
    }
  }

  // ------------------------------------------------------------------ reading

  const NUMBER = /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
  const NAME = /[A-Za-z_][A-Za-z_0-9]*/y;
  const SAME = { "·": "*", "×": "*", "−": "-", "–": "-", "÷": "/", "π": "pi", "[": "(", "]": ")", "{": "(", "}": ")" };

  function tokens(text) {
    const found = [];
    for (let at = 0; at < text.length; ) {
      const letter = text[at];
      if (/\s/.test(letter)) { at += 1; continue; }
      let kind = "sign", value = SAME[letter] || letter, end = at + 1;
      NUMBER.lastIndex = NAME.lastIndex = at;
      const number = NUMBER.exec(text), name = NAME.exec(text);
      if (number) { kind = "number"; value = number[0]; end = at + value.length; }
      else if (name) { kind = "name"; value = name[0]; end = at + value.length; }
      else if (value === "pi") kind = "name";
      else if (text.startsWith("**", at)) { value = "^"; end = at + 2; }
      else if (!"+-*/^()".includes(value)) {
        throw new FormulaError(`“${letter}” is no part of a formula${INSTEAD[letter] || ""}`, at, end);
      }
      found.push({ kind, value, start: at, end });
      at = end;
    }
    return found;
  }

  const LONGEST = 2000; // characters: a formula is taken apart and drawn by functions that call themselves
  const INSTEAD = {
    ",": ": write 0.5 for 0,5; functions take one argument here", "=": ": write the right-hand side alone",
    "²": ": write ^2", "³": ": write ^3", "√": ": write sqrt(…)", "|": ": write abs(…)",
  };

  /* The tree of a formula: {op, args, start, end}, with op "number", "variable", a sign, "neg" or a function. */
  function parse(text) {
    if (text.length > LONGEST) {
      throw new FormulaError(`the formula has ${text.length} characters; expected at most ${LONGEST}`, LONGEST, text.length);
    }
    const list = tokens(text);
    let k = 0;
    const next = () => list[k];
    const is = (...signs) => k < list.length && list[k].kind === "sign" && signs.includes(list[k].value);
    const node = (op, args, start, end) => ({ op, args, start, end });

    function sum() {
      let left = product();
      while (is("+", "-")) {
        const op = list[k++].value, right = product();
        left = node(op, [left, right], left.start, right.end);
      }
      return left;
    }
    function product() {
      let left = unary();
      while (is("*", "/")) {
        const op = list[k++].value, right = unary();
        left = node(op, [left, right], left.start, right.end);
      }
      return left;
    }
    function unary() {
      if (is("+")) { k += 1; return unary(); }
      if (!is("-")) return power();
      const start = list[k++].start, inner = unary();
      return node("neg", [inner], start, inner.end);
    }
    function power() {
      const base = atom();
      if (!is("^")) return base;
      k += 1;
      const exponent = unary(); // from the right: 2^3^2 is 2^9, and 2^-1 is a half
      return node("^", [base, exponent], base.start, exponent.end);
    }
    function atom() {
      const token = next();
      if (!token) {
        const what = text.trim() ? "here the formula ends too early" : "the formula is empty";
        throw new FormulaError(what, text.length, text.length + 1);
      }
      k += 1;
      if (token.kind === "number") {
        return { ...node("number", [], token.start, token.end), value: Number(token.value), name: token.value };
      }
      if (token.kind === "name") return named(token);
      if (token.value !== "(") {
        throw new FormulaError(`“${token.value}” cannot stand here: a number, a name or “(” is expected`, token.start, token.end);
      }
      return inside(token);
    }
    function named(token) {
      const name = token.value, called = is("(");
      if (FUNCTIONS.includes(name)) {
        if (!called) throw new FormulaError(`${name} needs parentheses: ${name}(x)`, token.start, token.end);
        const inner = inside(list[k++]);
        return node(name, [inner], token.start, inner.end);
      }
      if (called) {
        const known = CONSTANTS.has(name) ? "" : ` Functions: ${FUNCTIONS.join(", ")}`, small = name.toLowerCase();
        const cure = FUNCTIONS.includes(small) ? `${small}(…)` : `${name}*(…) for a product`;
        throw new FormulaError(`“${name}” is no function; write ${cure}.${known}`, token.start, token.end);
      }
      if (CONSTANTS.has(name)) {
        const shown = name === "pi" ? "π" : name;
        return { ...node("number", [], token.start, token.end), value: CONSTANTS.get(name), name: shown };
      }
      return { ...node("variable", [], token.start, token.end), name };
    }
    function inside(open) {
      const inner = sum(), close = next();
      if (close && !is(")")) throw unexpected(close);
      if (!close) throw new FormulaError("this parenthesis is not closed", open.start, open.end);
      k += 1;
      return { ...inner, start: open.start, end: close.end };
    }
    function unexpected(token) {
      if (token.value === ")") return new FormulaError("this parenthesis was never opened", token.start, token.end);
      const shown = ({ start, end }) => `“${text.slice(start, end)}”`;
      const what = `between ${shown(list[k - 1])} and ${shown(token)} a sign is missing: write * for a product`;
      return new FormulaError(what, token.start, token.end);
    }

    const tree = sum();
    if (k < list.length) throw unexpected(next());
    return tree;
  }

  /* The names of a tree's variables, in the order of the alphabet. */
  function variables(tree) {
    const names = new Set();
    (function look(node) {
      if (node.op === "variable") names.add(node.name);
      node.args.forEach(look);
    })(tree);
    return [...names].sort();
  }

  // ------------------------------------------------------------------ rules

  /* partial · tangent, and 0 where the tangent is 0, whatever the partial. */
  const times = (partial, d) => { const whole = partial * d; return Number.isNaN(whole) && d === 0 ? 0 : whole; };
  const over = (d, below) => { const whole = d / below; return Number.isNaN(whole) ? times(1 / below, d) : whole; };

  /* As C and NumPy have it: 1 to any power is 1, also to that of NaN. */
  function pow(x, n) {
    if (x === 1 || (x === -1 && Math.abs(n) === Infinity)) return 1;
    return Math.pow(x, n);
  }

  function slopeByBase(y, x, n, constant) {
    if (constant) return n !== 0 ? n * pow(x, n - 1) : 0 * y;
    if (Math.abs(n) < 1e-3 && Math.abs(n) < 4 * Math.abs(x)) return y * (n / x);
    return times(pow(x, n === 0 && x === 0 ? 1 : n - 1), n);
  }
  const slopeByExponent = (y, x) => (x === 0 ? 0 : y * Math.log(x));

  const total = (a, b) => (a === null ? b : b === null ? a : a + b);
  const part = (partial, d) => (d === null ? null : times(partial, d));

  /* Of one operand: value, tangent, and the rule, in which u is the operand and u' its tangent. */
  const ONE = {
    neg: [(x) => -x, (y, x, d) => -d, "−u'"],
    sin: [Math.sin, (y, x, d) => times(Math.cos(x), d), "cos(u) · u'"],
    cos: [Math.cos, (y, x, d) => times(-Math.sin(x), d), "−sin(u) · u'"],
    tan: [Math.tan, (y, x, d) => times(1 + y * y, d), "(1 + tan²(u)) · u'"],
    exp: [Math.exp, (y, x, d) => times(y, d), "exp(u) · u'"],
    ln: [Math.log, (y, x, d) => over(d, x), "u' / u"],
    log: [Math.log, (y, x, d) => over(d, x), "u' / u"],
    sqrt: [Math.sqrt, (y, x, d) => over(d, 2 * y), "u' / (2 √(u))"],
    tanh: [Math.tanh, (y, x, d) => d / Math.cosh(x) / Math.cosh(x), "u' / cosh²(u)"],
    abs: [Math.abs, (y, x, d) => Math.sign(x) * d, "sign(u) · u'"],
  };

  function quotient(z, x, y, dx, dy) {
    if (dx !== null) {
      const whole = dy === null ? dx / y : (dx - z * dy) / y;
      if (!Number.isNaN(whole)) return whole;
    }
    return total(part(1 / y, dx), part(-z / y, dy));
  }

  function powerTangent(z, x, n, dx, dn) {
    return total(part(slopeByBase(z, x, n, dn === null), dx), part(slopeByExponent(z, x), dn));
  }

  /* Of two operands u and w. */
  const TWO = {
    "+": [(x, y) => x + y, (z, x, y, dx, dy) => total(dx, dy), "u' + w'"],
    "-": [(x, y) => x - y, (z, x, y, dx, dy) => total(dx, dy === null ? null : -dy), "u' − w'"],
    "*": [(x, y) => x * y, (z, x, y, dx, dy) => total(part(y, dx), part(x, dy)), "u' · w + u · w'"],
    "/": [(x, y) => x / y, quotient, "(u' − (u/w) · w') / w"],
    "^": [pow, powerTangent, "w · u^(w−1) · u' + u^w · ln(u) · w'"],
  };
  const SHORT = { // where one operand does not move
    "*": ["u' · w", "u · w'"], "+": ["u'", "w'"], "-": ["u'", "−w'"], "/": ["u' / w", "−(u/w) · w' / w"],
    "^": ["w · u^(w−1) · u'", "u^w · ln(u) · w'"],
  };

  /* Value and tangent of one operation; a tangent that is null belongs to a constant. */
  function operation(op, values, tangents) {
    const [value, tangent, rule] = values.length === 1 ? ONE[op] : TWO[op];
    const y = value(...values), still = tangents.map((d) => d === null);
    if (still.every(Boolean)) return { value: y, tangent: null, rule: "a constant" };
    const words = values.length === 2 && still.some(Boolean) ? SHORT[op][still[0] ? 1 : 0] : rule;
    return { value: y, tangent: tangent(y, ...values, ...tangents), rule: words };
  }

  /* What a reader should know of a step: kinks, poles, zero times infinity, and where there is no real value. */
  function remark(op, values, tangents, result) {
    const [x, y] = values, still = tangents.every((d) => d === 0 || d === null);
    if (Number.isNaN(result.value)) {
      return values.some(Number.isNaN) ? "" : "no real value here";
    }
    if (op === "abs" && x === 0) return "the kink of |u|: slope 0 by convention";
    if ((op === "^" && x === 0 && y === 0)) return "u⁰ = 1: slope 0 by convention";
    const steep = (op === "sqrt" && x === 0) || ((op === "ln" || op === "log") && x === 0) || (op === "/" && y === 0)
      || (op === "^" && x === 0 && y < 1);
    if (steep && still && result.tangent === 0) return "0 · ∞ = 0: a tangent of zero contributes nothing";
    if (steep) return Number.isFinite(result.value) ? "the slope is infinite here" : "a pole";
    if (!Number.isFinite(result.value)) return values.every(Number.isFinite) ? "larger than numbers go" : "";
    return Number.isNaN(result.tangent) && !tangents.some(Number.isNaN) ? "no real slope here" : "";
  }

  // ------------------------------------------------------------------ evaluation

  const SIGN = { "+": " + ", "-": " − ", "*": " · ", "/": " / ", "^": " ^ " };

  /* Every step of a tree at {x: {value, seed}}: {value, tangent, steps, inputs}. A step has its name, the operation as
     text, operands by name, their numbers, its value, tangent, rule and remark, and the place in the formula. */
  function evaluate(tree, at) {
    const steps = [], seen = new Map();
    function visit(node) {
      if (node.op === "number") return { label: node.name, value: node.value, tangent: null };
      if (node.op === "variable") return { label: node.name, value: at[node.name].value, tangent: at[node.name].seed };
      const args = node.args.map(visit), key = node.op + "(" + args.map((a) => a.label).join(";") + ")";
      if (seen.has(key)) return seen.get(key); // what is computed twice is written once
      const values = args.map((a) => a.value), tangents = args.map((a) => a.tangent);
      const result = operation(node.op, values, tangents), name = `v${subscript(steps.length + 1)}`;
      const text = args.length === 2 ? args[0].label + SIGN[node.op] + args[1].label
        : node.op === "neg" ? "−" + args[0].label : `${node.op}(${args[0].label})`;
      const step = {
        name, op: node.op, text, operands: args.map((a) => a.label), values, tangents, ...result,
        remark: remark(node.op, values, tangents, result), start: node.start, end: node.end,
      };
      steps.push(step);
      const made = { label: name, value: result.value, tangent: result.tangent };
      seen.set(key, made);
      return made;
    }
    const result = visit(tree);
    return { value: result.value, tangent: result.tangent === null ? 0 : result.tangent, steps };
  }

  const subscript = (k) => String(k).replace(/\d/g, (d) => "₀₁₂₃₄₅₆₇₈₉"[d]);

  /* A number as a page shows it: six digits, a real minus, ∞ and “not a number” in words. */
  function format(x) {
    if (x === null) return "–";
    if (Number.isNaN(x)) return "NaN";
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
    let text = Math.abs(x) >= 1e6 || (x !== 0 && Math.abs(x) < 1e-4) ? x.toExponential(4) : x.toPrecision(6);
    if (text.includes(".")) text = text.replace(/\.?0+(?=e|$)/, "");
    const raised = (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(d)];
    text = text.replace(/e\+?(-?\d+)/, (_, power) => " · 10" + power.replace(/./g, raised));
    return (Object.is(x, -0) ? "0" : text).replace(/^-/, "−");
  }

  const Dual = { FUNCTIONS, FormulaError, parse, variables, evaluate, operation, format };
  if (typeof module === "object" && module.exports) module.exports = Dual;
  root.DualFormula = Dual;
})(typeof globalThis === "object" ? globalThis : this);
