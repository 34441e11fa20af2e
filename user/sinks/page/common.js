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
  const [size, unit] = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]].find(([size]) => ns >= size) || [1, "ns"];
  return Number((ns / size).toPrecision(3)).toString() + unit;
};
const bounded = (ns, bound) => (bound === "at_least" ? "≥" : "") + (bound === "unknown" ? "?" : duration(ns));
const time = stamp => stamp ? stamp.slice(11, 23) : "–";
// With its device, of an address that only that one makes unique.
const scoped = (address, iface) => iface ? address + "%" + iface : address;
const localEnd = r => r.laddr === "any" ? "any" : scoped(r.laddr, r.iface);
const remoteEnd = r => r.raddr === "any" ? "any" : endpoint(scoped(r.raddr, /^fe[89ab]/.test(r.raddr) && r.iface), r.rport);
const endpoint = (address, port) => (address.includes(":") ? "[" + address + "]" : address) + ":" + (port || "*");
const stateClass = state => STATES.includes(state) ? state : "UNKNOWN";

// --- tables -----------------------------------------------------------------------------------
// columns: {head, text(row), value(row) to sort by, left, cell(row) instead of text}
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
    body.replaceChildren(...sorted.slice(0, limit).map(row => make("tr", {}, ...columns.map(c =>
      cell(c, row)))));
  };
  const heading = node.closest("section")?.querySelector("h2");
  node.replaceChildren(make("caption", {}, heading ? heading.textContent : ""), make("thead", {}, make("tr", {}, ...heads)), body);
  show(rows);
  return show;
};
const number = (head, key) => ({head, text: r => count(r[key]), value: r => r[key]});
const nanoseconds = (head, key) => ({head, text: r => duration(r[key]), value: r => r[key]});
const words = (head, key) => ({head, left: true, text: r => r[key] === null || r[key] === "" ? "–" : String(r[key]), value: r => String(r[key] ?? "")});

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
    if ((decade - low) % every === 0) svg.append(draw("text", {class: "tick", x: at, y: list.length * rowHeight + 15, "text-anchor": "middle"}, duration(10 ** decade)));
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

const showFindings = (holder, findings) => {
  if (!findings.length) holder.append(make("div", {class: "note"}, "none: no rule found anything to look at"));
  findings.forEach(f => holder.append(make("div", {class: "finding " + (["critical", "warning", "note"].includes(f.severity) ? f.severity : "")}, f.text.replace(/(\d)us\b/g, "$1µs"))));
};
