// What was answered, why, and what it should have been.

import { ask } from "./ask.js";
import { bar, found, made } from "./elements.js";

const SHOWN = 10;

export class Answer {
  // input: what was asked from; fail: told what went wrong.
  constructor(card, input, fail) {
    Object.assign(this, { card, input, fail, asked: 0 });
    this.classes = card.target.kind === "classes";
    this.truth = this.classes
      ? made("select", { id: "truth", required: true }, made("option", { value: "" }, "…"), ...card.target.labels.map((label) => made("option", { value: label }, label)))
      : made("input", { id: "truth", type: "number", step: "any", required: true });
    found("truth-place").append(this.truth);
    found("correction").hidden = !card.feedback;
    found("why").addEventListener("click", () => this.explain());
    found("all").addEventListener("click", () => this.bars(Infinity));
    found("correction").addEventListener("submit", (event) => this.correct(event));
  }

  // Asks, and shows what came of it, unless something else was asked meanwhile. An answer to what was asked before is not
  // to be explained or corrected beside another input.
  async show(body, type) {
    const asked = ++this.asked;
    const began = performance.now();
    found("answer").inert = true;
    const [answer, fault] = await ask("predict", body, type).then((told) => [told, null], (error) => [null, error]);
    if (asked !== this.asked) return;
    this.fail(fault);
    found("answer").inert = false;
    found("answer").hidden = !answer;
    found("nothing").hidden = Boolean(answer);
    if (answer) this.tell(answer, body, type, performance.now() - began);
  }

  tell(answer, body, type, took) {
    Object.assign(this, { answer, body, type });
    found("verdict").textContent = this.classes ? answer.label : `${Number(answer.value.toPrecision(6))}`;
    found("sure").textContent = this.classes ? percent(answer.confidence) : answer.name;
    found("origin").textContent = `Version ${answer.version}, ${took.toFixed(0)} ms, request ${answer.request_id}.`;
    found("other").hidden = answer.version === this.card.version;
    found("shown-version").textContent = this.card.version;
    found("explanation").replaceChildren();
    found("thanks").textContent = "";
    this.truth.value = "";
    this.bars(SHOWN);
  }

  bars(most) {
    const shares = Object.entries(this.answer.probabilities ?? {}).sort(([, one], [, other]) => other - one);
    const shown = shares.slice(0, most).map(([label, share]) => bar(label, share, percent(share)));
    found("shares").replaceChildren(...shown);
    found("all").hidden = shown.length === shares.length;
    found("all").textContent = `All ${shares.length} classes`;
  }

  async explain() {
    await this.busy("why", async () => {
      const asked = this.asked;
      const { explanation } = await ask("explain?top=1", this.body, this.type);
      if (asked !== this.asked) return;
      const method = made("p", { className: "note" }, `Method: ${explanation.method}.`);
      found("explanation").replaceChildren(this.input.explain(explanation), method);
    });
  }

  async correct(event) {
    event.preventDefault();
    const truth = this.classes ? { label: this.truth.value } : { value: Number(this.truth.value) };
    const button = event.submitter ?? found("correction").querySelector("button");
    await this.busy(button, async () => {
      const asked = this.asked;
      const kept = await ask("feedback", JSON.stringify({ request_id: this.answer.request_id, ...truth }), "application/json");
      if (asked !== this.asked) return;
      found("thanks").textContent = `Thank you: it is kept for the answer of version ${kept.version}.`;
    });
  }

  async busy(button, work) {
    const pressed = typeof button === "string" ? found(button) : button;
    pressed.disabled = true;
    try {
      this.fail(null);
      await work();
    } catch (error) {
      this.fail(error);
    } finally {
      pressed.disabled = false;
    }
  }
}

const percent = (share) => `${(share * 100).toFixed(1)} %`;
