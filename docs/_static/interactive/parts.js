/* What the interactive pages share: elements, fields with a label, a formula with its errors at their place, a table of
   steps, and axes. */
(function (root) {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";

  /* element("label", {class: "x", onclick: f}, child, "text", ...) */
  function element(tag, attributes, ...children) {
    return dressed(document.createElement(tag), attributes, children);
  }
  function shape(tag, attributes, ...children) {
    return dressed(document.createElementNS(SVG, tag), attributes, children);
  }
  function dressed(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }

  let count = 0;
  const fresh = (name) => `${name}-${(count += 1)}`;

  /* A formula to type; says at its place what is wrong with it. changed(tree or null) is called at every change. */
  function formulaField(label, text, changed) {
    const id = fresh("formula"), input = element("input", {
      id, type: "text", value: text, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
      "aria-describedby": `${id}-error`,
    });
    const error = element("div", { id: `${id}-error`, class: "formula-error", role: "status", "aria-live": "polite" });
    const field = element("div", { class: "field wide" }, element("label", { for: id }, label), input, error);
    function read() {
      error.replaceChildren();
      input.removeAttribute("aria-invalid");
      try {
        const tree = DualFormula.parse(input.value);
        changed(tree);
      } catch (problem) {
        if (!(problem instanceof DualFormula.FormulaError)) throw problem;
        input.setAttribute("aria-invalid", "true");
        const all = input.value + " ", end = Math.max(problem.end, problem.start + 1);
        error.append(
          element("code", {}, all.slice(0, problem.start), element("mark", {}, all.slice(problem.start, end)), all.slice(end)),
          element("span", {}, `At ${problem.start + 1}: ${problem.message}.`),
        );
        changed(null);
      }
    }
    input.addEventListener("input", read);
    return { field, input, read, set(value) { input.value = value; read(); } };
  }

  /* A number to type, or to slide. read() is the number, or NaN. */
  function numberField(label, value, changed, more) {
    const id = fresh("number");
    const input = element("input", { id, type: "number", step: "any", value: String(value), oninput: changed, ...more });
    return { field: element("div", { class: "field" }, element("label", { for: id }, label), input), input, read: () => input.valueAsNumber };
  }

  function slider(label, from, to, step, value, changed, shown) {
    const id = fresh("slider"), output = element("output", { for: id });
    const input = element("input", { id, type: "range", min: from, max: to, step, value });
    const say = () => { output.textContent = shown(input.valueAsNumber); input.setAttribute("aria-valuetext", output.textContent); };
    input.addEventListener("input", () => { say(); changed(); });
    say();
    return {
      field: element("div", { class: "field slider" }, element("label", { for: id }, label), input, output),
      input, read: () => input.valueAsNumber, say,
    };
  }

  function choice(label, options, value, changed) {
    const id = fresh("choice");
    const input = element("select", { id, onchange: changed }, ...Object.entries(options).map(
      ([name, text]) => element("option", { value: name, selected: name === value }, text)));
    return { field: element("div", { class: "field" }, element("label", { for: id }, label), input), input, read: () => input.value };
  }

  /* The steps of an evaluation as a table. Pointing at a row, or focusing it, calls pointed(step or null). */
  function stepsTable(inputs, steps, pointed) {
    const { format } = DualFormula, head = ["", "operation", "value", "tangent", "how the tangent comes about"];
    const rows = inputs.map(({ name, value, seed }) => row(["", name, "given", format(value), format(seed), "the seed"], null));
    for (const step of steps) {
      const rule = element("td", { class: "rule" }, filled(step), element("small", {}, inNumbers(step)), step.remark ? element("em", {}, step.remark) : "");
      rows.push(row([step.op, step.name, step.text, format(step.value), format(step.tangent)], step, rule));
    }
    function row([, name, text, value, tangent, rule], step, cell) {
      return element("tr", {
        tabindex: step ? "0" : false,
        onmouseenter: () => pointed && pointed(step), onmouseleave: () => pointed && pointed(null),
        onfocus: () => pointed && pointed(step), onblur: () => pointed && pointed(null),
      }, element("th", { scope: "row" }, name), element("td", { class: "operation" }, text),
      element("td", { class: "primal" }, value), element("td", { class: "tangent" }, tangent), cell || element("td", { class: "rule" }, rule));
    }
    return element("div", { class: "scrolls" }, element("table", { class: "steps" },
      element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows)));
  }

  /* A rule with the names of its operands in the place of u and w; a tangent has a dot above. */
  function filled(step) {
    return step.rule.replace(/([uw])('?)/g, (_, which, moves) => {
      const name = step.operands[which === "u" ? 0 : 1];
      return moves ? `${name[0]}\u0307${name.slice(1)}` : name;
    });
  }

  /* The same with numbers in place of names. */
  function inNumbers(step) {
    if (step.tangent === null) return "";
    const shown = (x) => (x < 0 ? `(${DualFormula.format(x)})` : DualFormula.format(x));
    const number = (which, moves) => (moves ? step.tangents : step.values)[which === "u" ? 0 : 1];
    const text = step.rule.replace(/([uw])('?)/g, (_, which, moves) => shown(number(which, moves)));
    return `= ${text.replace(/\(\(([^()]*)\)\)/g, "($1)")}`;
  }

  // ------------------------------------------------------------------ a plot

  /* Round numbers between two, about so many. */
  function ticks(low, high, about) {
    const rough = (high - low) / about, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough), found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) found.push(k * step);
    return found;
  }

  /* Axes for x and y in ranges; X and Y take numbers to places, inside is where to draw, cut off at the frame. */
  function plot(label, [x0, x1], [y0, y1], { xlabel = "", ylabel = "" } = {}) {
    const room = document.querySelector(".interactive").clientWidth || 560;
    const width = Math.max(280, Math.min(560, room)), height = Math.round(width * (width < 450 ? 0.8 : 0.64));
    const left = 52, right = 12, top = 12, bottom = 44, id = fresh("frame");
    const X = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
    const Y = (y) => height - bottom - ((y - y0) / (y1 - y0)) * (height - top - bottom);
    const inside = shape("g", { "clip-path": `url(#${id})` }), axes = shape("g", { class: "axes" });
    for (const x of ticks(x0, x1, 6)) {
      axes.append(shape("line", { x1: X(x), x2: X(x), y1: Y(y0), y2: Y(y1) }), shape("text", { x: X(x), y: height - bottom + 18, "text-anchor": "middle" }, DualFormula.format(+x.toPrecision(6))));
    }
    for (const y of ticks(y0, y1, 5)) {
      axes.append(shape("line", { x1: X(x0), x2: X(x1), y1: Y(y), y2: Y(y) }), shape("text", { x: left - 8, y: Y(y) + 5, "text-anchor": "end" }, DualFormula.format(+y.toPrecision(6))));
    }
    axes.append(shape("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, xlabel));
    axes.append(shape("text", { x: 14, y: (top + height - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${(top + height - bottom) / 2})` }, ylabel));
    const picture = shape("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
      shape("clipPath", { id }, shape("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom })),
      axes, inside);
    return { picture, inside, X, Y };
  }

  /* The d of a path through points, broken where one is not finite or far beyond the frame. */
  function path(points) {
    let d = "", on = false;
    for (const [x, y] of points) {
      const seen = Number.isFinite(y) && Math.abs(y) < 1e5;
      if (seen) d += `${on ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
      on = seen;
    }
    return d || "M0 0";
  }

  root.Parts = { element, shape, formulaField, numberField, slider, choice, stepsTable, plot, path };
})(globalThis);
