/* What is under the mouse, a finger or the arrow keys on a chart, in words beside it. */

import { shape } from "./charts.js";

export class Cursor {
  #points = []; // { x, y, words }, in pixels, from left to right
  #at = null; // where it points, in pixels; null: nowhere
  #svg;
  #words;

  constructor(svg) {
    this.#svg = svg;
    this.#words = svg.parentElement.querySelector("output");
    const move = (event) => this.#to(event.clientX - svg.getBoundingClientRect().left);
    svg.addEventListener("pointermove", move);
    svg.addEventListener("pointerdown", move);
    svg.addEventListener("pointerleave", () => this.#to(null));
    svg.addEventListener("blur", () => this.#to(null));
    svg.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The chart was drawn again, with these points. */
  follow(points) {
    this.#points = points ?? [];
    this.#show("off"); // ten times a second is nothing to be read out
  }

  #to(x, live = "off") {
    this.#at = x;
    this.#show(live);
  }

  #key(event) {
    const last = this.#points.length - 1;
    const now = this.#at === null ? last : this.#nearest();
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last, Escape: null }[event.key];
    if (next === undefined || last < 0) return;
    event.preventDefault();
    this.#to(next === null ? null : this.#points[Math.max(0, Math.min(next, last))].x, "polite");
  }

  #nearest() {
    let best = 0;
    this.#points.forEach(({ x }, index) => {
      if (Math.abs(x - this.#at) < Math.abs(this.#points[best].x - this.#at)) best = index;
    });
    return best;
  }

  #show(live) {
    const mark = this.#svg.querySelector(".cursor");
    const point = this.#at === null ? undefined : this.#points[this.#nearest()];
    mark.replaceChildren();
    this.#words.ariaLive = live;
    this.#words.textContent = point?.words ?? "";
    if (point === undefined) return;
    const { x, y } = point;
    mark.append(shape("path", { d: `M${x} 0V${this.#svg.clientHeight}` }), shape("circle", { cx: x, cy: y, r: 3.5 }));
    const room = this.#svg.clientWidth - this.#words.offsetWidth;
    this.#words.style.left = `${Math.max(0, Math.min(x - this.#words.offsetWidth / 2, room))}px`;
  }
}
