// Elements, numbers and words as people read them.
import { t, language } from "./words.js";

/** An element: h("p", {class: "quiet"}, "text", other, ...); on... are listeners, null is left out. */
export function h(tag, given = {}, ...inside) {
  const svg = ["svg", "path", "line", "g", "text", "circle", "rect", "polygon", "title"].includes(tag);
  const made = svg && tag !== "title"
    ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") made.style.cssText = value; // as an attribute the page forbids it
    else if (["value", "checked", "disabled", "selected", "open"].includes(name)) made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...inside.flat().filter((x) => x !== null && x !== undefined && x !== false));
  return made;
}

/** A button that is a link to a place of the page. */
export const link = (to, text, kind = "button") => h("a", { href: to, class: kind }, text);

/** Say something to everybody, those who only hear included. */
let fading;
export function say(text, bad = false) {
  const place = document.getElementById("said");
  place.textContent = t(text);
  place.className = text ? (bad ? "shown bad" : "shown") : "";
  clearTimeout(fading);
  fading = setTimeout(() => { place.className = ""; }, bad ? Math.max(12000, 100 * text.length) : 5000);
}

/** A number with as many digits as it deserves. */
export function number(x) {
  if (x === null || x === undefined) return "–";
  if (Number.isInteger(x)) return x.toLocaleString("en");
  const size = Math.abs(x);
  if (size >= 1000) return Math.round(x).toLocaleString("en");
  if (size >= 0.001) return String(Number(x.toPrecision(4)));
  return x === 0 ? "0" : x.toExponential(2);
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB"];
  let i = 0;
  while (count >= 1000 && i < 3) { count /= 1000; i += 1; }
  return `${i ? count.toFixed(1) : count} ${units[i]}`;
}

/** How long ago, in the words of the language. */
export function ago(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const form = new Intl.RelativeTimeFormat(language(), { numeric: "auto", style: "short" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= size) return form.format(-Math.floor(seconds / size), unit);
  }
  return t("now");
}

/** What a setting's value looks like. */
export function value(x) {
  if (Array.isArray(x)) return x.map(value).join(", ");
  if (x === null || x === undefined) return "–";
  if (typeof x === "object") return JSON.stringify(x);
  return String(x);
}

export const state = (name) => h("span", { class: `state ${name}` }, t(`state_${name}`));

export function table(header, rows, kind = "") {
  return h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": header.filter(Boolean).join(", ") }, h("table", { class: header.length > 2 ? `${kind} stacked` : kind }, // on a phone
    h("thead", {}, h("tr", {}, header.map((x) => h("th", { scope: "col" }, x)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((x, i) =>
      h(i ? "td" : "th", i ? { "data-label": header[i] } : { scope: "row" }, x)))))));
}
