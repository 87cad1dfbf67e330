// Which page is shown, in which language and light.
import { h, say } from "./dom.js";
import { language, speak, t } from "./words.js";
import { runs } from "./runs.js";
import { run } from "./run.js";
import { compare } from "./compare.js";
import { play } from "./play.js";
import { train } from "./train.js";
import { learn } from "./learn.js";

const PAGES = { runs, run, compare, play, train, learn };
const NAV = ["runs", "train", "learn"];
const place = document.getElementById("main");
let leave = () => {}, drawn = Promise.resolve(), turns = 0;

/** The page of the address, and what stands behind it: #/play?run=a&agent=best */
function wanted() {
  const [name, query] = location.hash.replace(/^#\/?/, "").split("?");
  return [name in PAGES ? name : "runs", new URLSearchParams(query || "")];
}

const show = () => { drawn = draw(); };

/** Draw a page; in another language the same one, in which all goes on and what was filled in stays, but what the studio itself tells (data-told). */
async function draw(same = false) {
  const [name, given] = wanted(), turn = turns += 1, before = [...place.querySelectorAll("input[id]:not([data-told]), select[id]")].map((x) => [x.id, x.value, x.checked]), height = scrollY;
  const kept = same && leave.keep ? leave.keep() : null;
  if (!kept) leave();
  leave = kept ? Object.assign(() => kept.close(), { keep: () => kept }) : () => {};
  frame(name);
  const page = h("div", {}, h("p", { class: "quiet" }, t("loading")));
  place.replaceChildren(page);
  document.title = `${t(name)} · Palestra studio`;
  try {
    const left = (await PAGES[name](page, given, kept)) || (() => {});
    if (turn !== turns) { left(); return; } // another one is shown by now
    leave = left;
    if (!same) return;
    for (const [id, value, checked] of before) {
      const field = document.getElementById(id);
      if (field) Object.assign(field, field.type === "checkbox" ? { checked } : { value });
    }
    scrollTo(0, height);
  } catch (fault) {
    page.replaceChildren(h("div", { class: "card" }, h("h1", {}, t("cannot")), h("p", {}, t(fault.message)),
      h("a", { class: "button", href: "#/runs" }, t("runs"))));
  }
}

function frame(name) {
  document.documentElement.lang = language();
  document.getElementById("skip").textContent = t("skip");
  document.getElementById("nav").replaceChildren(...NAV.map((x) => h("a", {
    href: `#/${x}`, "aria-current": x === name ? "page" : null }, t(x))));
  const languages = document.getElementById("language");
  languages.value = language();
  languages.setAttribute("aria-label", t("language"));
  const theme = document.getElementById("theme");
  const dark = isDark();
  theme.textContent = dark ? "☀" : "☾";
  theme.setAttribute("aria-label", t(dark ? "light" : "dark"));
  theme.title = t(dark ? "light" : "dark");
}

const isDark = () => (document.documentElement.dataset.theme
  || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

if (localStorage.theme) document.documentElement.dataset.theme = localStorage.theme;
document.getElementById("theme").onclick = () => {
  localStorage.theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = localStorage.theme;
  frame(wanted()[0]);
  dispatchEvent(new Event("theme"));
};
document.getElementById("language").onchange = ({ target }) => { speak(target.value); drawn = drawn.then(() => draw(true)); };
document.getElementById("skip").onclick = (event) => { event.preventDefault(); place.focus(); };
addEventListener("hashchange", () => { say(""); show(); place.focus({ preventScroll: true }); scrollTo(0, 0); });
addEventListener("again", show); // what a page tells of has changed
show();
