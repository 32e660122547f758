// An image: dropped, chosen, pasted, or drawn.

import { made } from "./elements.js";

const SIDE = 280;
const STEP = 8;

export class ImageInput {
  // changed: called with the body and its type whenever there is another image.
  constructor(inputs, changed) {
    this.inputs = inputs;
    this.changed = changed;
    this.picture = made("img", { alt: "the image that was asked about" });
    this.heat = made("canvas", { className: "heat", hidden: true });
    this.stage = made("div", { className: "stage", hidden: true }, this.picture, this.heat);
    this.element = made("div", {}, this.dropZone(), this.stage, this.drawing());
    document.addEventListener("paste", (event) => this.take(event.clipboardData.files[0]));
  }

  dropZone() {
    const file = made("input", { type: "file", accept: "image/*", id: "file" });
    file.addEventListener("change", () => {
      this.take(file.files[0]);
      file.value = ""; // so that the same file may be chosen again
    });
    const button = made("label", { className: "button" }, "Choose an image", file);
    const zone = made("div", { className: "drop" }, made("span", {}, "Drop or paste an image here"), button);
    for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => over(event, true));
    for (const name of ["dragleave", "drop"]) zone.addEventListener(name, (event) => over(event, false));
    zone.addEventListener("drop", (event) => this.take(event.dataTransfer.files[0]));
    const over = (event, is) => {
      event.preventDefault();
      zone.classList.toggle("over", is);
    };
    return zone;
  }

  drawing() {
    const dark = this.inputs.mean.reduce((sum, value) => sum + value, 0) / this.inputs.mean.length < 0.5;
    const paper = made("canvas", { className: "paper", width: SIDE, height: SIDE, tabIndex: 0, id: "paper" });
    paper.setAttribute("role", "application"); // the arrow keys are its own
    paper.setAttribute("aria-label", "Paper: draw with the pointer, or with the arrow keys while the space bar is down");
    new Pen(paper, dark, () => paper.toBlob((blob) => this.show(blob)));
    const clear = made("button", { type: "button", className: "quiet", onclick: () => wipe(paper, dark) }, "Clear");
    return made(
      "details", { id: "drawing" }, made("summary", {}, "Draw one"),
      made("div", { className: "stage" }, paper), made("div", { className: "line" }, clear),
    );
  }

  take(file) {
    if (file) this.show(file);
  }

  show(blob) {
    URL.revokeObjectURL(this.picture.src);
    this.picture.src = URL.createObjectURL(blob);
    this.stage.hidden = false;
    this.heat.hidden = true;
    this.changed(blob, blob.type || "application/octet-stream");
  }

  // Lays the map of an explanation over the image.
  explain({ map }) {
    const styles = getComputedStyle(document.documentElement);
    const most = Math.max(...map.flat().map(Math.abs)) || 1;
    this.heat.width = map[0].length;
    this.heat.height = map.length;
    const ink = this.heat.getContext("2d");
    map.forEach((row, down) => row.forEach((effect, across) => {
      ink.globalAlpha = 0.75 * Math.abs(effect) / most;
      ink.fillStyle = styles.getPropertyValue(effect < 0 ? "--bad" : "--accent");
      ink.fillRect(across, down, 1, 1);
    }));
    this.heat.hidden = false;
    return made("p", { className: "note" }, "Blue: what spoke for the answer. Red: what spoke against it.");
  }
}

function wipe(paper, dark) {
  const ink = paper.getContext("2d");
  ink.fillStyle = dark ? "#000" : "#fff";
  ink.fillRect(0, 0, SIDE, SIDE);
}

// Draws lines on a canvas, and tells when one has ended.
class Pen {
  constructor(paper, dark, ended) {
    this.paper = paper;
    this.ended = ended;
    this.at = { x: SIDE / 2, y: SIDE / 2 };
    this.down = false;
    wipe(paper, dark);
    this.ink = paper.getContext("2d");
    Object.assign(this.ink, { lineWidth: SIDE / 14, lineCap: "round", lineJoin: "round", strokeStyle: dark ? "#fff" : "#000" });
    paper.addEventListener("pointerdown", (event) => this.start(event));
    paper.addEventListener("pointermove", (event) => this.down && this.to(this.place(event)));
    for (const name of ["pointerup", "pointercancel"]) paper.addEventListener(name, () => this.stop());
    paper.addEventListener("keydown", (event) => this.key(event));
    paper.addEventListener("keyup", (event) => event.key === " " && this.stop());
    paper.addEventListener("blur", () => this.stop());
  }

  place(event) {
    const box = this.paper.getBoundingClientRect();
    return { x: (event.clientX - box.left) * SIDE / box.width, y: (event.clientY - box.top) * SIDE / box.height };
  }

  start(event) {
    this.paper.setPointerCapture(event.pointerId);
    this.down = true;
    this.at = this.place(event);
    this.to(this.at);
  }

  key(event) {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    const move = moves[event.key];
    if (event.key === " ") this.down = true;
    if (!move && event.key !== " ") return;
    event.preventDefault();
    const within = (place) => Math.min(SIDE, Math.max(0, place));
    const next = move ? { x: within(this.at.x + move[0]), y: within(this.at.y + move[1]) } : this.at;
    if (this.down) this.to(next);
    this.at = next;
  }

  to(next) {
    this.ink.beginPath();
    this.ink.moveTo(this.at.x, this.at.y);
    this.ink.lineTo(next.x, next.y);
    this.ink.stroke();
    this.at = next;
  }

  stop() {
    if (this.down) this.ended();
    this.down = false;
  }
}
