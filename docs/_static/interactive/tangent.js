/* A curve with its tangent: x and v to slide, and the steps of the dual number x + v ε. */
(function () {
  "use strict";
  const { element, shape, formulaField, slider, choice, stepsTable, plot, path } = Parts;
  const { parse, evaluate, variables, format } = DualFormula;
  const FUNCTIONS = {
    "sin(x) + x/3": "sin(x) + x/3", "x^2": "x²", "x^3 - 2*x": "x³ − 2x", "exp(x)": "exp(x)", "tanh(2*x)": "tanh(2x)",
    "sin(x^2)": "sin(x²)", "abs(x)": "|x|, with a kink", "sqrt(x)": "√x, steep at 0", "1/x": "1/x, with a pole", typed: "a formula of yours",
  };
  const RANGE = [-4, 4];

  function start(place) {
    let tree = null;
    const kind = choice("f(x) =", FUNCTIONS, "sin(x) + x/3", () => { typed.field.hidden = kind.read() !== "typed"; read(); });
    const typed = formulaField("Your formula in x", "x * sin(3*x)", (found) => { tree = found; if (kind.read() === "typed") show(); });
    const number = (x) => format(+x.toFixed(2));
    const at = slider("x", ...RANGE, 0.05, -0.9, show, number), along = slider("v, the tangent of x", -2, 2, 0.05, 1, show, number);
    const picture = element("div"), result = element("p", { class: "result", "aria-live": "polite" }), steps = element("div");
    typed.field.hidden = true;
    place.replaceChildren(kind.field, typed.field, at.field, along.field, picture, result, steps);

    function read() {
      if (kind.read() === "typed") { typed.read(); return; }
      tree = parse(kind.read());
      show();
    }

    function show() {
      picture.replaceChildren();
      result.replaceChildren();
      steps.replaceChildren();
      if (!tree) return;
      const strangers = variables(tree).filter((name) => name !== "x");
      if (strangers.length) { result.append(`The formula is one in x alone; it also has ${strangers.join(", ")}.`); return; }
      const f = (x, v = 0) => evaluate(tree, { x: { value: x, seed: v } });
      const x = at.read(), v = along.read(), here = f(x, v), xs = Array.from({ length: 801 }, (_, k) => RANGE[0] + k / 100);
      draw(xs.map((t) => [t, f(t).value]), x, v, here);
      result.append(`f(${number(x)} ${v < 0 ? "−" : "+"} ${number(Math.abs(v))} ε) = `, element("b", { class: "primal" }, format(here.value)), " ",
        element("b", { class: "tangent" }, `${here.tangent < 0 ? "−" : "+"} ${format(Math.abs(here.tangent))}`), " ε");
      steps.append(stepsTable([{ name: "x", value: x, seed: v }], here.steps));
    }

    function draw(points, x, v, here) {
      const ys = points.map(([, y]) => y).filter(Number.isFinite).sort((a, b) => a - b);
      const far = (share) => ys[Math.round(share * (ys.length - 1))];
      let low = ys.length ? far(0.03) : -1, high = ys.length ? far(0.97) : 1;
      const seen = Number.isFinite(here.value) && Math.abs(here.value) < 50;
      if (seen) { low = Math.min(low, here.value); high = Math.max(high, here.value); }
      const room = 0.2 * (high - low) + 0.5;
      const frame = plot(`The curve of f, with its tangent at x = ${number(x)}`, RANGE, [low - room, high + room], { xlabel: "x", ylabel: "f(x)" });
      const { X, Y, inside } = frame;
      inside.append(shape("path", { class: "curve", d: path(points.map(([t, y]) => [X(t), Y(y)])) }));
      if (seen && Number.isFinite(here.tangent)) {
        const [px, py] = [X(x), Y(here.value)], [qx, qy] = [X(x + v), Y(here.value + here.tangent)];
        if (v) {
          const line = (t) => Y(here.value + (here.tangent / v) * (t - x));
          inside.append(shape("path", { class: "tangent-line", d: path(RANGE.map((t) => [X(t), line(t)])) }));
          inside.append(shape("path", { class: "legs", d: `M${px} ${py}H${qx}V${qy}` }));
        }
        if (Math.hypot(qx - px, qy - py) > 1) inside.append(arrow(px, py, qx, qy));
        inside.append(shape("text", { class: "leg", x: (px + qx) / 2, y: py + (here.tangent < 0 ? -8 : 20), "text-anchor": "middle" }, v ? "v" : ""),
          shape("text", { class: "leg", x: qx + (v < 0 ? -8 : 8), y: (py + qy) / 2 + 5, "text-anchor": v < 0 ? "end" : "start" }, v ? "f′(x) v" : ""));
      }
      if (seen) inside.append(shape("circle", { class: "point", cx: X(x), cy: Y(here.value), r: 6 }));
      picture.replaceChildren(frame.picture);
    }

    function arrow(px, py, qx, qy) {
      const length = Math.hypot(qx - px, qy - py), size = Math.min(12, 0.6 * length);
      const [ux, uy] = [(qx - px) / length, (qy - py) / length], [bx, by] = [qx - size * ux, qy - size * uy];
      const side = (s) => `${(bx - 0.5 * s * size * uy).toFixed(1)} ${(by + 0.5 * s * size * ux).toFixed(1)}`;
      return shape("g", { class: "arrow" }, shape("path", { d: `M${px} ${py}L${bx} ${by}` }), shape("path", { class: "head", d: `M${qx} ${qy}L${side(1)}L${side(-1)}Z` }));
    }

    window.addEventListener("resize", show);
    read();
  }

  document.querySelectorAll("[data-interactive=tangent]").forEach(start);
})();
