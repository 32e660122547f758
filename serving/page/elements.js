// Elements, made of texts alone: nothing that a model or a server says is ever taken for HTML.

export const found = (id) => document.getElementById(id);

export function made(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// A bar with its name and its number; a share below zero is drawn as one against.
export function bar(name, share, number) {
  const filled = made("i", { className: share < 0 ? "against" : "" });
  filled.style.width = `${Math.min(1, Math.abs(share)) * 100}%`;
  return made("li", {}, made("bdi", {}, name), made("span", { className: "bar" }, filled), made("span", {}, number));
}
