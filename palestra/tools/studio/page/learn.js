// An agent that learns: values and choices drawn on the world, or over a plane, slowly enough to be watched.
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

export async function learn(place, given, kept) {
  const algorithm = given.get("algorithm") || "q_learning", env = given.get("env") || "FrozenLake-v1";
  const canvas = h("canvas", { class: "screen", role: "img", "aria-label": t("world_learned"), width: 480, height: 480 });
  const wait = h("p", { class: "quiet wait" }, t("opening"));
  const status = h("div", { class: "score" });
  const transport = h("div", { class: "transport" });
  const chosen = h("div", { class: "tools flat" });
  const about = h("p", { class: "quiet" });
  const settings = h("div", {});
  const table = h("div", {});
  const legend = h("div", { class: "planes", hidden: true });
  const cellular = h("section", { class: "card" }, h("h2", {}, t("table_cell")), table);
  const chart = new Chart({ title: t("returns_learned"), height: 220 });
  let told = null, known = null, drawn = null;
  let { cell, recent, points, heard } = kept || { cell: null, recent: [], points: [], heard: null };

  const socket = listen("learn", { algorithm, env }, (news) => {
    if (news.refused) { wait.hidden = false; wait.textContent = t(news.refused); wait.className = "finding fatal"; } else if (news.said) { say(news.said, true); fields(); }
    else if (news.about) { known = news.about; build(); } else { told = news; grow(); show(); heard = news; }
  }, async (data) => {
    const picture = await createImageBitmap(new Blob([data], { type: "image/png" }));
    wait.hidden = true;
    drawn = picture;
    paint();
  }, () => say(t("away"), true), kept?.socket);

  place.replaceChildren(h("div", { class: "title" }, h("h1", {}, t("learn"))), h("section", { class: "card" }, chosen, about),
    h("div", { class: "arena" }, h("div", {}, h("section", { class: "card" }, h("div", { class: "stage" }, wait, canvas, legend, status)), h("section", { class: "card" }, transport)),
      h("div", {}, h("section", { class: "card" }, chart.element), h("section", { class: "card" }, h("h2", {}, t("settings")), h("p", { class: "quiet" }, t("settings_hint")), settings),
        cellular)));

  let go, times, seed;
  function build() {
    const change = (name, value) => { location.hash = `#/learn?${new URLSearchParams({ algorithm, env, [name]: value })}`; };
    const pick = (name, all, now) => h("label", {}, h("span", {}, t(name)), h("select", { id: name, onchange: (e) => change(name === "environment" ? "env" : name, e.target.value) },
      Object.keys(all).map((x) => h("option", { value: x, selected: x === now }, x))));
    chosen.replaceChildren(pick("environment", known.environments, env), pick("algorithm", known.algorithms, algorithm));
    about.replaceChildren(t(known.algorithms[algorithm]), known.rollout > 1 ? ` ${t("rollout")} ${known.rollout}.` : "");
    go = h("button", { class: "strong", id: "go", disabled: true, onclick: () => socket.send({ do: told.playing ? "pause" : "play" }) });
    times = h("output", { class: "quiet" });
    seed = h("input", { type: "number", id: "seed", class: "short", min: 0, step: 1, value: 0 });
    transport.replaceChildren(h("div", { class: "line" }, go, h("button", { id: "step", onclick: () => socket.send({ do: "step" }) }, `▸ ${t("one_update")}`),
      h("label", { class: "inline" }, h("span", { class: "quiet" }, t("speed")), h("input", { type: "range", id: "speed", min: -1, max: 2, step: 0.05, value: 0, "aria-label": t("speed"),
        oninput: (e) => socket.send({ do: "speed", times: 10 ** Number(e.target.value) }) }), times)),
    h("div", { class: "line" }, h("label", { class: "inline" }, h("span", { class: "quiet" }, t("seed")), seed),
      h("button", { id: "anew", onclick: () => { recent = []; points = []; socket.send({ do: "begin", seed: Math.floor(Number(seed.value)) }); } }, t("forget"))));
    settings.replaceChildren(...Object.entries(known.settings).map(([name, said]) => h("label", { class: "parameter" }, h("span", {}, h("code", {}, name), h("small", { class: "quiet" }, t(said))),
      h("input", { type: "number", step: "any", id: `set-${name}`, class: "short", "data-told": true, onchange: (e) => {
        if (e.target.value !== "") socket.send({ do: "set", name, value: Number(e.target.value) });
      } }))));
    legend.hidden = !known.x;
    canvas.classList.toggle("plane", Boolean(known.x));
    cellular.hidden = Boolean(known.x);
    if (known.x) return;
    canvas.onpointermove = (event) => {
      const box = canvas.getBoundingClientRect(), k = canvas.width / box.width, m = known.margin;
      const wide = (canvas.width - 2 * m) / known.columns, high = (canvas.height - 2 * m) / known.rows;
      const x = Math.floor(((event.clientX - box.left) * k - m) / wide), y = Math.floor(((event.clientY - box.top) * k - m) / high);
      cell = x >= 0 && y >= 0 && x < known.columns && y < known.rows ? y * known.columns + x : null;
      row();
      paint();
    };
    canvas.tabIndex = 0;
    canvas.onkeydown = (event) => {
      const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] || [0, 0];
      if (!x && !y) return;
      event.preventDefault();
      let column = here() % known.columns, line = Math.floor(here() / known.columns);
      do { column += x; line += y; } while (known.open[line * known.columns + column] === false);
      if (column >= 0 && column < known.columns && line >= 0 && line < known.rows) cell = line * known.columns + column;
      row();
      paint();
    };
  }

  function grow() {
    for (const [step, total] of told === heard ? [] : told.ended) {
      recent = [...recent.slice(1 - RECENT), total];
      points.push([step, recent.reduce((a, b) => a + b, 0) / recent.length]);
    }
    if (points.length > MOST) points = points.filter((_, i) => i % 2);
    if (told.ended.length || !told.step || told === heard) chart.draw([{ name: t("mean_20"), points, look: 0 }]);
  }

  function show() {
    const fact = (name, x) => h("div", {}, h("dt", {}, t(name)), h("dd", {}, x));
    status.replaceChildren(h("dl", {}, fact("steps", h("b", {}, number(told.step))), fact("episodes", number(told.episodes)),
      fact("mean_20", points.length ? number(points.at(-1)[1]) : "–")));
    go.disabled = false;
    go.textContent = told.playing ? t("pause") : `▶ ${t("learn_on")}`;
    times.textContent = `× ${number(Number(told.speed.toPrecision(2)))}`;
    fields();
    if (known.x) planes(); else row();
  }

  /** What it learns with: a number that was refused is not so. */
  function fields() {
    for (const [name, x] of Object.entries(told.settings)) {
      const field = document.getElementById(`set-${name}`);
      if (field && document.activeElement !== field) field.value = x;
    }
  }

  /** What the two pictures of a plane show: colors and axes. */
  function planes() {
    const swatch = (color) => h("i", { class: "swatch", "aria-hidden": "true", style: `background:${color}` });
    const scale = (colors, low, high) => h("p", { class: "scale" }, h("span", {}, low), h("i", { "aria-hidden": "true", style: `background:linear-gradient(90deg,${colors.join(",")})` }), h("span", {}, high));
    const [x, y] = [known.x, known.y].map(([name, low, high]) => `${t(name)}, ${number(low)} … ${number(high)}`);
    const choices = known.names.length ? h("p", {}, known.names.map((name, i) => h("span", { class: "choice-key" }, swatch(known.colors[i]), t(name)))) : scale(["#b35806", "#f7f7f7", "#542788"], t("least"), t("most"));
    legend.replaceChildren(h("div", {}, h("h3", {}, t("choices_drawn")), choices), h("div", {}, h("h3", {}, t("values_drawn")), scale(COLORS.map((c) => `rgb(${c.join(",")})`), number(told.low), number(told.high))),
      h("p", { class: "quiet axes" }, `→ ${x}  ↑ ${y}  ○ ${t("here_now")}`));
    canvas.setAttribute("aria-label", `${t("choices_drawn")}, ${t("values_drawn")}: ${number(told.low)} … ${number(told.high)}`);
  }

  const here = () => (cell !== null && known.open[cell] ? cell : known.open.indexOf(true));

  /** What is known of the cell that was pointed at, or gone to by keys, or of the first. */
  function row() {
    if (!told || !known) return;
    const values = told.values[here()], best = Math.max(...values), least = Math.min(...values);
    table.replaceChildren(h("p", { class: "quiet" }, `${t("cell")} ${here()} · ${t("point_hint")}`), h("div", { class: "thoughts" }, ...values.map((x, i) => h("div", { class: x === best ? "thought best" : "thought" },
      h("span", {}, t(known.names[i])), h("span", { class: "bar", "aria-hidden": "true" }, h("i", { style: `width:${(((x - least) / (best - least || 1)) * 85 + 15).toFixed(0)}%` })), h("b", {}, number(x))))));
  }

  function paint() {
    if (!known || !told || !drawn) return;
    if (canvas.width !== drawn.width || canvas.height !== drawn.height) { canvas.width = drawn.width; canvas.height = drawn.height; }
    const pen = canvas.getContext("2d"), m = known.margin;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(drawn, 0, 0);
    if (known.x) return;
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
    pen.strokeStyle = "#d55e00"; // whose numbers are told
    pen.lineWidth = 4;
    pen.strokeRect(m + (here() % known.columns) * wide + 2, m + Math.floor(here() / known.columns) * high + 2, wide - 4, high - 4);
    const spoken = best.map((x, i) => (known.open[i] ? number(x) : null)).filter(Boolean).slice(0, 64).join(", ");
    canvas.setAttribute("aria-label", `${t("world_learned")}: ${spoken}`);
  }

  const keep = () => { chart.close(); return { socket, cell, recent, points, heard, close: socket.close }; };
  return Object.assign(() => keep().close(), { keep });
}
