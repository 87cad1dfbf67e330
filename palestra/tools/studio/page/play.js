// An agent at play: what it thinks, back to any moment, and a person's hand on the keys.
import { file, get, listen } from "./api.js";
import { h, link, number, say } from "./dom.js";
import { t } from "./words.js";

const NAMES = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", " ": "space" };
const ARROWS = { left: "←", right: "→", up: "↑", down: "↓" };
// A gamepad, as browsers number its parts: stick and cross are the arrows, and its buttons the other keys in their order.
const STICK = [[0, -1, "left"], [0, 1, "right"], [1, -1, "up"], [1, 1, "down"]]; // axis, sign, key
const CROSS = { 12: "up", 13: "down", 14: "left", 15: "right" };
const BUTTONS = ["A", "B", "X", "Y", "LB", "RB", "LT", "RT", "Back"];
const START = 9;

const called = (x) => x && { ...x, env: x.environment };

/** Its mean return with the interval, as the table of agents has it. */
export const score = (x) => `${number(x.mean)}${x.low === null || x.low === x.high ? "" : ` (${number(x.low)} – ${number(x.high)})`}`;

/** One agent at play: its picture, and what stands beside it. */
class Stage {
  constructor(name) {
    Object.assign(this, { about: null, now: null });
    this.canvas = h("canvas", { class: "screen", role: "img", tabindex: "0", "aria-label": t("game"), width: 600, height: 400 });
    this.status = h("div", { class: "score" });
    this.thoughts = h("div", { class: "thoughts" });
    this.seen = h("div", { class: "seen" });
    this.wait = h("p", { class: "quiet wait" }, t("opening"));
    this.stage = h("div", { class: "stage" }, name ? h("h2", {}, name) : null, this.wait, this.canvas, this.status);
  }

  refuse(text) {
    this.wait.hidden = false;
    this.wait.className = "finding fatal";
    this.wait.textContent = t(text);
    this.canvas.hidden = true;
  }

  /** Draw its part of a picture. */
  draw(picture, left, width) {
    this.wait.hidden = true;
    const { canvas } = this;
    if (canvas.width !== width || canvas.height !== picture.height) { canvas.width = width; canvas.height = picture.height; }
    canvas.getContext("2d").drawImage(picture, left, 0, width, picture.height, 0, 0, width, picture.height);
    canvas.dataset.at = this.now ? this.now.at : "";
  }

  action(numbers) {
    if (!numbers) return "–";
    const name = this.about.names[numbers[0]];
    return name ? t(name) : numbers.map(number).join(", ");
  }

  show() {
    const { now, about } = this;
    const fact = (name, x) => h("div", {}, h("dt", {}, t(name)), h("dd", {}, x));
    this.status.replaceChildren(h("dl", {}, fact("return", h("b", {}, number(now.total))), fact("reward", now.at ? number(now.reward) : "–"),
      fact("step", number(now.at)), fact("action", `${this.action(now.action)}${now.by ? ` · ${t(now.by)}` : ""}`)),
      ...(now.over ? [h("p", { class: "over" }, t(`over_${now.over}`))] : []));
    const rows = [];
    this.kind = now.kind || this.kind;
    if (now.over) rows.push(h("p", { class: "quiet" }, "–"));
    if (now.thoughts) {
      const known = now.thoughts.filter((x) => x !== null); // those that are forbidden have no value
      const least = Math.min(...known), most = Math.max(...known);
      const likely = now.kind === "probabilities";
      now.thoughts.forEach((x, i) => {
        const share = x === null ? 0 : likely ? x : (x - least) / (most - least || 1) * 0.85 + 0.15;
        rows.push(h("div", { class: now.does && now.does[0] === i ? "thought best" : "thought" }, h("span", {}, t(about.names[i] || `${i}`)),
          h("span", { class: "bar", "aria-hidden": "true" }, h("i", { style: `width:${(share * 100).toFixed(1)}%` })), h("b", {}, likely ? `${(x * 100).toFixed(1)} %` : number(x))));
      });
    } else if (!now.over) rows.push(h("p", {}, h("span", { class: "quiet" }, `${t("would_do")}: `), this.action(now.does)));
    if (now.value !== null) rows.push(h("p", { class: "value" }, h("span", { class: "quiet" }, `${t("estimate")}: `), h("b", {}, number(now.value))));
    this.thoughts.replaceChildren(h("h2", {}, t(now.kind || this.kind || "decision")), ...rows);
    this.seen.replaceChildren(h("h2", {}, t("observed")), now.seen === null ? h("p", { class: "quiet" }, t("picture_seen"))
      : h("dl", { class: "facts" }, ...now.seen.map(([name, x]) => h("div", {}, h("dt", {}, t(name)), h("dd", {}, number(x))))));
  }
}

/** A game that the studio plays; of two agents side by side, where there is a rival. */
export class Player extends Stage {
  constructor(run, which, seed, heard, name, rival = null, kept = null) {
    super(name);
    Object.assign(this, { run, heard, rival: rival && new Stage(rival.name) });
    this.socket = listen("play", { run, agent: which, seed, ...(rival ? { beside: rival.run, rival: rival.which } : {}) },
      (told) => this.told(told), (data) => this.picture(data), () => say(t("away"), true), kept);
  }

  get stages() { return this.rival ? [this, this.rival] : [this]; }

  told(told) {
    if (told.refused) { this.stages.forEach((x) => x.refuse(told.refused)); return; }
    if (told.said) say(told.said, true);
    else for (const [i, x] of this.stages.entries()) {
      const news = told.about || told, its = i ? news.rival : news;
      if (told.about) x.about = its;
      else { x.now = its; x.show(); }
    }
    this.heard(this);
  }

  async picture(data) {
    const picture = await createImageBitmap(new Blob([data], { type: "image/png" }));
    const width = picture.width / this.stages.length;
    this.stages.forEach((x, i) => x.draw(picture, i * width, width));
  }
}

export async function play(place, given, kept) {
  const run = given.get("run") || "", which = given.get("agent") || "best", seed = given.get("seed") || "0";
  const [rival, rivals] = (given.get("beside") || "").split("|");
  const [{ runs }, { agents }] = await Promise.all([get("runs"), get("zoo")]);
  const ours = run.startsWith("zoo:");
  const mine = ours ? called(agents.find((x) => x.name === run)) : runs.find((x) => x.name === run);
  const transport = h("div", { class: "transport" });
  const side = h("div", {});
  let first = null;
  const send = (message) => first.socket.send(message);
  const heard = (player) => { if (player.about && player.now) controls(); };
  const named = (x, agent) => (x.startsWith("zoo:") ? x : `${x} · ${t(agent)}`);
  first = new Player(run, which, seed, heard, rival ? named(run, which) : "", rival ? { run: rival, which: rivals || "best", name: named(rival, rivals || "best") } : null, kept);
  /** The moment that is shown: of two games the later, since one may have ended before. */
  const moment = (of) => Math.max(...first.stages.map((x) => x.now[of]));

  place.replaceChildren(h("div", { class: "title" }, h("h1", {}, t("play")), h("span", { class: "quiet" }, mine ? `${mine.algorithm} · ${mine.env}` : run),
    ours ? h("span", { class: "quiet" }, `${run}${mine ? ` · ${t("scores")} ${score(mine)}` : ""}`) : link(`#/run?run=${encodeURIComponent(run)}`, run, "name"), h("span", { class: "spring" }), chooser()),
    h("div", { class: rival ? "arena two" : "arena" }, h("div", {}, h("div", { class: rival ? "stages" : "" }, ...first.stages.map((x) => h("section", { class: "card" }, x.stage))),
      h("section", { class: "card" }, transport)), h("div", { class: "minds" }, ...first.stages.map((x) => h("section", { class: "card" }, x.thoughts, x.seen)), side)));

  function chooser() {
    const address = (agent, beside) => `#/play?run=${encodeURIComponent(run)}&agent=${agent}&seed=${first?.now?.seed ?? seed}${beside ? `&beside=${encodeURIComponent(beside)}` : ""}`;
    const alike = runs.filter((x) => mine && x.env === mine.env && x.best !== null).flatMap((x) => ["best", "last"].map((a) => [`${x.name}|${a}`, `${x.name} · ${t(a)}`]));
    alike.push(...agents.filter((x) => mine && x.environment === mine.env && x.name !== run).map((x) => [`${x.name}|best`, x.name]));
    return h("div", { class: "pick" },
      ours ? null : h("label", {}, h("span", {}, t("agent")), h("select", { id: "agent", onchange: (e) => { location.hash = address(e.target.value, given.get("beside")); } },
        ["best", "last"].map((x) => h("option", { value: x, selected: x === which }, t(x))))),
      h("label", {}, h("span", {}, t("beside")), h("select", { id: "beside", onchange: (e) => { location.hash = address(which, e.target.value); } },
        h("option", { value: "" }, t("nobody")), ...alike.map(([value, words]) => h("option", { value, selected: value === given.get("beside") }, words)))));
  }

  const films = h("p", { class: "quiet", hidden: true });
  const gamepad = h("p", { class: "quiet", role: "status" }, t("pad_hint"));
  let slider, clock, playing, yours, speed, times, chips, buttons = [], built = false;
  function controls() {
    if (!built) build();
    marks();
  }

  function build() {
    built = true;
    const { about } = first;
    const button = (id, words, message, kind = "") => h("button", { id, class: kind, onclick: () => send(typeof message === "function" ? message() : message) }, words);
    slider = h("input", { type: "range", id: "moment", "data-told": true, min: 0, max: 0, value: 0, "aria-label": t("moment"), disabled: !about.rewinds,
      oninput: (e) => send({ do: "seek", at: Number(e.target.value) }) });
    clock = h("output", { class: "quiet", for: "moment" });
    playing = button("go", "▶", () => ({ do: first.now.moving ? "pause" : "play" }), "strong");
    yours = h("button", { id: "hand", onclick: () => {
      const message = { do: "hand", to: first.now.hands === "you" ? "agent" : "you" };
      send(message);
      first.canvas.focus();
    } });
    speed = h("input", { type: "range", id: "speed", min: -1, max: 1, step: 0.05, value: 0, "aria-label": t("speed"),
      oninput: (e) => send({ do: "speed", times: 10 ** Number(e.target.value) }) });
    times = h("output", { id: "times", class: "quiet" });
    chips = h("div", { class: "chips", role: "group", "aria-label": t("branches") });
    transport.replaceChildren(...[h("div", { class: "line" }, slider, clock),
      h("div", { class: "line" }, playing,
        about.rewinds && button("back", "◂", () => ({ do: "seek", at: Math.max(0, moment("at") - 1) })),
        button("step", "▸", { do: "step" }),
        about.rewinds && button("start", "|◂", { do: "seek", at: 0 }),
        about.rewinds && button("branch", t("branch"), { do: "branch" }), yours,
        about.rewinds && h("button", { id: "save", onclick: () => send({ do: "save" }) }, t("save")),
        h("button", { id: "keep", onclick: () => send({ do: "keep" }) }, t("keep")),
        h("label", { class: "inline" }, h("span", { class: "quiet" }, t("speed")), speed, times)),
      films,
      about.rewinds ? chips : h("p", { class: "quiet" }, t("no_rewind")),
      h("div", { class: "line" }, h("label", { class: "inline" }, h("span", { class: "quiet" }, t("start_seed")), h("input", { type: "number", id: "seed", min: 0, step: 1, value: first.now.seed + 1, class: "short" })),
        button("anew", t("anew"), () => {
          const field = document.getElementById("seed"), seed = Math.floor(Number(field.value));
          field.value = seed + 1; // of the next one
          return { do: "begin", seed };
        }))].filter(Boolean));
    for (const [id, words] of [["back", "step_back"], ["step", "step_on"], ["start", "to_start"]]) {
      transport.querySelector(`#${id}`)?.setAttribute("aria-label", t(words));
      transport.querySelector(`#${id}`)?.setAttribute("title", t(words));
    }
    first.canvas.after(h("div", { class: "touch", role: "group", "aria-label": t("keys") }, ...about.keys.map((x) => fingers(x.keys[0], t(x.does)))));
    buttons = about.keys.filter((x) => !x.keys.some((k) => k in ARROWS)).slice(0, BUTTONS.length);
    const numbers = Object.entries(about.parameters);
    side.replaceChildren(h("section", { class: "card" }, h("h2", {}, t("keys")), h("dl", { class: "facts" }, ...about.keys.map((x) => h("div", {},
      h("dt", {}, ...x.keys.map((k) => h("kbd", {}, ARROWS[k] || (k === "space" ? t("space") : k))), buttons.includes(x) && h("kbd", { class: "pad" }, BUTTONS[buttons.indexOf(x)])), h("dd", {}, t(x.does))))),
      about.together ? h("p", { class: "quiet" }, t("keys_together")) : null,
      h("p", { class: "quiet" }, t(about.keys.length ? (about.turns ? "keys_turns" : "keys_hint") : "no_keys")), about.keys.length ? gamepad : null),
    numbers.length ? h("section", { class: "card" }, h("h2", {}, t("world")), h("p", { class: "quiet" }, t("world_hint")), ...numbers.map(([name, said]) => h("label", { class: "parameter", title: t(said) },
      h("span", {}, h("code", {}, name), h("small", { class: "quiet" }, t(said))), h("input", { type: "number", step: "any", id: `env-${name}`, class: "short", "data-told": true, onchange: (e) => {
        if (e.target.value !== "") send({ do: "set", name, value: Number(e.target.value) });
      } })))) : "");
  }

  function marks() {
    if (!built) return;
    const { now, about } = first;
    const { moving } = now;
    const at = moment("at"), end = moment("end");
    slider.max = end;
    if (document.activeElement !== slider || moving) slider.value = at;
    slider.setAttribute("aria-valuetext", `${t("step")} ${at}`);
    clock.textContent = `${number(at)} / ${number(end)}`;
    playing.textContent = moving ? t("pause") : `▶ ${t("go")}`;
    yours.textContent = now.hands === "you" ? t("hand_back") : t("take_over");
    yours.disabled = !about.keys.length || Boolean(now.over);
    yours.setAttribute("aria-pressed", now.hands === "you");
    times.textContent = `× ${number(Number(now.speed.toPrecision(2)))}`;
    if (now.saved && films.dataset.name !== now.saved) {
      films.dataset.name = now.saved;
      films.hidden = false;
      films.replaceChildren(`${t("saved")} `, now.saved.includes("/") ? now.saved : h("a", { href: file(run, now.saved), download: now.saved }, now.saved));
    }
    for (const [name, x] of Object.entries(now.world)) {
      const field = document.getElementById(`env-${name}`);
      if (field && document.activeElement !== field) field.value = x; // what was refused is not so
    }
    branches(now);
  }

  /** The branches, in the buttons that are there, so that one can be clicked while it plays. */
  function branches(now) {
    const several = now.branches.length > 1 ? now.branches : [];
    if (!several.length) chips.replaceChildren(h("span", { class: "quiet" }, t("branch_hint")));
    else if (chips.childElementCount !== several.length || chips.querySelector("span")) {
      chips.replaceChildren(...several.map((_, i) => h("button", { onclick: () => send({ do: "show", branch: i }) })));
    }
    several.forEach((x, i) => {
      const chip = chips.children[i], words = `${i + 1} · ${t(x.by)} ${number(x.total)}${x.over ? " ■" : ""}`;
      if (chip.textContent !== words) chip.textContent = words;
      chip.className = i === now.branch ? "chip on" : "chip";
      chip.setAttribute("aria-pressed", i === now.branch);
    });
  }

  const known = (name) => first.about?.keys.some((x) => x.keys.includes(name));
  const key = (name, down) => {
    if (name === "escape" && down) send({ do: "pause" });
    if (known(name)) send({ do: "key", key: name, down });
  };
  const held = { board: new Set(), gamepad: new Set(), touch: new Set() };
  /** Tell which keys are down there now. */
  const hold = (where, down) => {
    held[where].forEach((x) => down.has(x) || key(x, false));
    down.forEach((x) => held[where].has(x) || key(x, true));
    held[where] = down;
  };
  /** A key on the screen, where there is no other. */
  function fingers(name, does) {
    const touch = (down) => (event) => {
      event.preventDefault();
      const now = new Set(held.touch);
      if (down) now.add(name); else now.delete(name);
      hold("touch", now);
    };
    const up = touch(false);
    return h("button", { type: "button", "aria-label": does, onpointerdown: touch(true), onpointerup: up, onpointercancel: up, onlostpointercapture: up,
      oncontextmenu: (event) => event.preventDefault() }, ARROWS[name] || (name === "space" ? t("space") : name));
  }
  const pressed = (event) => {
    const name = NAMES[event.key] || event.key.toLowerCase(), down = new Set(held.board);
    const elsewhere = event.target.closest?.("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey || (name === "space" && event.target.closest?.("button, a"));
    if (event.type === "keyup") down.delete(name); // wherever it is let go
    else if (!elsewhere) down.add(name);
    hold("board", down);
    if (elsewhere || !known(name)) return;
    event.preventDefault();
    if (event.target.closest?.("button, a")) first.canvas.focus({ preventScroll: true }); // whose space bar is the player's now
  };
  const away = () => hold("board", new Set()); // what is let go elsewhere is not heard
  addEventListener("keydown", pressed);
  addEventListener("keyup", pressed);
  addEventListener("blur", away);
  const pads = setInterval(() => {
    const pad = [...(navigator.getGamepads?.() || [])].find(Boolean), down = new Set();
    const words = t(pad ? "pad_here" : "pad_hint");
    if (gamepad.textContent !== words) gamepad.textContent = words;
    if (pad) {
      const is = (i) => pad.buttons[i]?.pressed;
      STICK.forEach(([axis, sign, name]) => (pad.axes[axis] || 0) * sign > 0.5 && down.add(name));
      Object.entries(CROSS).forEach(([i, name]) => is(i) && down.add(name));
      buttons.forEach((x, i) => is(i) && down.add(x.keys[0]));
      if (is(START)) down.add("escape");
    }
    hold("gamepad", down);
  }, 16);
  const part = () => {
    Object.keys(held).forEach((where) => hold(where, new Set()));
    removeEventListener("keydown", pressed);
    removeEventListener("keyup", pressed);
    removeEventListener("blur", away);
    clearInterval(pads);
    return first.socket;
  };
  return Object.assign(() => part().close(), { keep: part });
}
