// The live page; common.js stands before it. Everything shown comes by server-sent events, and gets into the page as text.
const SHOWN = ["ESTABLISHED", "TIME_WAIT", "CLOSE_WAIT", "FIN_WAIT1", "FIN_WAIT2", "LAST_ACK", "SYN_SENT", "SYN_RECV", "CLOSING"];
const stateCell = r => make("span", {class: "key"}, make("i", {class: "fill " + stateClass(r.state)}), r.state);
const state = {head: "state", left: true, text: r => r.state, value: r => stateOrder(r.state), cell: stateCell};
const sockets = [state, {head: "age", text: r => bounded(r.age_ns, r.age), value: r => r.age_ns},
    {head: "pid", text: r => r.pid === null ? "–" : String(r.pid), value: r => r.pid}, words("process", "comm"), container,
    {head: "local", left: true, text: r => endpoint(scoped(r.laddr, r.iface), r.lport), value: r => endpoint(scoped(r.laddr, r.iface), r.lport)},
    {head: "remote", left: true, text: remoteEnd, value: remoteEnd}, words("path", "path")];
const taken = r => r.live + r.time_wait + r.bound;
const tables = {
  states: table(byId("states"), [state, number("now", "open"), {head: "per second", text: r => r.rate === null ? "–" : r.rate.toFixed(r.rate < 10 ? 1 : 0), value: r => r.rate},
    number("count", "count"), nanoseconds("p50", "p50_ns"), nanoseconds("p90", "p90_ns"), nanoseconds("p99", "p99_ns"), nanoseconds("max", "max_ns"),
    {...number("at least", "at_least"), ifAny: true}, {...number("unknown", "unknown"), ifAny: true}], []),
  stuck: table(byId("stuck"), sockets, []),
  idle: table(byId("idle"), sockets.slice(1), []),
  owners: table(byId("owners"), [{head: "process", left: true, text: r => r.comm === null ? "(others)" : r.comm || "?", value: r => r.comm}, number("sockets", "all"),
    number("ESTABLISHED", "ESTABLISHED"), number("TIME_WAIT", "TIME_WAIT"), number("CLOSE_WAIT", "CLOSE_WAIT")], []),
  containers: table(byId("containers"), [words("container", "container"), number("sockets", "all"),
    number("ESTABLISHED", "ESTABLISHED"), number("TIME_WAIT", "TIME_WAIT"), number("CLOSE_WAIT", "CLOSE_WAIT")], []),
  ports: table(byId("ports"), [{head: "local", left: true, text: localEnd, value: localEnd}, {head: "remote", left: true, text: remoteEnd, value: remoteEnd},
    number("live", "live"), number("TIME_WAIT", "time_wait"), number("peak", "peak"), number("bound", "bound"),
    {head: "of range", text: r => percent(taken(r), r.range) + (r.range_known ? "" : "?"), value: r => taken(r) / r.range}], []),
};

// --- series -------------------------------------------------------------------------------------
// What serve has kept of the last ten minutes, and then what comes. A point is sockets per state, and counters.
const KEPT_MS = 600e3, GAP_MS = 15e3, LEAST_MS = 60e3, RECALL_S = 8;
let points = [];
const pointOf = told => ({at: Date.parse(told.ts), sockets: told.sockets, opened: told.opened, ended: told.ended});
const hidden = new Set(["opened", "ended"]);
const rates = counter => points.map((p, i) => {
  const before = points[i - 1];
  return before && p.at > before.at && p.at - before.at <= GAP_MS && p[counter] >= before[counter] ? (p[counter] - before[counter]) / (p.at - before.at) * 1000 : null;
});
const labels = keys(byId("keys"), [...SHOWN, "opened", "ended"].map(name => [name, name === "opened" || name === "ended" ? name + " a second" : name]), hidden, () => series());
const series = () => {
  if (!points.length) return;
  // A line along 0 would hide the others there.
  for (const name of SHOWN) labels.get(name).hidden = !points.some(p => p.sockets[name]);
  const times = points.map(p => p.at), to = times[times.length - 1];
  const lines = [...SHOWN.map(name => [name, points.map(p => p.sockets[name])]), ["opened", rates("opened")], ["ended", rates("ended")]].filter(([name]) => !hidden.has(name) && !labels.get(name).hidden);
  chart(byId("series"), "sockets per state over time", times, lines, {from: Math.min(times[0], to - LEAST_MS), to, gap: GAP_MS,
    hovered: i => { byId("at").textContent = hoverText(new Date(times[i]).toISOString(), lines, i); }});
};
const remember = (older, newer) => {
  const to = (newer.length ? newer : older)[(newer.length || older.length) - 1].at;
  points = [...older, ...newer].filter(p => to - p.at <= KEPT_MS);
  series();
};
// With each connection: what was missed in between comes too.
const recall = async () => {
  const answer = await fetch("api/history");
  if (!answer.ok) return;
  const past = (await answer.json()).points.map(pointOf);
  if (!past.length) return;
  const first = past[0].at, last = past[past.length - 1].at;
  remember([...points.filter(p => p.at < first), ...past], points.filter(p => p.at > last));
};

// --- what is listed -------------------------------------------------------------------------------
let stuck = [];
const filter = () => {
  const wanted = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const list = stuck.filter(r => wanted.every(w => r.words.includes(w)));
  const idle = list.filter(r => r.state === "ESTABLISHED");
  const waiting = list.filter(r => r.state !== "ESTABLISHED");
  byId("shown").textContent = wanted.length ? `${count(list.length)} of ${count(stuck.length)} match` : waiting.length ? "" : "none but ESTABLISHED";
  tables.stuck(waiting);
  byId("stuck").hidden = !waiting.length;
  tables.idle(idle);
  byId("stuck-card").hidden = !stuck.length;
  byId("idle-card").hidden = !idle.length;
};
byId("filter").addEventListener("input", filter);

// --- one event ----------------------------------------------------------------------------------
let last = null;
const show = data => {
  patience = Math.min(30000, Math.max(SILENT_MS, last ? 2 * (Date.now() - arrived) : 0));
  arrived = Date.now();
  live();
  document.documentElement.dataset.ready = "yes";
  const before = last;
  last = data;
  const seconds = before ? (Date.parse(data.ts) - Date.parse(before.ts)) / 1000 : 0;
  const old = Object.fromEntries((before ? before.states.rows : []).map(r => [r.state, r.count]));
  data.states.rows.forEach(r => { r.rate = seconds > 0 ? (r.count - (old[r.state] || 0)) / seconds : null; });
  byId("title").textContent = "tcpdwell · " + data.host;
  document.title = "tcpdwell · " + data.host;
  byId("meta").textContent = `${time(data.ts).slice(0, 8)} UTC · ${count(Object.values(data.sockets).reduce((a, b) => a + b, 0))} sockets · tracing since ${data.states.start.slice(0, 19).replace("T", " ")} UTC`;
  byId("findings-list").replaceChildren();
  showFindings(byId("findings-list"), data.findings);
  // The picture is made by tcpdwell: names of states and numbers. Parsed as XML, nothing in it runs.
  byId("diagram").replaceChildren(...[data.diagram, data.diagram_upright].map(picture =>
    document.importNode(new DOMParser().parseFromString(picture, "image/svg+xml").documentElement, true)));
  distributions(byId("distributions"), data.distributions, data.bins_per_decade);
  remember(points, [pointOf(data)]);
  if (seconds > RECALL_S) recall().catch(() => {});  // a survey takes long here; serve has what was in between
  tables.states(data.states.rows);
  stuck = data.stuck.map(r => ({...r, words: [r.state, r.comm, r.pid, r.cgroup_name, endpoint(r.laddr, r.lport), remoteEnd(r)].join(" ").toLowerCase()}));
  filter();
  byId("distributions-card").hidden = !data.distributions.length;
  byId("owners-card").hidden = !data.owners.length;
  tables.owners(data.owners);
  byId("containers-card").hidden = !data.containers.length;
  tables.containers(data.containers);
  byId("ports-card").hidden = !data.ports.length;
  tables.ports(data.ports);
  const lost = Object.entries(data.states.lost).filter(([, n]) => n > 0).map(([where, n]) => `${where} ${count(n)}`);
  byId("lost").textContent = lost.length ? "lost: " + lost.join(", ") : "nothing lost";
};
// Gone or frozen: what is shown is not what is now. Something comes each second, of a host with very many sockets less often.
const SILENT_MS = 5000;
let arrived = Date.now(), patience = SILENT_MS;
const live = () => {
  const silent = Math.round((Date.now() - arrived) / 1000);
  byId("banner").hidden = silent * 1000 < patience;
  if (!byId("banner").hidden) byId("banner").textContent = `Not live: nothing has come from tcpdwell for ${silent}s. ${last ? "What is below is from then. " : ""}Trying again.`;
};
setInterval(live, 1000);
const events = new EventSource("api/events");
events.onmessage = event => show(JSON.parse(event.data));
events.onopen = () => recall().catch(() => {});  // it is there without, from now on
events.onerror = () => { byId("meta").textContent = "no connection to tcpdwell; trying again"; arrived = Math.min(arrived, Date.now() - patience); live(); };
