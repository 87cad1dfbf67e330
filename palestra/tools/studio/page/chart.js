// Curves: lines with bands, that grow; read by pointer or by arrow keys.
import { h, number } from "./dom.js";
import { t } from "./words.js";

const ROOM = { left: 56, right: 14, top: 12, bottom: 34 };

/** Round numbers that divide a span. */
function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((x) => x * power).find((x) => x >= raw);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high + step / 1e6; i += 1) found.push(i * step);
  return found;
}

const short = (x) => (Math.abs(x) >= 1e6 ? `${Number((x / 1e6).toPrecision(4))}M`
  : Math.abs(x) >= 1e4 ? `${Number((x / 1e3).toPrecision(4))}k` : number(Number(x.toPrecision(6))));

/** A chart; draw([{name, points: [[x, y, low, high], ...], look}]) shows it anew. */
export class Chart {
  constructor({ title, height = 300, threshold = null, legend = true }) {
    Object.assign(this, { title, height, threshold, series: [], at: null });
    this.svg = h("svg", { role: "img", tabindex: "0", class: "plot" });
    this.tip = h("div", { class: "tip", "aria-live": "polite" });
    this.legend = h("div", { class: "legend", hidden: !legend });
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, title),
      h("div", { class: "canvas" }, this.svg, this.tip), this.legend);
    this.svg.addEventListener("pointermove", (event) => {
      const box = this.svg.getBoundingClientRect();
      this.look(this.scale && this.scale.back(event.clientX - box.left));
    });
    this.svg.addEventListener("pointerleave", () => this.look(null));
    this.svg.addEventListener("blur", () => this.look(null));
    this.svg.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!way || !this.xs.length) return;
      event.preventDefault();
      const now = this.at === null ? this.xs.length - 1 : this.xs.findIndex((x) => x >= this.at);
      this.look(this.xs[Math.min(Math.max(now + way, 0), this.xs.length - 1)]);
    });
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(this.element);
  }

  draw(series) {
    this.series = series.filter((one) => one.points.length);
    this.xs = [...new Set(this.series.flatMap((one) => one.points.map((p) => p[0])))].sort((a, b) => a - b);
    this.paint();
  }

  paint() {
    const width = Math.max(this.element.clientWidth, 200), { height } = this;
    const points = this.series.flatMap((one) => one.points);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", height);
    const spoken = this.series.map((one) => `${one.name}: ${number(one.points.at(-1)[1])}`).join("; ");
    this.svg.setAttribute("aria-label", `${this.title}. ${spoken || t("nothing_yet")}`);
    if (!points.length) {
      this.svg.replaceChildren(h("text", { x: width / 2, y: height / 2, class: "empty" }, t("nothing_yet")));
      return;
    }
    const ys = points.flatMap((p) => [p[1], p[2] ?? p[1], p[3] ?? p[1]]);
    if (this.threshold !== null) ys.push(this.threshold);
    let low = ys.reduce((a, b) => Math.min(a, b)), high = ys.reduce((a, b) => Math.max(a, b));
    if (low === high) { low -= Math.abs(low) / 10 || 1; high += Math.abs(high) / 10 || 1; }
    const margin = (high - low) * 0.05;
    low -= margin; high += margin;
    const end = this.xs.at(-1) || 1;
    const x = (value) => ROOM.left + (value / end) * (width - ROOM.left - ROOM.right);
    const y = (value) => ROOM.top + (1 - (value - low) / (high - low)) * (height - ROOM.top - ROOM.bottom);
    const back = (place) => ((place - ROOM.left) / (width - ROOM.left - ROOM.right)) * end;
    this.scale = { x, y, back, width };
    const grid = ticks(low, high, Math.max(2, height / 60)).map((v) => h("g", {},
      h("line", { x1: ROOM.left, x2: width - ROOM.right, y1: y(v), y2: y(v), class: "grid" }),
      h("text", { x: ROOM.left - 8, y: y(v) + 4, class: "tick y" }, short(v))));
    const below = ticks(0, end, Math.max(2, width / 120)).map((v) =>
      h("text", { x: x(v), y: height - ROOM.bottom + 18, class: x(v) > width - 3 * ROOM.right ? "tick end" : "tick x" }, short(v)));
    const name = h("text", { x: width - ROOM.right, y: height - 2, class: "tick end" }, t("steps"));
    const solved = this.threshold === null ? [] : [h("line", {
      x1: ROOM.left, x2: width - ROOM.right, y1: y(this.threshold), y2: y(this.threshold), class: "solved" })];
    const drawn = this.series.map((one) => {
      const line = one.points.map((p, i) => `${i ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("");
      const banded = one.points.filter((p) => p[2] !== undefined && p[2] !== null && p[3] !== null);
      const band = banded.length > 1 && [...banded.map((p) => [p[0], p[3]]), ...banded.map((p) => [p[0], p[2]]).reverse()]
        .map((p, i) => `${i ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("");
      return h("g", { class: `curve look${one.look % 8} ${one.kind || ""}` },
        band && h("path", { d: `${band}Z`, class: "band" }), h("path", { d: line, class: "line" }),
        one.points.length === 1 && h("circle", { cx: x(one.points[0][0]), cy: y(one.points[0][1]), r: 3 }));
    });
    this.cursor = h("g", { class: "cursor" });
    this.svg.replaceChildren(...grid, ...below, name, ...solved, ...drawn, this.cursor);
    this.legend.replaceChildren(...this.series.map((one) => h("span", { class: `key look${one.look % 8} ${one.kind || ""}` },
      h("i", { "aria-hidden": "true" }), one.name)),
      this.threshold === null ? "" : h("span", { class: "key solved" }, h("i", { "aria-hidden": "true" }), `${t("solved_at")} ${number(this.threshold)}`));
    if (this.at !== null) this.look(this.at);
  }

  /** Show the numbers near a place. */
  look(at) {
    this.at = at;
    if (!this.cursor || !this.scale) return;
    if (at === null || !this.xs.length) {
      this.cursor.replaceChildren();
      this.tip.hidden = true;
      return;
    }
    const near = this.series.map((one) => {
      let low = 0, high = one.points.length - 1;
      while (low < high) { const mid = (low + high) >> 1; if (one.points[mid][0] < at) low = mid + 1; else high = mid; }
      if (low && at - one.points[low - 1][0] < one.points[low][0] - at) low -= 1;
      return [one, one.points[low]];
    });
    const closest = near.reduce((a, b) => (Math.abs(b[1][0] - at) < Math.abs(a[1][0] - at) ? b : a))[1][0];
    const { x, y, width } = this.scale;
    this.cursor.replaceChildren(
      h("line", { x1: x(closest), x2: x(closest), y1: ROOM.top, y2: this.height - ROOM.bottom }),
      ...near.map(([one, p]) => h("circle", { class: `look${one.look % 8}`, cx: x(p[0]), cy: y(p[1]), r: 3.5 })));
    this.tip.hidden = false;
    this.tip.replaceChildren(h("b", {}, `${t("step")} ${number(closest)}`), ...near.map(([one, p]) =>
      h("span", { class: `key look${one.look % 8} ${one.kind || ""}` }, h("i", {}), `${one.name} `, h("b", {}, number(p[1])),
        p[2] !== undefined && p[2] !== null ? ` [${number(p[2])}, ${number(p[3])}]` : "")));
    const right = x(closest) > width / 2;
    this.tip.style.left = right ? "auto" : `${x(closest) + 12}px`;
    this.tip.style.right = right ? `${width - x(closest) + 12}px` : "auto";
  }

  close() { this.watch.disconnect(); }
}
