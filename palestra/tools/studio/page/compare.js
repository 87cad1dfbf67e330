// Several runs: curves with bands over seeds, statistics, and in what their settings differ.
import { get } from "./api.js";
import { Chart } from "./chart.js";
import { follow, line, together } from "./curves.js";
import { h, link, table, value } from "./dom.js";
import { t } from "./words.js";

export async function compare(place, given) {
  const runs = given.getAll("run");
  if (!runs.length) throw new Error(t("choose_some"));
  const told = await get("compare", { run: runs });
  const charts = told.panels.map((panel) => {
    const chart = new Chart({ title: `${panel.task} – ${t("evaluation_seeds")}`, threshold: panel.threshold });
    return [panel, chart];
  });
  place.replaceChildren(
    h("div", { class: "title" }, h("h1", {}, t("compare")), h("span", { class: "quiet" }, `${runs.length} ${t("run_many")}`), link("#/runs", t("back"), "button quiet")),
    ...charts.map(([panel, chart]) => h("section", { class: "card" }, chart.element, differences(panel))),
    statistics(told));
  const stop = follow(runs, (curves) => {
    for (const [panel, chart] of charts) {
      chart.draw(panel.groups.map((group, look) => {
        const known = group.runs.filter((run) => curves[run]);
        const lines = known.map((run) => line(curves[run].points, "evaluation"));
        const some = lines.some((one) => one.length) ? lines : known.map((run) => line(curves[run].points, "return"));
        return { name: `${group.name} (${known.length})`, points: together(some), look };
      }));
    }
  });
  return () => { stop(); charts.forEach(([, chart]) => chart.close()); };
}

function differences(panel) {
  if (!panel.differ.length) return h("p", { class: "quiet" }, t("alike"));
  return h("details", { open: true }, h("summary", {}, t("differ")),
    table([t("setting"), ...panel.groups.map((x) => x.name)],
      panel.differ.map((name) => [name, ...panel.groups.map((x) => value(x.setting[name]))])));
}

function statistics(told) {
  return h("section", { class: "card" }, h("h2", {}, t("statistics")),
    told.tables.length ? null : h("p", { class: "quiet" }, t("no_statistics")),
    ...told.tables.map((one) => [h("h3", {}, t(one.title)), table(one.header.map(t), one.rows.map((row) => row.map(t)), "numbers")]).flat(),
    told.notes.length ? h("ul", { class: "notes" }, told.notes.map((x) => h("li", {}, t(x)))) : null);
}
