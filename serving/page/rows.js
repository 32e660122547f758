// A row: a field for each column.

import { bar, made } from "./elements.js";

export class RowInput {
  constructor(inputs, changed) {
    this.fields = inputs.columns.map((column) => [column, field(column, inputs.missing)]);
    const boxes = this.fields.map(([column, input]) => made("label", {}, column.name, input, hint(column)));
    const form = made("form", {}, made("div", { className: "columns" }, ...boxes), made("div", { className: "line" }, made("button", {}, "Ask")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      changed(JSON.stringify({ inputs: this.row() }), "application/json");
    });
    this.element = form;
  }

  row() {
    const value = (column, input) => (column.kind !== "numeric" ? input.value : input.value === "" ? null : Number(input.value));
    return Object.fromEntries(this.fields.map(([column, input]) => [column.name, value(column, input)]));
  }

  explain({ columns }) {
    const most = Math.max(...columns.map(({ effect }) => Math.abs(effect))) || 1;
    const sorted = [...columns].sort((one, other) => Math.abs(other.effect) - Math.abs(one.effect));
    const bars = sorted.map(({ name, effect }) => bar(name, effect / most, Number(effect.toPrecision(3)).toString()));
    return made(
      "div", {}, made("ol", { className: "bars" }, ...bars),
      made("p", { className: "note" }, "Blue: the value raises the answer, against a usual one. Red: it lowers it."),
    );
  }
}

function field(column, missing) {
  if (column.kind === "numeric") {
    return made("input", { type: "number", step: "any", required: missing === "refuse", value: column.median });
  }
  return made("select", {}, ...column.categories.map((category) => made("option", { value: category }, category)));
}

function hint(column) {
  const number = (value) => Number(value.toPrecision(4)).toString();
  return made("small", {}, column.kind === "numeric" ? `${number(column.low)} to ${number(column.high)} in training` : "");
}
