// A table that learns: values and choices drawn on the world, slowly enough to be watched.
import { listen } from "./api.js";
import { Chart } from "./chart.js";
import { h, number, say } from "./dom.js";
import { t } from "./words.js";

const ARROWS = [[-1, 0], [0, 1], [1, 0], [0, -1]]; // left, down, right, up
const MOST = 1500; // points of the curve
const RECENT = 20; // episodes in its running mean
// From low to high values, as our other pictures have it (cividis).
const COLORS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];

function color(share) {
  const at = Math.min(Math.max(share, 0), 1) * (COLORS.length - 1), i = Math.min(Math.floor(at), COLORS.length - 2);
  return `rgb(${COLORS[i].map((x, k) => Math.round(x + (COLORS[i + 1][k] - x) * (at - i))).join(",")})`;
}

export async function learn(place, given) {
  const algorithm = given.get("algorithm") || "q_learning", env = given.get("env") || "FrozenLake-v1";
  const canvas = h("canvas", { class: "screen", role: "img", "aria-label": t("world_learned"), width: 480, height: 480 });
  const wait = h("p", { class: "quiet wait" }, t("opening"));
  const status = h("div", { class: "score" });
  const transport = h("div", { class: "transport" });
  const chosen = h("div", { class: "tools flat" });
  const about = h("p", { class: "quiet" });
  const settings = h("div", {});
  const table = h("div", {});
  const chart = new Chart({ title: t("returns_learned"), height: 220 });
  let told = null, known = null, cell = null, recent = [], points = [];

  const socket = listen("learn", { algorithm, env }, (news) => {
    if (news.refused) { wait.textContent = news.refused; wait.className = "finding fatal"; } else if (news.said) say(news.said, true);
    else if (news.about) { known = news.about; build(); } else { told = news; grow(); show(); }
  }, async (data) => {
    const picture = await createImageBitmap(new Blob([data], { type: "image/png" }));
    wait.hidden = true;
    paint(picture);
  }, () => { if (!wait.classList.contains("fatal")) say(t("away"), true); });

  place.replaceChildren(h("div", { class: "title" }, h("h1", {}, t("learn"))), h("section", { class: "card" }, chosen, about),
    h("div", { class: "arena" }, h("div", {}, h("section", { class: "card" }, h("div", { class: "stage" }, wait, canvas, status)), h("section", { class: "card" }, transport)),
      h("div", {}, h("section", { class: "card" }, chart.element), h("section", { class: "card" }, h("h2", {}, t("settings")), h("p", { class: "quiet" }, t("settings_hint")), settings),
        h("section", { class: "card" }, h("h2", {}, t("table_cell")), table))));

  let go, times, seed;
  function build() {
    const change = (name, value) => { location.hash = `#/learn?${new URLSearchParams({ algorithm, env, [name]: value })}`; };
    const pick = (name, all, now) => h("label", {}, h("span", {}, t(name)), h("select", { id: name, onchange: (e) => change(name === "environment" ? "env" : name, e.target.value) },
      Object.keys(all).map((x) => h("option", { value: x, selected: x === now }, x))));
    chosen.replaceChildren(pick("environment", known.environments, env), pick("algorithm", known.algorithms, algorithm));
    about.replaceChildren(known.algorithms[algorithm], known.rollout > 1 ? ` ${t("rollout")} ${known.rollout}.` : "");
    go = h("button", { class: "strong", id: "go", disabled: true, onclick: () => socket.send({ do: told.playing ? "pause" : "play" }) });
    times = h("output", { class: "quiet" });
    seed = h("input", { type: "number", id: "seed", class: "short", min: 0, step: 1, value: 0 });
    transport.replaceChildren(h("div", { class: "line" }, go, h("button", { id: "step", onclick: () => socket.send({ do: "step" }) }, `▸ ${t("one_update")}`),
      h("label", { class: "inline" }, h("span", { class: "quiet" }, t("speed")), h("input", { type: "range", id: "speed", min: -1, max: 2, step: 0.05, value: 0, "aria-label": t("speed"),
        oninput: (e) => socket.send({ do: "speed", times: 10 ** Number(e.target.value) }) }), times)),
    h("div", { class: "line" }, h("label", { class: "inline" }, h("span", { class: "quiet" }, t("seed")), seed),
      h("button", { id: "anew", onclick: () => { recent = []; points = []; socket.send({ do: "begin", seed: Math.floor(Number(seed.value)) }); } }, t("forget"))));
    settings.replaceChildren(...known.settings.map((x) => h("label", { class: "parameter" }, h("span", {}, h("code", {}, x.name), h("small", { class: "quiet" }, x.said)),
      h("input", { type: "number", step: "any", id: `set-${x.name}`, class: "short", value: x.value, onchange: (e) => {
        if (e.target.value !== "") socket.send({ do: "set", name: x.name, value: Number(e.target.value) });
      } }))));
    canvas.onpointermove = (event) => {
      const box = canvas.getBoundingClientRect(), k = canvas.width / box.width, m = known.margin;
      const wide = (canvas.width - 2 * m) / known.columns, high = (canvas.height - 2 * m) / known.rows;
      const x = Math.floor(((event.clientX - box.left) * k - m) / wide), y = Math.floor(((event.clientY - box.top) * k - m) / high);
      cell = x >= 0 && y >= 0 && x < known.columns && y < known.rows ? y * known.columns + x : null;
      row();
    };
  }

  function grow() {
    for (const [step, total] of told.ended) {
      recent = [...recent.slice(1 - RECENT), total];
      points.push([step, recent.reduce((a, b) => a + b, 0) / recent.length]);
    }
    if (points.length > MOST) points = points.filter((_, i) => i % 2);
    if (told.ended.length || !told.step) chart.draw([{ name: t("mean_20"), points, look: 0 }]);
  }

  function show() {
    const fact = (name, x) => h("div", {}, h("dt", {}, t(name)), h("dd", {}, x));
    status.replaceChildren(h("dl", {}, fact("steps", h("b", {}, number(told.step))), fact("episodes", number(told.episodes)),
      fact("mean_20", points.length ? number(points.at(-1)[1]) : "–")));
    go.disabled = false;
    go.textContent = told.playing ? t("pause") : `▶ ${t("learn_on")}`;
    times.textContent = `× ${number(Number(told.speed.toPrecision(2)))}`;
    row();
  }

  /** What is known of the cell under the pointer, or of the first. */
  function row() {
    if (!told || !known) return;
    const here = cell !== null && known.open[cell] ? cell : known.open.indexOf(true);
    const values = told.values[here], best = Math.max(...values), least = Math.min(...values);
    table.replaceChildren(h("p", { class: "quiet" }, `${t("cell")} ${here} · ${t("point_hint")}`), h("div", { class: "thoughts" }, ...values.map((x, i) => h("div", { class: x === best ? "thought best" : "thought" },
      h("span", {}, t(known.names[i])), h("span", { class: "bar", "aria-hidden": "true" }, h("i", { style: `width:${(((x - least) / (best - least || 1)) * 85 + 15).toFixed(0)}%` })), h("b", {}, number(x))))));
  }

  function paint(picture) {
    if (!known || !told) return;
    if (canvas.width !== picture.width || canvas.height !== picture.height) { canvas.width = picture.width; canvas.height = picture.height; }
    const pen = canvas.getContext("2d"), m = known.margin;
    pen.drawImage(picture, 0, 0);
    const wide = (canvas.width - 2 * m) / known.columns, high = (canvas.height - 2 * m) / known.rows;
    const best = told.values.map((row) => Math.max(...row));
    const seen = best.filter((_, i) => known.open[i]);
    const low = Math.min(...seen), high_ = Math.max(...seen);
    best.forEach((value, i) => {
      const row = told.values[i];
      if (!known.open[i] || row.every((v) => v === row[0])) return; // nothing is known yet
      const x = m + (i % known.columns) * wide, y = m + Math.floor(i / known.columns) * high;
      pen.globalAlpha = 0.5;
      pen.fillStyle = color((value - low) / (high_ - low || 1));
      pen.fillRect(x, y, wide, high);
      pen.globalAlpha = 1;
      const [dx, dy] = ARROWS[known.turns[row.indexOf(value)]], size = Math.min(wide, high) * 0.27;
      const cx = x + wide / 2, cy = y + high / 2;
      const stroke = (style, width) => {
        pen.strokeStyle = style; pen.lineWidth = width; pen.lineCap = "round"; pen.lineJoin = "round";
        pen.beginPath();
        pen.moveTo(cx - dx * size, cy - dy * size);
        pen.lineTo(cx + dx * size, cy + dy * size);
        pen.moveTo(cx + dx * size * 0.3 - dy * size * 0.6, cy + dy * size * 0.3 - dx * size * 0.6);
        pen.lineTo(cx + dx * size, cy + dy * size);
        pen.lineTo(cx + dx * size * 0.3 + dy * size * 0.6, cy + dy * size * 0.3 + dx * size * 0.6);
        pen.stroke();
      };
      stroke("#ffffff", 6);
      stroke("#111827", 3);
    });
    const spoken = best.map((x, i) => (known.open[i] ? number(x) : null)).filter(Boolean).slice(0, 64).join(", ");
    canvas.setAttribute("aria-label", `${t("world_learned")}: ${spoken}`);
  }

  return () => { socket.close(); chart.close(); };
}
