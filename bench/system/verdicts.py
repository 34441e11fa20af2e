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


def verdicts(f):
    kernel = {name: k["kernel_ns"] for name, k in f["kernel"].items()}
    found = []
    levels = f["levels"]
    for name, most in (("stat", 4.2), ("serve", 5.5), ("record", 13.5)):
        us = levels[f"tcpdwell {name}"]["both_us"]
        before = levels.get(f"da8e1f8 {name}", {}).get("both_us")
        found.append(at_most(f"{name}: us a connection" + (f" ({before:.1f} at da8e1f8)" if before else ""), us, most, "{:.1f}"))
    ours, floor = kernel["tcpdwell record"], kernel["empty program"]
    found.append(at_most("kernel at the level of counts, times an empty program", kernel["tcpdwell stat"] / floor, 9, "{:.1f}"))
    found += [at_most("kernel, times an empty program", ours / floor, 5, "{:.1f}")]
    if "tcpstates" in kernel:
        found.append(at_least("kernel, times below tcpstates", kernel["tcpstates"] / ours, 25, "{:.1f}"))
    for mode in ("stat", "record"):
        name = f"tcpdwell {mode}"
        for kind, words in (("storm", "one thread"), ("storm2", "both processors"), ("exchange1", "request and response")):
            found.append(at_least(f"{mode}: rate, {words}", f[kind][name]["ratio"], 0.97))
        low, _ = f["web"][name]["p99_spread"]
        found.append(Verdict(f"{mode}: nginx p99 within noise", "a round no worse than untraced",
                             f"best round {low:.2f} times untraced", low <= 1.0))
    lost = sum(s["lost"] for kind in ("storm", "storm2", "exchange1") for name, s in f[kind].items()
               if name.startswith("tcpdwell"))
    found.append(at_most("events lost in all", lost, 0))
    micro = f["micro"]
    found.append(at_most("consumer: stat, ns/event", micro["decode/transition"] + micro["aggregate/by_state"], 150))
    found.append(at_most("consumer: JSON, ns/event",
                         micro["decode/transition"] + micro["aggregate/by_state"] + micro["sink/json"], 700))
    growth = f["growth"]
    hundred_thousand = next(g for g in growth if g["sockets"] == 100_000)
    found.append(at_most("RSS at 100,000 open sockets, MiB", hundred_thousand["rss_bytes"] / 2**20, 32))
    most = max(g["kernel_ns"] for g in growth) / growth[0]["kernel_ns"]
    found.append(at_most(f"kernel ns/event at {growth[-1]['sockets']:,} sockets, times that at 1,000", most, 1.2, "{:.2f}"))
    report = f["report"]
    found.append(at_least("report: million events a core and second", report["report_per_cpu_s"] / 1e6, 1.5))
    if "jq_per_s" in report:
        found.append(at_least("report: times as fast as jq", report["report_per_s"] / report["jq_per_s"], 50, "{:.0f}"))
    return found
