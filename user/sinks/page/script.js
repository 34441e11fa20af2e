// The page of a report; common.js stands before it.
const data = JSON.parse(document.getElementById("data").textContent);

// --- head -------------------------------------------------------------------------------------
const seconds = (Date.parse(data.end) - Date.parse(data.start)) / 1000;
byId("meta").textContent = `${data.start.slice(0, 19).replace("T", " ")} UTC, ${duration(seconds * 1e9)} · ` +
  `${count(data.connections)} connections · ${data.sources.slice(0, 3).join(", ")}${data.sources.length > 3 ? ` and ${data.sources.length - 3} more` : ""}`;
if (data.flaws.length) {
  byId("flaws").hidden = false;
  data.flaws.forEach(flaw => byId("flaws").append(make("div", {}, flaw)));
}
showFindings(byId("findings"), data.findings);
table(byId("states"), [...data.by.map(key => { const k = key.replace("-", "_"); return k === "state"
    ? {head: "state", left: true, text: r => r.state, value: r => stateOrder(r.state), cell: r => make("span", {class: "key"}, make("i", {class: "fill " + stateClass(r.state)}), r.state)} : words(key, k); }),
  number("count", "count"), number("open", "open"), nanoseconds("min", "min_ns"), nanoseconds("p50", "p50_ns"), nanoseconds("p90", "p90_ns"),
  nanoseconds("p99", "p99_ns"), nanoseconds("max", "max_ns"), nanoseconds("total", "total_ns"), ...(data.rows.some(r => r.at_least) ? [number("at least", "at_least")] : []), ...(data.rows.some(r => r.unknown) ? [number("unknown", "unknown")] : [])], data.rows, 500);
byId("states-card").hidden = !data.rows.length;
const lost = Object.entries(data.lost).filter(([, n]) => n > 0).map(([where, n]) => `${where} ${count(n)}`);
if (lost.length) byId("lost").textContent = "lost: " + lost.join(", ");
byId("diagram").append(byId("diagram-source").content);
byId("diagram-card").hidden = !byId("diagram").querySelector("path.e");
byId("distributions-card").hidden = !data.distributions.length;

distributions(byId("distributions"), data.distributions, data.bins_per_decade);

// --- series -------------------------------------------------------------------------------------
const series = () => {
  const {population, opens, closes, width_ns: step, start} = data.series;
  const lines = [["opens", opens], ["closes", closes], ...Object.entries(population).filter(([s]) => s !== "LISTEN")];
  byId("series-card").hidden = opens.length < 2 || !lines.some(([, v]) => v.some(Boolean));
  if (byId("series-card").hidden) return;
  const hidden = new Set(["opens", "closes"]), times = opens.map((_, i) => Date.parse(start) + i * step / 1e6);
  const show = () => {
    const visible = lines.filter(([name]) => !hidden.has(name));
    chart(byId("series"), "connections per state over time", times, visible,
      {hovered: i => { byId("at").textContent = hoverText(new Date(times[i]).toISOString(), visible, i); }});
  };
  keys(byId("keys"), lines.map(([name]) => [name, name === "opens" || name === "closes" ? `${name} in ${roundDuration(step)}` : name]), hidden, show);
  show();
};
series();

// --- ends, ports --------------------------------------------------------------------------------
byId("ends-card").hidden = !data.ends.length;
table(byId("ends"), [{head: "reason", left: true, text: r => r.reason ?? (r.state ? `in ${r.state}` : "–"), value: r => r.reason ?? ""}, words("closed by", "closer"), number("count", "count"), nanoseconds("life p50", "life_p50_ns"),
  nanoseconds("p99", "life_p99_ns"), nanoseconds("max", "life_max_ns")], data.ends);
byId("ports-card").hidden = !data.ports.length;
table(byId("ports"), [{head: "local", left: true, text: localEnd, value: localEnd}, {head: "remote", left: true, text: remoteEnd, value: remoteEnd},
  number("live", "live"), number("TIME_WAIT", "time_wait"), number("peak", "peak"), number("bound", "bound"), {head: "at", text: r => time(r.peak_ts), value: r => r.peak_ts},
  {head: "of range", text: r => percent(r.peak + r.bound, r.range) + (r.range_known ? "" : "?"), value: r => (r.peak + r.bound) / r.range}], data.ports);

// --- connections --------------------------------------------------------------------------------
const seen = new Set(), rows = [];
for (const c of [...data.stuck, ...data.slowest, ...data.sample]) {
  const id = c.host + " " + c.conn;
  if (seen.has(id)) continue;
  seen.add(id);
  c.local = endpoint(scoped(c.laddr, c.iface), c.lport);
  c.remote = remoteEnd(c);
  c.end_of = c.open ? "open in " + c.state : c.reason || (c.closer === "none" ? "" : "closed by " + c.closer);
  c.words = [c.host, c.conn, c.local, c.remote, c.comm, c.pid, c.cgroup_name, c.path, c.end_of].join(" ").toLowerCase();
  rows.push(c);
}
const longest = rows.reduce((most, c) => Math.max(most, c.segments.reduce((sum, s) => sum + (s.dwell_ns || 0), 0)), 1);
// The wait for accept() is a stripe before the rest of ESTABLISHED.
const stripes = c => c.segments.flatMap(s => {
  if (s.state !== "ESTABLISHED" || !c.accept_wait_ns || !s.dwell_ns) return [s];
  const wait = Math.min(c.accept_wait_ns, s.dwell_ns);
  return [{state: NOT_ACCEPTED, dwell_ns: wait, dwell: "exact"}, ...(wait < s.dwell_ns ? [{...s, dwell_ns: s.dwell_ns - wait}] : [])];
});
const bar = c => {
  const node = make("div", {class: "bar"});
  for (const s of stripes(c)) {
    const part = make("span", {class: "fill " + stateClass(s.state), title: `${s.state} ${bounded(s.dwell_ns, s.dwell)}`});
    // A root shows short stays beside a minute of TIME_WAIT.
    part.style.flexGrow = Math.sqrt((s.dwell_ns || 0) / longest) + .001;
    part.style.flexBasis = "2px";
    node.append(part);
  }
  return node;
};
byId("connections-card").hidden = !rows.length;
const show = table(byId("connections"), [
  {head: "begin", text: c => time(c.begin), value: c => c.begin}, {head: "life", text: c => bounded(c.life_ns, c.life), value: c => c.life_ns},
  {head: "pid", text: c => c.pid === null ? "–" : String(c.pid), value: c => c.pid}, words("process", "comm"), container, words("local", "local"), words("remote", "remote"),
  {head: "states", left: true, text: c => c.path, value: c => c.path, cell: bar}, words("end", "end_of")], rows, 500);
const filter = () => {
  const wanted = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const list = wanted.length ? rows.filter(c => wanted.every(w => c.words.includes(w))) : rows;
  byId("shown").textContent = (wanted.length ? `${count(list.length)} of ${count(rows.length)} match` : count(rows.length)) + (list.length > 500 ? ", the first 500 shown" : "") +
    (data.sample.length >= data.sample_most ? `; a sample of the trace's ${count(data.connections)} with its slowest and longest stuck` : rows.length < data.connections ? "; listening sockets are not listed" : "");
  show(list);
};
byId("filter").addEventListener("input", filter);
filter();
document.documentElement.dataset.ready = "yes";
