"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const STATES = ["LISTEN","SYN_SENT","SYN_RECV","ESTABLISHED","FIN_WAIT1","FIN_WAIT2","CLOSING","TIME_WAIT","CLOSE_WAIT","LAST_ACK","CLOSE","UNKNOWN"];
const byId = id => document.getElementById(id);
// Everything a trace says gets into the page here, as text.
const make = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  for (const child of children) node.append(child);
  return node;
};
const draw = (tag, attributes, text) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
const titled = (node, text) => { node.append(draw("title", {}, text)); return node; };
const count = n => n === null || n === undefined ? "–" : n.toLocaleString("en");
const pad = n => String(n).padStart(2, "0");
const duration = ns => {
  if (ns === null || ns === undefined) return "–";
  const s = Math.round(ns / 1e9);
  if (s >= 86400) return `${Math.floor(s / 86400)}d${pad(Math.floor(s % 86400 / 3600))}h`;
  if (s >= 3600) return `${Math.floor(s / 3600)}h${pad(Math.floor(s % 3600 / 60))}m`;
  if (s >= 100) return `${Math.floor(s / 60)}m${pad(s % 60)}s`;
  const [size, unit] = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]].find(([size]) => ns >= size) || [1, "ns"];
  return Number((ns / size).toPrecision(3)).toString() + " " + unit;
};
const bounded = (ns, bound) => (bound === "at_least" ? "≥ " : "") + (bound === "unknown" ? "?" : duration(ns));
const time = stamp => stamp ? stamp.slice(11, 23) : "–";
const endpoint = (address, port) => (address.includes(":") ? "[" + address + "]" : address) + ":" + (port || "*");
const stateClass = state => STATES.includes(state) ? state : "UNKNOWN";

// --- tables -----------------------------------------------------------------------------------
// columns: {head, text(row), value(row) to sort by, left, cell(row) instead of text}
const table = (node, columns, rows, rowLimit) => {
  let sorted = rows, column = null, down = true, limit = rowLimit || Infinity;
  const body = make("tbody");
  const heads = columns.map(c => {
    const button = make("button", {type: "button"}, c.head);
    const head = make("th", c.left ? {class: "left"} : {}, button);
    button.addEventListener("click", () => {
      down = column === c ? !down : !c.left;
      column = c;
      heads.forEach(h => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      show(sorted);
    });
    return head;
  });
  const compare = (a, b) => {
    const x = column.value(a), y = column.value(b);
    if (x === y) return 0;
    if (x === null || x === undefined) return 1;
    if (y === null || y === undefined) return -1;
    return (x < y ? -1 : 1) * (down ? -1 : 1);
  };
  const show = list => {
    sorted = column ? [...list].sort(compare) : list;
    body.replaceChildren(...sorted.slice(0, limit).map(row => make("tr", {}, ...columns.map(c =>
      make("td", c.left ? {class: "left"} : {}, c.cell ? c.cell(row) : c.text(row))))));
  };
  node.replaceChildren(make("thead", {}, make("tr", {}, ...heads)), body);
  show(rows);
  return show;
};
const number = (head, key) => ({head, text: r => count(r[key]), value: r => r[key]});
const nanoseconds = (head, key) => ({head, text: r => duration(r[key]), value: r => r[key]});
const words = (head, key) => ({head, left: true, text: r => r[key] === null || r[key] === "" ? "–" : String(r[key]), value: r => String(r[key] ?? "")});

// --- head -------------------------------------------------------------------------------------
const seconds = (Date.parse(data.end) - Date.parse(data.start)) / 1000;
byId("meta").textContent = `${data.start.slice(0, 19).replace("T", " ")} UTC, ${duration(seconds * 1e9)} · ` +
  `${count(data.connections)} connections · ${data.sources.slice(0, 3).join(", ")}${data.sources.length > 3 ? ` and ${data.sources.length - 3} more` : ""}`;
if (data.flaws.length) {
  byId("flaws").hidden = false;
  data.flaws.forEach(flaw => byId("flaws").append(make("div", {}, flaw)));
}
if (!data.findings.length) byId("findings").append(make("div", {class: "note"}, "none: no rule found anything to look at"));
data.findings.forEach(f => byId("findings").append(make("div", {class: "finding " + (["critical", "warning", "note"].includes(f.severity) ? f.severity : "")}, f.text)));
table(byId("states"), [...data.by.map(key => { const k = key.replace("-", "_"); return k === "state"
    ? {head: "state", left: true, text: r => r.state, value: r => STATES.indexOf(r.state), cell: r => make("span", {class: "key"}, make("i", {class: "fill " + stateClass(r.state)}), r.state)} : words(key, k); }),
  number("count", "count"), number("open", "open"), nanoseconds("min", "min_ns"), nanoseconds("p50", "p50_ns"), nanoseconds("p90", "p90_ns"),
  nanoseconds("p99", "p99_ns"), nanoseconds("max", "max_ns"), nanoseconds("total", "total_ns"), number("at least", "at_least"), number("unknown", "unknown")], data.rows, 500);
const lost = Object.entries(data.lost).filter(([, n]) => n > 0).map(([where, n]) => `${where} ${count(n)}`);
if (lost.length) byId("lost").textContent = "lost: " + lost.join(", ");
byId("diagram").append(byId("diagram-source").content);

// --- distributions ------------------------------------------------------------------------------
const distributions = () => {
  const list = data.distributions;
  if (!list.length) return;
  const all = list.flatMap(d => d.bins.map(b => b[0]));
  const low = Math.floor(Math.min(...all) / data.bins_per_decade), high = Math.ceil((Math.max(...all) + 1) / data.bins_per_decade);
  const left = 105, width = 600, rowHeight = 46, step = (width - left - 30) / ((high - low) * data.bins_per_decade);
  const x = bin => left + (bin - low * data.bins_per_decade) * step;
  const svg = draw("svg", {viewBox: `0 0 ${width} ${list.length * rowHeight + 24}`, role: "img", "aria-label": "dwell per state, logarithmic"});
  for (let decade = low; decade <= high; decade++) {
    const at = x(decade * data.bins_per_decade);
    svg.append(draw("line", {class: "axis", x1: at, x2: at, y1: 0, y2: list.length * rowHeight}));
    svg.append(draw("text", {class: "tick", x: at, y: list.length * rowHeight + 15, "text-anchor": "middle"}, duration(10 ** decade)));
  }
  list.forEach((d, i) => {
    const base = (i + 1) * rowHeight - 4, most = Math.max(...d.bins.map(b => b[1]));
    svg.append(draw("text", {class: "tick", x: 0, y: base - 14}, d.state), draw("text", {class: "tick", x: 0, y: base}, "p50 " + duration(d.p50_ns)));
    for (const [bin, n] of d.bins) {
      const h = Math.max(1.5, n / most * (rowHeight - 12));
      svg.append(titled(draw("rect", {class: "area " + stateClass(d.state), x: x(bin), y: base - h, width: Math.max(1, step - .5), height: h}),
        `${d.state}: ${count(n)} from ${duration(10 ** (bin / data.bins_per_decade))} to ${duration(10 ** ((bin + 1) / data.bins_per_decade))}`));
    }
  });
  byId("distributions").append(svg);
};
distributions();

// --- series -------------------------------------------------------------------------------------
const series = () => {
  const {population, opens, closes, width_ns: step, start} = data.series;
  const lines = [["opens", opens], ["closes", closes], ...Object.entries(population).filter(([s]) => s !== "LISTEN")];
  const n = opens.length;
  if (!n) return;
  const width = 1180, height = 260, left = 60, bottom = height - 22, hidden = new Set(["opens", "closes"]);
  const x = i => left + (n === 1 ? 0 : i / (n - 1) * (width - left - 10));
  const holder = byId("series");
  const at = i => new Date(Date.parse(start) + i * step / 1e6).toISOString().slice(11, 23);
  const show = () => {
    const visible = lines.filter(([name]) => !hidden.has(name));
    const most = Math.max(1, ...visible.flatMap(([, v]) => v));
    const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "connections per state over time"});
    for (let i = 0; i <= 4; i++) {
      const y = bottom - i / 4 * (bottom - 10);
      svg.append(draw("line", {class: "axis", x1: left, x2: width, y1: y, y2: y}), draw("text", {class: "tick", x: left - 6, y: y + 4, "text-anchor": "end"}, count(Math.round(most * i / 4))));
    }
    for (let i = 0; i <= 6; i++) {
      const point = Math.round(i / 6 * (n - 1));
      svg.append(draw("text", {class: "tick", x: x(point), y: height - 6, "text-anchor": i === 6 ? "end" : i ? "middle" : "start"}, at(point).slice(0, 10)));
    }
    for (const [name, values] of visible)
      svg.append(draw("polyline", {class: "series stroke " + name, points: values.map((v, i) => `${x(i).toFixed(1)},${(bottom - v / most * (bottom - 10)).toFixed(1)}`).join(" ")}));
    svg.addEventListener("mousemove", event => {
      const box = svg.getBoundingClientRect();
      const i = Math.max(0, Math.min(n - 1, Math.round(((event.clientX - box.left) / box.width * width - left) / (width - left - 10) * (n - 1))));
      byId("at").textContent = at(i) + "  " + visible.map(([name, v]) => `${name} ${count(v[i])}`).join(" · ");
    });
    holder.replaceChildren(svg);
  };
  for (const [name] of lines) {
    const box = make("input", {type: "checkbox"});
    box.checked = !hidden.has(name);
    box.addEventListener("change", () => { box.checked ? hidden.delete(name) : hidden.add(name); show(); });
    byId("keys").append(make("label", {class: "key"}, box, make("i", {class: "fill " + name}), name === "opens" || name === "closes" ? `${name} in ${duration(step)}` : name));
  }
  show();
};
series();

// --- ends, ports --------------------------------------------------------------------------------
table(byId("ends"), [words("reason", "reason"), words("closed by", "closer"), number("count", "count"), nanoseconds("life p50", "life_p50_ns"),
  nanoseconds("p99", "life_p99_ns"), nanoseconds("max", "life_max_ns")], data.ends);
byId("ports-card").hidden = !data.ports.length;
table(byId("ports"), [words("local", "laddr"), {head: "remote", left: true, text: r => endpoint(r.raddr, r.rport), value: r => endpoint(r.raddr, r.rport)},
  number("live", "live"), number("TIME_WAIT", "time_wait"), number("peak", "peak"), {head: "at", text: r => time(r.peak_ts), value: r => r.peak_ts},
  {head: "of range", text: r => (100 * r.peak / r.range).toFixed(1) + " %" + (r.range_known ? "" : "?"), value: r => r.peak / r.range}], data.ports);

// --- connections --------------------------------------------------------------------------------
const seen = new Set(), rows = [];
for (const c of [...data.stuck, ...data.slowest, ...data.sample]) {
  const id = c.host + " " + c.conn;
  if (seen.has(id)) continue;
  seen.add(id);
  c.local = endpoint(c.laddr, c.lport);
  c.remote = endpoint(c.raddr, c.rport);
  c.end_of = c.open ? "open in " + c.state : c.reason || (c.closer === "none" ? "" : "closed by " + c.closer);
  c.words = [c.host, c.conn, c.local, c.remote, c.comm, c.pid, c.path, c.end_of].join(" ").toLowerCase();
  rows.push(c);
}
const longest = rows.reduce((most, c) => Math.max(most, c.segments.reduce((sum, s) => sum + (s.dwell_ns || 0), 0)), 1);
const bar = c => {
  const node = make("div", {class: "bar"});
  for (const s of c.segments) {
    const part = make("span", {class: "fill " + stateClass(s.state), title: `${s.state} ${bounded(s.dwell_ns, s.dwell)}`});
    // A root shows short stays beside a minute of TIME_WAIT.
    part.style.flexGrow = Math.sqrt((s.dwell_ns || 0) / longest) + .001;
    part.style.flexBasis = "2px";
    node.append(part);
  }
  return node;
};
const show = table(byId("connections"), [
  {head: "begin", text: c => time(c.begin), value: c => c.begin}, {head: "life", text: c => bounded(c.life_ns, c.life), value: c => c.life_ns},
  {head: "pid", text: c => c.pid === null ? "–" : String(c.pid), value: c => c.pid}, words("process", "comm"), words("local", "local"), words("remote", "remote"),
  {head: "states (width: root of dwell)", left: true, text: c => c.path, value: c => c.path, cell: bar}, words("end", "end_of")], rows, 500);
const filter = () => {
  const wanted = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const list = wanted.length ? rows.filter(c => wanted.every(w => c.words.includes(w))) : rows;
  byId("shown").textContent = `${count(list.length)} of ${count(rows.length)} match` + (list.length > 500 ? ", the first 500 shown" : "") +
    (rows.length < data.connections ? `; a sample of the trace's ${count(data.connections)} with its slowest and longest stuck` : "");
  show(list);
};
byId("filter").addEventListener("input", filter);
filter();
document.documentElement.dataset.ready = "yes";
})();
