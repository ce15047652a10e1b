/* The cloud of estimates ĝ around the gradient g: n, p and the directions to choose, measured beside theory. */
(function (root) {
  "use strict";

  // ------------------------------------------------------------------ theory

  /* Σ_k Var ĝ_k / ‖g‖² for the mean of n directions, p parameters. */
  const variance = (kind, p, n) => (kind === "normals" ? p + 1 : p - 1) / n;

  /* √E cos²: exact for n = 1, and for normals; near for the others. */
  const cosineSquareRoot = (p, n) => Math.sqrt(n / (n + p - 1));

  /* E |cos|: cos² of n normals is Beta(n/2, (p − 1)/2), whatever g; exact for normals, and for one point of a sphere. */
  const meanCosine = (p, n) => (p === 1 ? 1 : Math.exp(logGamma((n + 1) / 2) - logGamma(n / 2) + logGamma((n + p - 1) / 2) - logGamma((n + p) / 2)));

  /* ln Γ(x), x > 0, by Stirling's series far out, where x is taken by Γ(x + 1) = x Γ(x). */
  function logGamma(x) {
    let taken = 0;
    for (; x < 12; x += 1) taken += Math.log(x);
    const z = 1 / (x * x);
    return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z / 1680))) / x - taken;
  }

  // ------------------------------------------------------------------ draws

  /* Random numbers from a seed: mulberry32, and normals by Box and Muller. */
  function randomness(seed) {
    let state = seed >>> 0, spare = null;
    function uniform() {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    }
    function normal() {
      if (spare !== null) { const kept = spare; spare = null; return kept; }
      const r = Math.sqrt(-2 * Math.log(1 - uniform())), angle = 2 * Math.PI * uniform();
      spare = r * Math.sin(angle);
      return r * Math.cos(angle);
    }
    return { uniform, normal, sign: () => (uniform() < 0.5 ? -1 : 1) };
  }

  /* The shape of a matrix of p entries, as square as can be. */
  function matrixOf(p) {
    let rows = Math.floor(Math.sqrt(p));
    while (p % rows) rows -= 1;
    return [rows, p / rows];
  }

  /* One direction of a kind, E v vᵀ = 1. */
  function direction(kind, p, rng) {
    const v = new Float64Array(p);
    if (kind === "LowRank") {
      const [rows, columns] = matrixOf(p), a = Array.from({ length: rows }, rng.sign), b = Array.from({ length: columns }, rng.sign);
      for (let i = 0; i < rows; i += 1) for (let j = 0; j < columns; j += 1) v[i * columns + j] = a[i] * b[j];
      return v;
    }
    for (let k = 0; k < p; k += 1) v[k] = kind === "signs" ? rng.sign() : rng.normal();
    if (kind === "sphere") { const size = Math.sqrt(dot(v, v)); for (let k = 0; k < p; k += 1) v[k] *= Math.sqrt(p) / size; }
    return v;
  }

  const dot = (a, b) => { let sum = 0; for (let k = 0; k < a.length; k += 1) sum += a[k] * b[k]; return sum; };

  /* Estimates of a random g of length 1: of each its parts along g and across, its squared error, and its cosine. */
  function estimates(kind, p, n, samples, seed) {
    const rng = randomness(seed), g = unit(Float64Array.from({ length: p }, rng.normal)), found = [];
    let u = Float64Array.from({ length: p }, rng.normal);
    const along = dot(u, g);
    u = p > 1 ? unit(u.map((x, k) => x - along * g[k])) : u.fill(0);
    for (let s = 0; s < samples; s += 1) {
      const e = new Float64Array(p);
      for (let i = 0; i < n; i += 1) {
        const v = direction(kind, p, rng), slope = dot(g, v) / n;
        for (let k = 0; k < p; k += 1) e[k] += slope * v[k];
      }
      const x = dot(e, g), square = dot(e, e);
      found.push({ x, y: dot(e, u), error: square - 2 * x + 1, cosine: square > 0 ? x / Math.sqrt(square) : 0 });
    }
    return found;
  }
  const unit = (v) => { const size = Math.sqrt(dot(v, v)); return v.map((x) => x / size); };

  const average = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
  function measured(found) {
    return {
      along: average(found.map((e) => e.x)), across: average(found.map((e) => e.y)), variance: average(found.map((e) => e.error)),
      cosine: average(found.map((e) => Math.abs(e.cosine))), rootSquare: Math.sqrt(average(found.map((e) => e.cosine ** 2))),
    };
  }

  const Cloud = { variance, cosineSquareRoot, meanCosine, logGamma, estimates, measured };
  if (typeof module === "object" && module.exports) module.exports = Cloud;
  root.Cloud = Cloud;
  if (typeof Parts === "undefined") return; // in node, and where the numbers alone are wanted

  // ------------------------------------------------------------------ the page

  const { element, shape, slider, choice, plot } = Parts, { format } = DualFormula;
  const KINDS = { signs: "signs ±1", normals: "normals", LowRank: "LowRank signs a bᵀ", sphere: "points of a sphere" };
  const SAMPLES = 500;

  function start(place) {
    let seed = 1;
    const kind = choice("directions", KINDS, "signs", show);
    const size = slider("p, how many parameters", 1, 8, 1, 6, show, (k) => String(2 ** k));
    const many = slider("n, how many directions in an estimate", 0, 6, 1, 0, show, (k) => String(2 ** k));
    const again = element("button", { type: "button", onclick: () => { seed += 1; show(); } }, "Draw again");
    const picture = element("div"), table = element("div", { class: "scrolls", "aria-live": "polite" });
    place.replaceChildren(kind.field, size.field, many.field, element("div", { class: "field" }, again), picture, table);

    function show() {
      const p = 2 ** size.read(), n = 2 ** many.read(), found = estimates(kind.read(), p, n, SAMPLES, seed), has = measured(found);
      const reach = found.map((e) => Math.abs(e.y)).sort((a, b) => a - b)[Math.round(0.98 * (SAMPLES - 1))];
      const far = found.map((e) => e.x).sort((a, b) => a - b)[Math.round(0.98 * (SAMPLES - 1))];
      const high = Math.max(1.2, 1.15 * reach), right = Math.max(2.2, 1.15 * far);
      const { picture: frame, inside, X, Y } = plot(`${SAMPLES} estimates around the gradient, their mean at ${format(+has.along.toFixed(2))} along it`,
        [Math.min(-0.3, 0.02 - 0.1 * right), right], [-high, high], { xlabel: "ĝ along g, in ‖g‖", ylabel: "across" });
      inside.append(...found.map((e) => shape("circle", { class: "dot", cx: X(e.x).toFixed(1), cy: Y(e.y).toFixed(1), r: 3.5 })));
      inside.append(shape("path", { class: "cross", d: `M${X(1) - 9} ${Y(0) - 9}l18 18m0 -18l-18 18` }), shape("circle", { class: "ring", cx: X(has.along), cy: Y(has.across), r: 10 }));
      picture.replaceChildren(frame, element("p", { class: "key" }, element("span", { class: "tangent" }, "✕"), " the gradient g; ○ the mean of ", String(SAMPLES), " estimates"));
      const exact = kind.read() === "normals" || (n === 1 && kind.read() === "sphere"), square = exact || n === 1;
      const rows = [
        ["mean along g, in ‖g‖", has.along, 1, true], ["variance, in ‖g‖²", has.variance, variance(kind.read(), p, n), true],
        ["mean |cos| of ĝ and g", has.cosine, meanCosine(p, n), exact], ["√ of the mean cos²", has.rootSquare, cosineSquareRoot(p, n), square],
      ];
      const three = (x) => format(+x.toPrecision(3));
      table.replaceChildren(element("table", { class: "steps" },
        element("thead", {}, element("tr", {}, ...["", "measured", "theory"].map((text) => element("th", { scope: "col" }, text)))),
        element("tbody", {}, ...rows.map(([name, got, theory, sure]) => element("tr", {}, element("th", { scope: "row" }, name),
          element("td", {}, three(got)), element("td", {}, (sure ? "" : "≈ ") + three(theory)))))));
    }
    window.addEventListener("resize", show);
    show();
  }

  document.querySelectorAll("[data-interactive=cloud]").forEach(start);
})(globalThis);
