// Curves of runs as they grow, and what several seeds come to together.
import { listen } from "./api.js";
import { say } from "./dom.js";
import { t } from "./words.js";

const OTHERS = ["step", "episodes", "return", "evaluation", "low", "high", "given_up"];
// Student's t at 95 %, for 1, 2, ... degrees of freedom; beyond, the normal distribution's.
const T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
  2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042];

/** Follow runs: changed(curves by run, standing by run) whenever there is news. Gives a stop. */
export function follow(runs, changed) {
  const curves = Object.fromEntries(runs.map((run) => [run, { points: [], each: 1 }]));
  const standing = {};
  const socket = listen("live", { run: runs }, (news) => {
    if (news.refused) say(news.refused, true); // it has gone meanwhile
    else if (news.standing) standing[news.run] = news.standing;
    else {
      const curve = curves[news.run];
      curve.each = news.each;
      curve.points = curve.points.slice(0, news.at).concat(news.points);
    }
    changed(curves, standing);
  }, null, () => say(t("away"), true));
  return socket.close;
}

/** [x, y, low, high] of a number; without an interval [x, y]. */
export function line(points, name) {
  return points.filter((p) => p[name] !== undefined).map((p) => (name === "evaluation"
    ? [p.step, p.evaluation, p.low ?? null, p.high ?? null] : [p.step, p[name]]));
}

/** The names of all other numbers, losses first. */
export function others(points) {
  const names = new Set(points.flatMap((p) => Object.keys(p)).filter((name) => !OTHERS.includes(name)));
  return [...names].sort((a, b) => b.includes("loss") - a.includes("loss") || a.localeCompare(b));
}

function at(points, x) {
  let low = 0, high = points.length - 1;
  if (x <= points[0][0]) return points[0][1];
  while (high - low > 1) { const mid = (low + high) >> 1; if (points[mid][0] <= x) low = mid; else high = mid; }
  const [a, b] = [points[low], points[high]];
  return a[0] === b[0] ? a[1] : a[1] + ((x - a[0]) / (b[0] - a[0])) * (b[1] - a[1]);
}

/** The mean over seeds and its 95 % interval by Student's t, as far as all of them have come. */
export function together(lines) {
  lines = lines.filter((one) => one.length);
  if (lines.length < 2) return lines[0] || [];
  const first = Math.max(...lines.map((one) => one[0][0])), end = Math.min(...lines.map((one) => one.at(-1)[0]));
  const xs = [...new Set(lines.flatMap((one) => one.map((p) => p[0])))].filter((x) => x >= first && x <= end).sort((a, b) => a - b);
  const seen = lines.flatMap((one) => one.map((p) => p[1]));
  const least = seen.reduce((a, b) => Math.min(a, b)), most = seen.reduce((a, b) => Math.max(a, b));
  const n = lines.length;
  return xs.map((x) => {
    const values = lines.map((one) => at(one, x));
    const mean = values.reduce((a, b) => a + b, 0) / n;
    const spread = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / (n - 1));
    const margin = ((T[n - 2] ?? 1.96) * spread) / Math.sqrt(n);
    return [x, mean, Math.max(mean - margin, least), Math.min(mean + margin, most)];
  });
}
