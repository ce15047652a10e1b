/* The dual-number calculator: a formula, a value and a seed for each of its variables, and every step. */
(function () {
  "use strict";
  const { element, formulaField, numberField, stepsTable } = Parts, { evaluate, variables, format } = DualFormula;
  const EXAMPLES = [
    "sin(x^2)", "ln(x) + x*y - sin(y)", "x / (1 + exp(-x))", "sqrt(abs(x))", "x^y", "exp(-x^2/2) / sqrt(2*pi)",
  ];

  function start(place) {
    // without a prototype: a variable may be called constructor
    let fields = Object.create(null), tree = null;
    const kept = Object.assign(Object.create(null), { x: ["2", "1"], y: ["5", "0"] });
    const formula = formulaField("A formula, such as sin(x^2) or x*y", place.dataset.formula || EXAMPLES[1], (found) => { tree = found; ask(); show(); });
    const examples = element("div", { class: "examples" }, element("span", {}, "Try "), ...EXAMPLES.map(
      (text) => element("button", { type: "button", onclick: () => formula.set(text) }, text)));
    const inputs = element("div", { class: "inputs" }), result = element("p", { class: "result", "aria-live": "polite" });
    const where = element("p", { class: "where", "aria-hidden": "true" }), steps = element("div");
    place.replaceChildren(formula.field, examples, inputs, result, where, steps);

    function ask() {
      if (!tree) return;
      for (const [name, [value, seed]] of Object.entries(fields)) kept[name] = [value.input.value, seed.input.value];
      fields = Object.create(null);
      for (const name of variables(tree)) {
        const [value, seed] = kept[name] || ["1", "0"];
        fields[name] = [numberField(name, value, show), numberField("tangent", seed, show)];
        fields[name][1].input.setAttribute("aria-label", `tangent of ${name}`);
      }
      inputs.replaceChildren(...Object.values(fields).map(([value, seed]) => element("fieldset", {}, value.field, seed.field)));
    }

    function show() {
      result.replaceChildren();
      steps.replaceChildren();
      point(null);
      if (!tree) return;
      const at = Object.create(null), lacking = [];
      for (const [name, [value, seed]] of Object.entries(fields)) {
        at[name] = { name, value: value.read(), seed: seed.read() };
        if (Number.isNaN(at[name].value)) lacking.push(name);
        if (Number.isNaN(at[name].seed)) lacking.push(`the tangent of ${name}`);
      }
      if (lacking.length) { result.append(`Give ${lacking.join(" and ")} a number.`); return; }
      const found = evaluate(tree, at), names = Object.keys(at);
      const call = names.length ? `f(${names.map((name) => `${format(at[name].value)} ${plus(at[name].seed)} ε`).join(", ")})` : "f";
      result.append(`${call} = `, element("b", { class: "primal" }, format(found.value)), " ",
        element("b", { class: "tangent" }, plus(found.tangent)), " ε");
      steps.append(stepsTable(Object.values(at), found.steps, point));
    }

    const plus = (x) => (x < 0 ? `− ${format(-x)}` : `+ ${format(x)}`);

    function point(step) {
      const text = formula.input.value;
      where.replaceChildren(...(step ? [text.slice(0, step.start), element("mark", {}, text.slice(step.start, step.end)), text.slice(step.end)] : [tree ? text : ""]));
    }

    formula.read();
  }

  document.querySelectorAll("[data-interactive=calculator]").forEach(start);
})();
