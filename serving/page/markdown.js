// The little of Markdown that a model card is written in: headings, paragraphs, lists, tables, code.

import { made } from "./elements.js";

export function rendered(text) {
  return text.split(/\n{2,}/).flatMap((part) => split(part.trim())).filter((part) => part).map(block);
}

// A heading ends with its line, whatever follows it.
function split(text) {
  const [first, ...rest] = text.split("\n");
  return first.startsWith("#") && rest.length ? [first, ...split(rest.join("\n"))] : [text];
}

function block(text) {
  const lines = text.split("\n");
  const heading = /^(#{1,3}) (.*)/.exec(lines[0]);
  if (heading) return made(`h${heading[1].length}`, {}, ...inline(heading[2]));
  if (lines[0].startsWith("|")) return table(lines);
  if (lines[0].startsWith("- ")) return made("ul", {}, ...lines.map((line) => made("li", {}, ...inline(line.replace(/^- /, "")))));
  return made("p", {}, ...inline(lines.join(" ")));
}

function table(lines) {
  const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const [head, , ...body] = lines.map(cells); // the second line is the rule below the head
  const row = (name, values) => made("tr", {}, ...values.map((value) => made(name, {}, ...inline(value))));
  return made("table", {}, made("thead", {}, row("th", head)), made("tbody", {}, ...body.map((values) => row("td", values))));
}

function inline(text) {
  return unescaped(text).split(/(`[^`]+`)/).map((part) => (part.startsWith("`") ? made("code", {}, part.slice(1, -1)) : part));
}

// The card's template escapes what HTML would take for its own; here everything is text.
function unescaped(text) {
  const letters = { "&lt;": "<", "&gt;": ">", "&#34;": '"', "&#39;": "'", "&amp;": "&" };
  return text.replace(/&(lt|gt|#34|#39|amp);/g, (name) => letters[name]);
}
