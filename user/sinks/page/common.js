// What the page of a report and the live page share; the rest of a page's script follows in the same function.
const STATES = ["LISTEN","SYN_SENT","SYN_RECV","ESTABLISHED","FIN_WAIT1","FIN_WAIT2","CLOSING","TIME_WAIT","CLOSE_WAIT","LAST_ACK","CLOSE","UNKNOWN"];
const byId = id => document.getElementById(id);
// Everything a trace says gets into the page here, as text; a character that cannot be seen as its number.
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const visible = text => String(text).replace(unseen, c => "\\u{" + c.codePointAt(0).toString(16) + "}");
const make = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  for (const child of children) node.append(child instanceof Node ? child : visible(child));
  return node;
};
const draw = (tag, attributes, text) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = visible(text);
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
  // As tables in text have it: three digits, the last one rounded, so "1.00ms" and not "1000µs".
  const [size, unit] = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]].find(([size]) => ns >= size * .9995) || [1, ""];
  return unit ? (ns / size).toPrecision(3) + unit : Math.round(ns) + "ns";
};
// Of what is round: "10ms".
const roundDuration = ns => duration(ns).replace(/\.0+(?=\D)/, "");
// A part of a range that is not nothing is not shown as if it were.
const percent = (part, whole) => part > 0 && part / whole < .0005 ? "<0.1 %" : (100 * part / whole).toFixed(1) + " %";
const bounded = (ns, bound) => (bound === "at_least" ? "≥" : "") + (bound === "unknown" ? "?" : duration(ns));
const time = stamp => stamp ? stamp.slice(11, 23) : "–";
// With its device, of an address that only that one makes unique.
const scoped = (address, iface) => iface ? address + "%" + iface : address;
const localEnd = r => r.laddr === "any" ? "any" : scoped(r.laddr, r.iface);
const remoteEnd = r => r.raddr === "any" ? "any" : endpoint(scoped(r.raddr, /^fe[89ab]/.test(r.raddr) && r.iface), r.rport);
const endpoint = (address, port) => (address.includes(":") ? "[" + address + "]" : address) + ":" + (port || "*");
// A part of ESTABLISHED, which has a row and a stripe of its own.
const NOT_ACCEPTED = "not accepted";
const stateClass = state => state === NOT_ACCEPTED ? "NOT_ACCEPTED" : STATES.includes(state) ? state : "UNKNOWN";
const stateOrder = state => state === NOT_ACCEPTED ? STATES.indexOf("ESTABLISHED") + .5 : STATES.indexOf(state);

// --- tables -----------------------------------------------------------------------------------
// columns: {head, text(row), value(row) to sort by, left, cell(row) instead of text, ifAny: left out where no row has it, or all have 0}
const table = (node, columns, rows, rowLimit) => {
  let sorted = rows, column = null, down = true, limit = rowLimit || Infinity;
  const body = make("tbody");
  const heads = columns.map(c => {
    const button = make("button", {type: "button"}, c.head);
    const head = make("th", c.left ? {class: "left", scope: "col"} : {scope: "col"}, button);
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
  // What a narrow page shows of a row: each value behind its head, and none that is not there.
  const cell = (c, row) => {
    const content = c.cell ? c.cell(row) : c.text(row);
    const kind = (c.left ? "left" : "") + (c.long ? " long" : "") + (content === "–" || content === "" ? " empty" : "");
    return make("td", {class: kind.trim(), "data-head": c.head}, content);
  };
  const show = list => {
    sorted = column ? [...list].sort(compare) : list;
    const there = columns.filter(c => !c.ifAny || list.some(row => !["–", "0"].includes(c.text(row))));
    heads.forEach((head, i) => { head.hidden = !there.includes(columns[i]); });
    body.replaceChildren(...sorted.slice(0, limit).map(row => make("tr", {}, ...there.map(c => cell(c, row)))));
  };
  const heading = node.closest("section")?.querySelector("h2");
  node.replaceChildren(make("caption", {}, heading ? heading.textContent : ""), make("thead", {}, make("tr", {}, ...heads)), body);
  show(rows);
  return show;
};
const number = (head, key) => ({head, text: r => count(r[key]), value: r => r[key]});
const nanoseconds = (head, key) => ({head, text: r => duration(r[key]), value: r => r[key]});
const words = (head, key) => ({head, left: true, text: r => r[key] === null || r[key] === undefined || r[key] === "" ? "–" : String(r[key]), value: r => String(r[key] ?? "")});
// Whose it is: the root of all cgroups is nobody's.
const container = {head: "container", left: true, ifAny: true, text: r => !r.cgroup_name || r.cgroup_name === "/" ? "–" : r.cgroup_name, value: r => r.cgroup_name ?? ""};

// --- distributions ------------------------------------------------------------------------------
const distributions = (holder, list, perDecade) => {
  if (!list.length) return holder.replaceChildren();
  const all = list.flatMap(d => d.bins.map(b => b[0]));
  const low = Math.floor(Math.min(...all) / perDecade), high = Math.ceil((Math.max(...all) + 1) / perDecade);
  // As wide as there is room, so that letters keep their size.
  const left = 105, width = Math.max(280, Math.min(600, holder.clientWidth || 600)), rowHeight = 46, step = (width - left - 30) / ((high - low) * perDecade);
  const x = bin => left + (bin - low * perDecade) * step;
  const svg = draw("svg", {viewBox: `0 0 ${width} ${list.length * rowHeight + 24}`, role: "img", "aria-label": "dwell per state, logarithmic"});
  const every = Math.ceil((high - low + 1) * 48 / (width - left));
  for (let decade = low; decade <= high; decade++) {
    const at = x(decade * perDecade);
    svg.append(draw("line", {class: "axis", x1: at, x2: at, y1: 0, y2: list.length * rowHeight}));
    if ((decade - low) % every === 0) svg.append(draw("text", {class: "tick", x: at, y: list.length * rowHeight + 15, "text-anchor": "middle"}, roundDuration(10 ** decade)));
  }
  list.forEach((d, i) => {
    const base = (i + 1) * rowHeight - 4, most = Math.max(...d.bins.map(b => b[1]));
    svg.append(draw("text", {class: "tick", x: 0, y: base - 14}, d.state), draw("text", {class: "tick", x: 0, y: base}, "p50 " + duration(d.p50_ns)));
    for (const [bin, n] of d.bins) {
      const h = Math.max(1.5, n / most * (rowHeight - 12));
      svg.append(titled(draw("rect", {class: "area " + stateClass(d.state), x: x(bin), y: base - h, width: Math.max(1, step - .5), height: h}),
        `${d.state}: ${count(n)} from ${duration(10 ** (bin / perDecade))} to ${duration(10 ** ((bin + 1) / perDecade))}`));
    }
  });
  holder.replaceChildren(svg);
};

// --- lines over time ----------------------------------------------------------------------------
// Numbers that a person would take: four or five from 0 on.
const steps = most => {
  const power = 10 ** Math.floor(Math.log10(most / 4));
  const step = Math.max(1, [1, 2, 5, 10].map(f => f * power).find(s => most / s <= 5));
  return Array.from({length: Math.ceil(most / step) + 1}, (_, i) => i * step);
};
// `lines`: [name, values], a value for each of `times` (ms); null is a gap, and so is a longer time than `gap` between two.
// `hovered(i)` is told which moment is pointed at.
const chart = (holder, label, times, lines, {from = times[0], to = times[times.length - 1], gap = Infinity, hovered}) => {
  const width = Math.max(280, holder.clientWidth || 1180), height = 240, left = 60, bottom = height - 22, span = Math.max(1, to - from);
  const marks = steps(Math.max(1, ...lines.flatMap(([, values]) => values)));
  const most = marks[marks.length - 1];
  const x = at => left + (at - from) / span * (width - left - 10), y = value => bottom - value / most * (bottom - 10);
  const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label});
  for (const mark of marks)
    svg.append(draw("line", {class: "axis", x1: left, x2: width, y1: y(mark), y2: y(mark)}), draw("text", {class: "tick", x: left - 6, y: y(mark) + 4, "text-anchor": "end"}, count(mark)));
  const ticks = width < 600 ? 2 : 6;
  for (let i = 0; i <= ticks; i++) {
    const at = from + i / ticks * span, stamp = new Date(at).toISOString();
    const text = span > 86400e3 ? stamp.slice(5, 16).replace("T", " ") : stamp.slice(11, span < 600 ? 23 : span < 6e3 ? 22 : span < 60e3 ? 21 : 19);
    svg.append(draw("text", {class: "tick", x: x(at), y: height - 6, "text-anchor": i === ticks ? "end" : i ? "middle" : "start"}, text));
  }
  for (const [name, values] of lines) {
    const pieces = [];
    let before = null;
    times.forEach((at, i) => {
      if (values[i] === null || at < from) return before = null;
      if (before === null || at - before > gap) pieces.push([]);
      pieces[pieces.length - 1].push(`${x(at).toFixed(1)},${y(values[i]).toFixed(1)}`);
      before = at;
    });
    // What has nothing on either side would be a line without length.
    for (const piece of pieces)
      svg.append(piece.length > 1 ? draw("polyline", {class: "series stroke " + name, points: piece.join(" ")})
        : draw("circle", {class: "area " + name, cx: piece[0].split(",")[0], cy: piece[0].split(",")[1], r: 2}));
  }
  if (hovered) svg.addEventListener("mousemove", event => {
    const box = svg.getBoundingClientRect(), at = from + ((event.clientX - box.left) / box.width * width - left) / (width - left - 10) * span;
    hovered(times.reduce((best, time, i) => Math.abs(time - at) < Math.abs(times[best] - at) ? i : best, 0));
  });
  holder.replaceChildren(svg);
};
// A box to tick for each of `names`, [name, text]; `hidden` has those that are not. Returns each name's box with its label.
const keys = (holder, names, hidden, changed) => new Map(names.map(([name, text]) => {
  const box = make("input", {type: "checkbox"});
  box.checked = !hidden.has(name);
  box.addEventListener("change", () => { box.checked ? hidden.delete(name) : hidden.add(name); changed(); });
  const label = make("label", {class: "key"}, box, make("i", {class: "fill " + name}), text);
  holder.append(label);
  return [name, label];
}));
const hoverText = (stamp, lines, i) => stamp.slice(11, 23) + "  " + lines.filter(([, values]) => values[i] !== null).map(([name, values]) => `${name} ${count(values[i])}`).join(" · ");

const showFindings = (holder, findings) => {
  if (!findings.length) holder.append(make("div", {class: "note"}, "none: no rule found anything to look at"));
  findings.forEach(f => holder.append(make("div", {class: "finding " + (["critical", "warning", "note"].includes(f.severity) ? f.severity : "")}, f.text.replace(/(\d)us\b/g, "$1µs"))));
};
