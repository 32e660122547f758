// A text, typed or pasted.

import { made } from "./elements.js";

export class TextInput {
  constructor(inputs, changed) {
    const text = made("textarea", { id: "text", required: true, spellcheck: false });
    const ask = made("button", {}, "Ask");
    const form = made("form", {}, made("label", { htmlFor: "text" }, `A text; the first ${inputs.length} tokens are read.`), text, made("div", { className: "line" }, ask));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      changed(JSON.stringify({ inputs: text.value }), "application/json");
    });
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.element = form;
  }

  explain({ tokens }) {
    const most = Math.max(...tokens.map(({ effect }) => Math.abs(effect))) || 1;
    const marked = tokens.map(({ text, effect }) => {
      const span = made("span", { title: effect.toFixed(4) }, text);
      const strength = Math.round(70 * Math.abs(effect) / most);
      span.style.background = `color-mix(in srgb, var(${effect < 0 ? "--bad" : "--accent"}) ${strength}%, transparent)`;
      return span;
    });
    return made(
      "div", {}, made("p", { className: "tokens", dir: "auto" }, ...marked),
      made("p", { className: "note" }, "Blue: what spoke for the answer. Red: what spoke against it."),
    );
  }
}
