// The list of runs: search, filter, sort, group, choose some to compare.
import { get, post } from "./api.js";
import { ago, h, link, number, say, state, table } from "./dom.js";
import { Player, score } from "./play.js";
import { t } from "./words.js";

const EVERY = 3000; // milliseconds between two looks
const STATES = ["running", "finished", "interrupted", "died", "damaged"];
const SORTS = { age: (a, b) => a.age - b.age, name: (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }),
  best: (a, b) => (b.best ?? -Infinity) - (a.best ?? -Infinity), last: (a, b) => (b.last ?? -Infinity) - (a.last ?? -Infinity),
  steps: (a, b) => (b.steps ?? 0) - (a.steps ?? 0) };
const kept = { search: "", state: "", sort: "age", group: true, chosen: new Set() };

export async function runs(place, given, playing) {
  let all = await get("runs");
  const { agents } = await get("zoo");
  let shop = null; // an agent that plays, where there is nothing else to see
  if (!all.runs.length && agents.length) {
    shop = new Player(agents[0].name, "best", 0, (player) => {
      if (player.about && player.now && !player.now.moving) player.socket.send({ do: player.now.over ? "begin" : "play", seed: player.now.seed + 1 });
    }, "", null, playing);
  }
  const list = h("div", { class: "list" });
  const bar = h("div", { class: "choice", role: "region", "aria-label": t("compare") });
  const fill = () => { list.replaceChildren(...waiting(all, fill), ...shown(all, fill, shop)); tools.hidden = !all.runs.length; choice(bar, fill, all); };

  const tools = h("div", { class: "tools" },
    h("label", { class: "grow" }, h("span", {}, t("search")), h("input", { type: "search", id: "search", value: kept.search,
      placeholder: t("search_hint"), oninput: (e) => { kept.search = e.target.value; fill(); } })),
    h("label", {}, h("span", {}, t("state")), h("select", { id: "state", onchange: (e) => { kept.state = e.target.value; fill(); } },
      ["", ...STATES].map((x) => h("option", { value: x, selected: x === kept.state }, x ? t(`state_${x}`) : t("any"))))),
    h("label", {}, h("span", {}, t("sort")), h("select", { id: "sort", onchange: (e) => { kept.sort = e.target.value; fill(); } },
      Object.keys(SORTS).map((x) => h("option", { value: x, selected: x === kept.sort }, t(`sort_${x}`))))),
    h("label", { class: "check" }, h("input", { type: "checkbox", id: "group", checked: kept.group,
      onchange: (e) => { kept.group = e.target.checked; fill(); } }), t("group")));
  place.replaceChildren(h("div", { class: "title" }, h("h1", {}, t("runs")), h("span", { class: "quiet" }, all.folder)), tools, list, companions(agents, !all.runs.length), bar);
  fill();

  let before = "";
  const timer = setInterval(async () => {
    if (document.hidden) return;
    try {
      all = await get("runs");
    } catch (fault) {
      say(fault.message, true);
      return;
    }
    const now = JSON.stringify(all.queue) + JSON.stringify(all.runs.map((x) => ({ ...x, age: Math.floor(x.age / 60) })));
    if (now === before) return;
    before = now;
    const focused = document.activeElement, to = focused?.getAttribute("href");
    fill();
    const again = focused?.id ? document.getElementById(focused.id) : [...place.querySelectorAll("a")].find((x) => to && x.getAttribute("href") === to);
    if (!focused?.isConnected) again?.focus({ preventScroll: true });
  }, EVERY);
  const leave = () => { clearInterval(timer); shop?.socket.close(); };
  return shop ? Object.assign(leave, { keep: () => { clearInterval(timer); return shop.socket; } }) : leave;
}

/** The agents that come with Palestra; where there are no runs yet, the first of them plays. */
function companions(agents, alone) {
  const list = table([t("agent"), t("mean_return"), t("judged_in"), t("steps"), ""], agents.map((x) => [x.name, score(x), t(x.simulator), number(x.steps),
    x.environment.startsWith("probe/") ? "" : link(`#/play?run=${encodeURIComponent(x.name)}`, `▶ ${t("play")}`, "button small")]), "numbers zoo"); // probes have no pictures
  const told = h("p", { class: "quiet" }, t("zoo_hint"));
  return alone ? h("section", { class: "card" }, h("h2", {}, t("zoo")), told, list)
    : h("details", { class: "card" }, h("summary", {}, `${t("zoo")} (${agents.length})`), told, list);
}

/** What waits for a core, and what could not begin. */
function waiting(all, fill) {
  if (!all.queue.length) return [];
  const leave = (x) => h("button", { class: "small", id: `leave-${x.name}`, onclick: async () => {
    try { await post("unqueue", { name: x.name }); all.queue = all.queue.filter((y) => y !== x); fill(); } catch (fault) { say(fault.message, true); }
  } }, t("unqueue"));
  return [h("section", { class: "card", id: "waiting" }, h("h2", {}, t("waiting")), h("p", { class: "quiet" }, t("waiting_hint")),
    h("ol", { class: "waits" }, all.queue.map((x) => h("li", {}, h("span", {}, x.run), x.said ? h("span", { class: "finding fatal" }, t(x.said)) : null, leave(x)))))];
}

function shown(all, fill, shop) {
  if (!all.runs.length) {
    return [h("div", { class: "arena" }, shop && h("section", { class: "card" }, h("h2", {}, t("plays_now")), shop.stage,
      h("p", {}, link(`#/play?run=${encodeURIComponent(shop.run)}`, `▶ ${t("play_with_it")}`, "button strong"))),
    h("section", { class: "card empty" }, h("h2", {}, t("no_runs")), h("p", {}, t("no_runs_hint")),
      h("pre", {}, "palestra train dqn CartPole-v1"), h("p", {}, link("#/train", t("train"), "button strong"), " ", link("#/learn", t("learn"), "button"))))];
  }
  const words = kept.search.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (x) => (!kept.state || x.state === kept.state)
    && words.every((word) => `${x.name} ${x.env} ${x.algorithm} seed${x.seed}`.toLowerCase().includes(word));
  const found = all.runs.filter(fits).sort(SORTS[kept.sort]);
  if (!found.length) return [h("p", { class: "quiet" }, t("none_found"))];
  if (!kept.group) return [rows(found, fill)];
  const groups = new Map();
  for (const row of found) {
    const key = row.env ? `${row.algorithm} · ${row.env}` : t("state_damaged");
    groups.set(key, [...(groups.get(key) || []), row]);
  }
  return [...groups].map(([key, members]) => {
    const ids = members.map((x) => x.name);
    const every = ids.every((x) => kept.chosen.has(x));
    const scores = members.map((x) => x.best).filter((x) => x !== null);
    const mean = scores.length ? number(scores.reduce((a, b) => a + b, 0) / scores.length) : "–";
    return h("section", { class: "card group" },
      h("div", { class: "grouphead" },
        h("label", { class: "check" }, h("input", { type: "checkbox", checked: every, id: `all-${key}`, "aria-label": `${t("choose_all")} ${key}`,
          onchange: (e) => { ids.forEach((x) => (e.target.checked ? kept.chosen.add(x) : kept.chosen.delete(x))); fill(); } }), h("h2", {}, key)),
        h("span", { class: "quiet" }, `${members.length} ${t(members.length === 1 ? "run_one" : "run_many")} · ${t("mean_best")} ${mean}`)),
      rows(members, fill));
  });
}

function rows(members, fill) {
  const header = ["", t("run"), t("seed"), t("state"), t("steps"), t("best"), t("last"), t("age"), ""];
  return h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": t("runs") }, h("table", { class: "runs" },
    h("thead", {}, h("tr", {}, header.map((x) => h("th", { scope: "col" }, x || h("span", { class: "unseen" }, t("choose")))))),
    h("tbody", {}, members.map((row) => h("tr", { class: kept.chosen.has(row.name) ? "chosen" : null },
      h("td", {}, h("input", { type: "checkbox", id: `choose-${row.name}`, checked: kept.chosen.has(row.name), "aria-label": `${t("choose")} ${row.name}`,
        onchange: (e) => { e.target.checked ? kept.chosen.add(row.name) : kept.chosen.delete(row.name); fill(); } })),
      h("th", { scope: "row" }, row.state === "damaged" ? row.name : link(`#/run?run=${encodeURIComponent(row.name)}`, row.name, "name")),
      h("td", { "data-label": t("seed") }, number(row.seed)),
      h("td", { "data-label": t("state") }, state(row.state)),
      h("td", { "data-label": t("steps") }, progress(row)),
      h("td", { "data-label": t("best") }, number(row.best)),
      h("td", { "data-label": t("last") }, number(row.last)),
      h("td", { "data-label": t("age") }, ago(row.age)),
      h("td", { class: "act" }, row.best !== null && link(`#/play?run=${encodeURIComponent(row.name)}`, `▶ ${t("play")}`, "button small")))))));
}

function progress(row) {
  if (row.state !== "running" || !row.asked) return number(row.steps);
  const share = Math.min(1, row.steps / row.asked);
  return h("span", { class: "progress" }, h("progress", { value: share, "aria-label": t("steps") }), ` ${Math.round(share * 100)} %`);
}

function choice(bar, fill, all) {
  const there = new Set(all.runs.map((x) => x.name));
  kept.chosen.forEach((x) => there.has(x) || kept.chosen.delete(x));
  const chosen = [...kept.chosen];
  bar.hidden = !chosen.length;
  const query = chosen.map((x) => `run=${encodeURIComponent(x)}`).join("&");
  bar.replaceChildren(h("span", {}, `${chosen.length} ${t("chosen")}`), link(`#/compare?${query}`, t("compare")),
    h("button", { class: "quiet", onclick: () => { kept.chosen.clear(); fill(); } }, t("clear")));
}
