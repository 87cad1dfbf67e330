// What the page asks of the studio.
import { t } from "./words.js";

const query = (given) => {
  const all = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) [value].flat().forEach((x) => all.append(name, x));
  return all.toString() ? `?${all}` : "";
};

async function answered(asked) {
  let answer;
  try {
    answer = await asked;
  } catch {
    throw new Error(t("away"));
  }
  const text = await answer.text();
  let content = {};
  try { content = JSON.parse(text); } catch { content = { said: text }; }
  if (!answer.ok) throw new Error(content.said || `${answer.status}`);
  return content;
}

export const get = (what, given = {}) => answered(fetch(what + query(given)));
export const post = (what, given = {}) => answered(fetch(what, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(given),
}));
export const file = (run, name) => `file${query({ run, name })}`;

/** A WebSocket: told(message) for JSON, shown(buffer) for pictures; closed() when it ends. One that was
 * kept goes on, and tells once more what stays the same, what it told last, and its last picture. */
export function listen(what, given, told, shown = null, closed = () => {}, kept = null) {
  if (kept) { kept.to(told, shown, closed); return kept; }
  const address = new URL(what + query(given), location.href);
  address.protocol = "ws:";
  address.hash = "";
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  let to = { told, shown, closed }, left = false; // by us, or with a word that says why
  const last = {};
  socket.onmessage = ({ data }) => {
    if (typeof data !== "string") { last.picture = data; to.shown(data); return; }
    const news = JSON.parse(data);
    left ||= "refused" in news;
    if (!news.said) last[news.about ? "about" : "now"] = news;
    to.told(news);
  };
  socket.onclose = () => { if (!left) to.closed(); };
  return {
    send: (message) => { if (socket.readyState === 1) socket.send(JSON.stringify(message)); },
    close: () => {
      left = true;
      socket.onmessage = null;
      if (socket.readyState) socket.close();
      else socket.onopen = () => socket.close(); // else the console tells of a page that is left soon
    },
    to: (...others) => {
      [to.told, to.shown, to.closed] = others;
      queueMicrotask(() => { // when the page that asks is there
        [last.about, last.now].forEach((x) => x && to.told(x));
        if (last.picture) to.shown(last.picture);
      });
    },
  };
}
