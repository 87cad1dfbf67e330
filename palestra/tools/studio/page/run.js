// One run: its curve as it grows, what is wrong with it, what it was asked to do, and what to do next.
import { file, get, post } from "./api.js";
import { Chart } from "./chart.js";
import { follow, line, others } from "./curves.js";
import { ago, bytes, h, link, number, say, state, table, value } from "./dom.js";
import { t } from "./words.js";

export async function run(place, given) {
  const name = given.get("run") || "";
  const told = await get("run", { run: name });
  const { config } = told;
  const chart = new Chart({ title: t("curve"), threshold: told.summary.threshold ?? null });
  const losses = new Map();
  const small = h("div", { class: "small-charts" });
  const stands = h("span", { class: "stands" });
  const found = h("div", {});
  const head = h("div", { class: "title" }, h("h1", {}, `${config.algorithm} · ${config.environment}`), h("span", { class: "quiet" }, `${t("seed")} ${config.seed}`), stands);
  const acts = h("div", { class: "acts" });
  place.replaceChildren(head, h("p", { class: "quiet path" }, name), acts,
    h("div", { class: "columns" },
      h("div", {}, h("section", { class: "card" }, chart.element), h("section", { class: "card" }, h("h2", {}, t("learning")), small),
        h("section", { class: "card" }, h("h2", {}, t("settings")), settings(told))),
      h("div", {}, h("section", { class: "card" }, h("h2", {}, t("result")), results(told)),
        h("section", { class: "card" }, h("h2", {}, t("doctor")), found),
        film(told, name),
        h("section", { class: "card" }, h("h2", {}, t("again")), command(told.again)),
        h("section", { class: "card" }, h("h2", {}, t("machine")), machine(config)),
        h("section", { class: "card" }, h("h2", {}, t("files")), files(told, name)))));

  const show = (now) => {
    stands.replaceChildren(state(now.state), h("span", { class: "quiet" }, ` ${number(now.steps)} / ${number(config.steps)} ${t("steps")}`));
    found.replaceChildren(...(now.findings.length ? now.findings.map((x) => h("p", { class: x.fatal ? "finding fatal" : "finding" },
      h("b", {}, `${t(x.fault)} · ${t("step")} ${number(x.step)}`), h("br"), t(x.said))) : [h("p", { class: "quiet" }, t("healthy"))]));
    if (acts.dataset.state !== now.state) acts.replaceChildren(...buttons(told, name, now.state)); // which keep what has the focus
    acts.dataset.state = now.state;
  };
  show({ ...told.row, findings: told.findings });
  const stop = follow([name], (curves, standing) => {
    const { points, each } = curves[name];
    const mean = each > 1 ? ` (${t("each_point")} ${each})` : "";
    chart.draw([{ name: t("return_training") + mean, points: line(points, "return"), look: 7, kind: "faint" },
      { name: t("evaluation") + mean, points: line(points, "evaluation"), look: 0 }]);
    for (const metric of others(points)) {
      if (!losses.has(metric)) {
        losses.set(metric, new Chart({ title: metric, height: 150, legend: false }));
        small.append(losses.get(metric).element);
      }
      losses.get(metric).draw([{ name: metric, points: line(points, metric), look: 0 }]);
    }
    if (!standing[name]) return;
    show(standing[name]);
    if (standing[name].state !== told.row.state && !document.activeElement?.closest("video")) dispatchEvent(new Event("again"));
  });
  return () => { stop(); chart.close(); losses.forEach((x) => x.close()); };
}

function buttons(told, name, now) {
  const run = encodeURIComponent(name);
  const act = (what, words, kind = "button") => h("button", { class: kind, id: what, onclick: async (e) => {
    e.target.disabled = true;
    try {
      const done = await post(what, { run: name });
      say(done.said || t(`${what}_done`));
    } catch (fault) { say(fault.message, true); }
    e.target.disabled = false;
  } }, words);
  return [told.agents.length || now === "running" ? link(`#/play?run=${run}`, `▶ ${t("play")}`, "button strong") : null,
    now === "running" ? act("stop", `■ ${t("stop")}`) : null,
    now === "interrupted" || now === "died" ? act("resume", `↻ ${t("resume")}`) : null,
    now === "finished" ? act("reproduce", `≡ ${t("reproduce")}`) : null,
    told.agents.length ? act("export", `⇩ ${t("export")}`) : null,
    link(`#/compare?run=${run}`, t("compare")), link("#/runs", t("back"), "button quiet")].filter(Boolean);
}

function results({ summary, row }) {
  const rows = ["best", "last"].map((which) => {
    const judged = summary[which] || {};
    const [where, numbers] = Object.entries(judged).find(([, x]) => x && typeof x === "object") || ["", null];
    return [t(which), numbers ? number(numbers.mean) : number(row[which]),
      numbers && numbers.low !== null && numbers.low !== undefined ? `${number(numbers.low)} – ${number(numbers.high)}` : "–", t(where || "–")];
  });
  const solved = summary.solved === true ? h("p", { class: "solvedword" }, t("solved")) : null;
  return h("div", {}, table([t("agent"), t("mean_return"), t("interval"), t("judged_in")], rows, "numbers"), solved,
    summary.error ? h("p", { class: "finding fatal" }, t(summary.error)) : null);
}

function settings(told) {
  const { config } = told;
  const plain = [["steps", config.steps], ["num_envs", config.num_envs], ["seed", config.seed],
    ...Object.entries(config.env_kwargs || {}).map(([k, v]) => [`env.${k}`, v])].filter(([, x]) => x !== undefined);
  const row = (x, v, said, changed) => h("div", { class: changed ? "setting changed" : "setting" }, h("dt", {}, x, h("b", {}, value(v))), h("dd", {}, said));
  return h("dl", { class: "settings" }, ...plain.map(([x, v]) => row(x, v, t(`said_${x.split(".")[0]}`))),
    ...told.settings.map((x) => row(x.name, x.value, t(x.said) + (JSON.stringify(x.usual) !== JSON.stringify(x.value) && x.usual !== null ? ` (${t("usual")} ${value(x.usual)})` : ""),
      JSON.stringify(x.usual) !== JSON.stringify(x.value))));
}

function film(told, name) {
  if (!told.files.some(([x]) => x === "video.mp4")) return null;
  return h("section", { class: "card" }, h("h2", {}, t("video")), h("video", { src: file(name, "video.mp4"), controls: true, muted: true, preload: "metadata", "aria-label": t("video") }));
}

function command(text) {
  return h("div", { class: "command" }, h("code", {}, text), h("button", { class: "small", onclick: async () => {
    try { await navigator.clipboard.writeText(text); say(t("copied")); } catch { say(text); }
  } }, t("copy")));
}

function machine(config) {
  const rows = [...Object.entries(config.hardware || {}), ...Object.entries(config.versions || {})].map(([k, v]) => [k, value(v)]);
  return rows.length ? table([t("what"), t("value")], rows) : h("p", { class: "quiet" }, "–");
}

function files(told, name) {
  return table([t("file"), t("size")], told.files.map(([x, size]) => [h("a", { href: file(name, x), download: x.split("/").at(-1) }, x), bytes(size)]));
}
