// The page: asks what is served, and lets a person ask it.

import { Answer } from "./answer.js";
import { ask, useKey } from "./ask.js";
import { found } from "./elements.js";
import { ImageInput } from "./images.js";
import { rendered } from "./markdown.js";
import { RowInput } from "./rows.js";
import { TextInput } from "./texts.js";

const INPUTS = { images: ImageInput, texts: TextInput, rows: RowInput };

function fail(error) {
  found("fault").hidden = !error;
  found("fault").textContent = error?.message ?? "";
  if (error?.status === 401) found("key").hidden = false;
}

let shown = false;

function show(card) {
  shown = true;
  const task = card.task.replaceAll("_", " ");
  document.title = `${card.name} – tunesmith`;
  found("name").textContent = ` / ${card.name}`;
  found("task").textContent = task[0].toUpperCase() + task.slice(1);
  found("about").textContent = `Version ${card.version}, served since ${new Date(card.since).toLocaleString()}.`;
  let answer;
  const input = new INPUTS[card.inputs.kind](card.inputs, (body, type) => answer.show(body, type));
  answer = new Answer(card, input, fail);
  found("input").append(input.element);
  found("card-text").replaceChildren(...rendered(card.card));
  for (const id of ["main", "card"]) found(id).hidden = false;
}

async function begin() {
  try {
    const card = await ask("card");
    found("key").hidden = true;
    fail(null);
    show(card);
  } catch (error) {
    found("task").textContent = "Not ready";
    fail(error);
  }
}

found("key").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(found("key-value").value.trim());
  if (shown) location.reload();
  else begin();
});
begin();
