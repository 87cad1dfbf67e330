// A form that starts a training, of the same fields as the command line's flags.
import { get, post } from "./api.js";
import { h, say, value } from "./dom.js";
import { t } from "./words.js";

const FIT = 11; // letters for which a field beside its name has room

export async function train(place, given) {
  const chosen = { algorithm: given.get("algorithm") || "dqn", env: given.get("env") || "CartPole-v1", preset: given.get("preset") || "" };
  let told, refused = "";
  try {
    told = await get("form", chosen);
  } catch (fault) {
    refused = fault.message;
    told = await get("form", { algorithm: "dqn", env: "CartPole-v1", preset: "" });
  }
  const go = (change) => { location.hash = `#/train?${new URLSearchParams({ ...chosen, preset: "", ...change })}`; };
  const wrong = h("p", { class: "finding fatal", role: "alert", hidden: !refused }, t(refused));
  const option = (name, now, words = name) => h("option", { value: name, selected: name === now }, words);
  const others = Object.keys(told.algorithms).filter((x) => !told.tuned.includes(x));
  const inputs = new Map();
  const start = h("button", { class: "strong", id: "begin", type: "submit" }, `▶ ${t("begin")}`);
  const wait = h("button", { id: "queue", type: "submit", value: "queue" }, t("queue_it"));

  const form = h("form", { novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    const queue = event.submitter === wait;
    const flags = {};
    for (const [name, [input, before]] of inputs) {
      const now = input.type === "checkbox" ? String(input.checked) : input.value.trim();
      if (now !== before) flags[name] = now;
      input.removeAttribute("aria-invalid");
    }
    start.disabled = wait.disabled = true;
    wrong.hidden = true;
    say(t(queue ? "queues" : "begins"));
    try {
      const { run } = await post("train", { algorithm: told.algorithm, env: told.env, preset: told.preset, flags, queue });
      say(t(queue ? "queued" : "begun"));
      location.hash = run ? `#/run?run=${encodeURIComponent(run)}` : "#/runs";
    } catch (fault) {
      say("");
      wrong.textContent = t(fault.message);
      wrong.hidden = false;
      const named = [...inputs].find(([name]) => fault.message.replace(/^-+/, "").replaceAll("-", "_").startsWith(`${name.replace("env.", "")} `));
      if (named) { named[1][0].setAttribute("aria-invalid", "true"); named[1][0].focus(); } else wrong.scrollIntoView({ block: "center" });
    }
    start.disabled = wait.disabled = false;
  } },
  h("section", { class: "card" }, h("div", { class: "tools flat" },
    h("label", {}, h("span", {}, t("environment")), h("input", { type: "text", id: "environment", list: "environments", value: told.env, onchange: (e) => go({ env: e.target.value.trim() }) }),
      h("datalist", { id: "environments" }, Object.entries(told.environments).map(([x, words]) => h("option", { value: x }, t(words))))),
    h("label", {}, h("span", {}, t("algorithm")), h("select", { id: "algorithm", onchange: (e) => go({ algorithm: e.target.value }) },
      told.tuned.length ? h("optgroup", { label: t("tuned") }, told.tuned.map((x) => option(x, told.algorithm))) : null,
      h("optgroup", { label: t("untuned") }, others.map((x) => option(x, told.algorithm))))),
    Object.keys(told.presets).length ? h("label", {}, h("span", {}, t("preset")), h("select", { id: "preset", onchange: (e) => go({ preset: e.target.value }) },
      Object.keys(told.presets).map((x) => option(x, told.preset)))) : null),
  h("p", { class: "quiet" }, t(told.algorithms[told.algorithm] || ""), " ", t(told.environments[told.env] || "")),
  told.presets[told.preset] ? h("p", { class: "quiet" }, h("b", {}, `${t("preset")} ${told.preset}: `), told.presets[told.preset].map(t).join(" ")) : null,
  wrong, h("div", { class: "line" }, start, wait, h("span", { class: "quiet" }, t("survives")))),
  ...Object.entries(told.groups).filter(([, all]) => all.length).map(([group, all]) => h("section", { class: "card" }, h("h2", {}, t(`group_${group}`)),
    h("div", { class: "form" }, all.map((x) => field(x))))));

  function field(x) {
    const before = x.value === null ? "" : x.kind === "bool" ? String(x.value) : value(x.value);
    const id = `set-${x.name}`;
    let input;
    if (x.kind === "bool") input = h("input", { type: "checkbox", id, checked: x.value });
    else if (x.kind === "choice") input = h("select", { id }, x.choices.map((one) => h("option", { value: one, selected: one === x.value }, one)));
    else input = h("input", { type: "text", id, value: before, autocomplete: "off", spellcheck: "false" });
    if (input.type === "text") {
      const grow = () => {
        input.classList.toggle("long", input.value.length > FIT);
        input.title = input.value.length > FIT ? input.value : "";
      };
      input.addEventListener("input", grow);
      grow();
    }
    input.setAttribute("aria-describedby", `${id}-said`);
    inputs.set(x.name, [input, before]);
    const said = x.said ? t(x.said) : t(`said_${x.name}`);
    return h("div", { class: "field" }, h("label", { for: id }, h("code", {}, x.name)), input,
      h("small", { id: `${id}-said`, class: "quiet" }, said, x.words ? ` (${t(x.words)})` : ""));
  }

  place.replaceChildren(h("div", { class: "title" }, h("h1", {}, t("train"))), form);
}
