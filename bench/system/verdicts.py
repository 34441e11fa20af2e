# SPDX-License-Identifier: BSD-2-Clause
"""The targets, and whether a run met them."""

import dataclasses


@dataclasses.dataclass
class Verdict:
    target: str
    asked: str
    measured: str
    met: bool


def at_most(target, value, limit, form="{:.0f}", asked=None):
    return Verdict(target, asked or f"at most {form.format(limit)}", form.format(value), value <= limit)


def at_least(target, value, limit, form="{:.2f}"):
    return Verdict(target, f"at least {form.format(limit)}", form.format(value), value >= limit)


# What was asked of the microseconds of a connection, as parts of what these were then.
ASKED = {"stat": 4.2 / 9.9, "serve": 5.5 / 11.8, "record": 13.5 / 18.0}


def of_a_connection(levels, where):
    for name, most in (("stat", 4.2), ("serve", 5.5), ("record connections", 7), ("record", 13.5)):
        before = levels.get(f"da8e1f8 {name}", {}).get("both_us")
        yield at_most(f"{name}: us a connection, {where}" + (f" ({before:.1f} at da8e1f8)" if before else ""),
                      levels[f"tcpdwell {name}"]["both_us"], most, "{:.1f}")
        best, best_before = (levels.get(f"{whose} {name}", {}).get("best_us") for whose in ("tcpdwell", "da8e1f8"))
        if best_before:
            yield at_most(f"{name}: times what it was at da8e1f8, {where}, best quarters", best / best_before, ASKED[name], "{:.2f}")


def verdicts(f):
    kernel = {name: k["kernel_ns"] for name, k in f["kernel"].items()}
    # The targets were set by the first; the second has the tool on whatever processor.
    found = [*of_a_connection(f["dialled"], "to one address"), *of_a_connection(f["levels"], "in a storm")]
    ours, floor = kernel["tcpdwell record"], kernel["empty program"]
    found.append(at_most("kernel at the level of counts, times an empty program", kernel["tcpdwell stat"] / floor, 9, "{:.1f}"))
    found += [at_most("kernel, times an empty program", ours / floor, 5, "{:.1f}")]
    if "tcpstates" in kernel:
        found.append(at_least("kernel, times below tcpstates", kernel["tcpstates"] / ours, 25, "{:.1f}"))
    disk = f["levels"]["tcpdwell record connections .zst"]["bytes_per_connection"]
    found.append(at_most("record connections .zst: bytes a connection (two lines)", disk, 60, "{:.1f}"))
    for mode, least in (("stat", 0.88), ("serve", 0.85)):
        found.append(at_least(f"{mode}: rate, one thread", f["storm"][f"tcpdwell {mode}"]["ratio"], least))
    web = f["web"]["tcpdwell serve"]
    found.append(at_least("serve: nginx without keep-alive, requests", web["ratio"], 0.93))
    found.append(at_most("serve: nginx without keep-alive, p99 times untraced", web["p99_ratio"], 1.15, "{:.2f}"))
    lost = sum(s["lost"] for kind in ("storm", "storm2", "exchange1") for name, s in f[kind].items()
               if name.startswith("tcpdwell"))
    found.append(at_most("events lost in all", lost, 0))
    micro = f["micro"]
    found.append(at_most("consumer: stat, ns/event", micro["decode/transition"] + micro["aggregate/by_state"], 150))
    found.append(at_most("consumer: JSON, ns/event",
                         micro["decode/transition"] + micro["aggregate/by_state"] + micro["sink/json"], 700))
    most_open = f["growth tcpdwell serve"][-1]
    found.append(at_most(f"serve: RSS at {most_open['sockets']:,} open sockets, MB", most_open["rss_bytes"] / 1e6, 40))
    found.append(at_most(f"serve: /metrics at {most_open['sockets']:,} open sockets, ms", most_open["metrics_ms"], 100))
    scraping = f["scraping"]
    found.append(at_most(f"serve: % of a processor more, asked for /metrics every 5 s at {scraping['sockets']:,} open sockets",
                         100 * (scraping["share"] - scraping["unasked"]), 3, "{:.1f}"))
    growth = f["growth tcpdwell stat"]
    hundred_thousand = next(g for g in growth if g["sockets"] == 100_000)
    found.append(at_most("RSS at 100,000 open sockets, MiB", hundred_thousand["rss_bytes"] / 2**20, 32))
    most = max(g["kernel_ns"] for g in growth) / growth[0]["kernel_ns"]
    found.append(at_most(f"kernel ns/event at {growth[-1]['sockets']:,} sockets, times that at 1,000", most, 1.2, "{:.2f}"))
    report = f["report"]
    found.append(at_least("report: million events a core and second", report["report_per_cpu_s"] / 1e6, 1.5))
    found.append(at_least("report: connections a second from their lines, times that from transitions",
                          report["connections_times"], 4, "{:.1f}"))
    if "jq_per_s" in report:
        found.append(at_least("report: times as fast as jq", report["report_per_s"] / report["jq_per_s"], 50, "{:.0f}"))
    return found
