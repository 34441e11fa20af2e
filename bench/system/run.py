# SPDX-License-Identifier: BSD-2-Clause
"""run.py BUILD OUT [--quick]: all that tcpdwell costs, beside its peers, in one run. Prints a Markdown report with a
verdict for each target, and writes it and the figures to OUT.md and OUT.json."""

import argparse
import json
import os
import platform
import signal
import sys
import time

import measure
from tools import tools
from verdicts import verdicts

MICRO = ("decode", "aggregate", "sinks", "trace")


LEVELS = (  # in turn with each other
    "empty program", "tcpdwell stat", "tcpdwell serve", "tcpdwell record", "tcpdwell record .zst", "tcpdwell record connections",
    "tcpdwell record connections .zst", "da8e1f8 stat", "da8e1f8 serve", "da8e1f8 record", "da8e1f8 record .zst")


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def quick_or_full(quick):
    if quick:
        return {"connections": 20_000, "rounds": 1, "peers": 1, "web_seconds": 2, "web_rounds": 1,
                "sockets": (1_000, 100_000), "micro_seconds": 0.1, "scraping_seconds": 30, "report": 20_000, "levels": 3, "level_connections": 20_000, "dialled": 25_000}
    return {"connections": 50_000, "rounds": 3, "peers": 2, "web_seconds": 4, "web_rounds": 3,
            "sockets": (1_000, 10_000, 100_000, 1_000_000), "micro_seconds": 0.5, "scraping_seconds": 300, "report": 100_000, "levels": 9, "level_connections": 20_000, "dialled": 25_000}


def measure_all(build, plan):
    all_tools = tools(build)
    present = {name: tool for name, tool in all_tools.items() if not tool.missing}
    figures = {"missing": {t.name: t.missing for t in all_tools.values() if t.missing}, "storm": {}, "kernel": {}}
    for name, tool in present.items():
        if name.startswith("da8e1f8"):
            continue
        own = name.startswith(("tcpdwell", "empty"))
        say(f"{name}: storm, and the kernel's time")
        rounds = plan["rounds"] if own else plan["peers"]
        try:
            stormed = measure.storm(build, tool, "storm", plan["connections"], 1, rounds)
            figures["kernel"][name] = measure.kernel_ns(build, tool, plan["connections"], plan["peers"])
            figures["storm"][name] = stormed
        except RuntimeError as failure:
            if own:
                raise
            figures["missing"][name] = str(failure).strip().splitlines()[0]
    say("what a connection costs, in turn")
    in_turn = [present[name] for name in LEVELS if name in present]
    figures["dialled"] = measure.levels(build, in_turn, ("dial", plan["dialled"]), plan["levels"], apart=True)
    figures["levels"] = measure.levels(build, in_turn, ("storm", plan["level_connections"], 1), plan["levels"])
    stat, record, serve = (present[f"tcpdwell {name}"] for name in ("stat", "record", "serve"))
    for kind, workers in (("storm", 2), ("exchange", 1)):
        for tool in (present["empty program"], stat, record):
            say(f"{tool.name}: {kind}, {workers} workers")
            figures.setdefault(f"{kind}{workers}", {})[tool.name] = measure.storm(
                build, tool, kind, plan["connections"], workers, plan["rounds"])
    for keepalive in (False, True):
        for tool in (present["empty program"], stat, serve, record):
            say(f"{tool.name}: nginx and wrk, {'with' if keepalive else 'without'} keep-alive")
            figures.setdefault("keepalive" if keepalive else "web", {})[tool.name] = measure.web(
                tool, keepalive, plan["web_seconds"], plan["web_rounds"])
    say("timers of others")
    figures["timers"] = measure.timers(build, stat, 500_000, plan["rounds"])
    for sockets in plan["sockets"]:
        say(f"with {sockets:,} sockets open")
        for tool in (stat, serve):
            figures.setdefault(f"growth {tool.name}", []).append(measure.growth(build, tool, sockets, plan["connections"]))
    say(f"/metrics, asked for again and again, with {plan['sockets'][-1]:,} sockets open")
    figures["scraping"] = measure.scraping(build, serve, plan["sockets"][-1], plan["scraping_seconds"])
    say("rooms")
    figures["micro"] = measure.micro(build, MICRO, plan["micro_seconds"])
    say("report")
    figures["report"] = measure.reports(build, plan["report"])
    return figures


def number(value, form="{:,.0f}"):
    return "-" if value is None else form.format(value)


def table(heads, rows):
    widths = [max(len(str(row[i])) for row in [heads, *rows]) for i in range(len(heads))]
    line = lambda row: "| " + " | ".join(
        str(cell).ljust(w) if i == 0 else str(cell).rjust(w) for i, (cell, w) in enumerate(zip(row, widths))) + " |"
    rule = "| " + " | ".join("-" * w if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths)) + " |"
    return "\n".join([line(heads), rule, *map(line, rows)])


def storm_table(storms, kernel):
    rows = []
    for name, s in storms.items():
        low, high = s["ratio_spread"]
        rows.append([name, number(kernel[name]["kernel_ns"]) if name in kernel else "", f"{s['ratio']:.2f}",
                     f"{low:.2f}-{high:.2f}", f"{s['untraced_cpu_us']:.1f}", f"{s['cpu_us']:.1f}",
                     number(s["consumer_ns_per_event"]), number(s["rss_bytes"] / 2**20, "{:.0f}"),
                     number(s["bytes_per_event"]), number(s["lost"])])
    return table(["tool", "kernel ns/event", "rate, untraced = 1", "from-to", "CPU us/conn. untraced", "traced",
                  "consumer ns/event", "RSS MiB", "bytes/event", "lost"], rows)


def level_table(levels):
    rows = []
    for name, at in levels.items():
        low, high = at["spread"]
        rows.append([name, f"{at['kernel_us']:.1f}", f"{at['reader_us']:.1f}", f"{at['both_us']:.1f}", f"{low:.1f}-{high:.1f}", f"{at['best_us']:.1f}",
                     f"{at['ratio']:.2f}", number(at["rss_bytes"] / 2**20, "{:.0f}"), number(at["bytes_per_connection"]),
                     number(at.get("lost"))])
    return table(["tool", "kernel us", "reader us", "together", "from-to", "best quarter", "rate, untraced = 1", "RSS MiB",
                  "bytes/connection", "lost"], rows)


def report(figures, plan, seconds):
    f = figures
    parts = [f"Kernel {platform.release()}, {os.cpu_count()} processors, {plan['connections']:,} connections a run, "
             f"medians of {plan['rounds']} (peers {plan['peers']}); {seconds:.0f} s in all.",
             f"### A connection, beyond untraced: medians of {plan['levels']} in turn",
             f"{plan['dialled']:,} to one address, from one processor, the tool on the other:", level_table(f["dialled"]),
             f"{plan['level_connections']:,} in a storm from one thread:", level_table(f["levels"]),
             "### A storm from one thread, a processor to spare", storm_table(f["storm"], f["kernel"]),
             "### A storm on both processors", storm_table(f["storm2"], {}),
             "### A client and a server, a request and a response a connection", storm_table(f["exchange1"], {}),
             "### nginx and wrk, both processors full",
             table(["", "requests, untraced = 1", "p99 untraced", "p99 traced"],
                   [[f"{name}, {'keep-alive' if kind == 'keepalive' else 'a connection a request'}", f"{w['ratio']:.2f}",
                     f"{w['untraced_p99_us']:.0f} us", f"{w['p99_us']:.0f} us"]
                    for kind in ("web", "keepalive") for name, w in f[kind].items()]),
             "### Growth",
             table(["sockets open", "tool", "kernel ns/event", "consumer ns/event", "RSS MiB", "/metrics ms", "lost"],
                   [[f"{g['sockets']:,}", name, number(g["kernel_ns"]), number(g["consumer_ns_per_event"]),
                     f"{g['rss_bytes'] / 2**20:.0f}", number(g.get("metrics_ms"), "{:.1f}"), g["lost"]]
                    for name in ("tcpdwell stat", "tcpdwell serve") for g in f["growth " + name]]),
             f"serve with {f['scraping']['sockets']:,} sockets open and nothing else: {100 * f['scraping']['share']:.1f} % of a processor "
             f"while it is asked for /metrics every 5 s ({100 * f['scraping']['unasked']:.1f} % before); the slowest answer took "
             f"{f['scraping']['slowest_ms']:.0f} ms.",
             f"A timer of a socket's keep-alive, set or stopped by a system call: {f['timers']['timer_ns']:.0f} ns untraced, "
             f"{f['timers']['traced_timer_ns']:.0f} ns traced.",
             "### Rooms, without a kernel",
             table(["benchmark", "ns/event"], [[name, f"{ns:.0f}"] for name, ns in f["micro"].items()]),
             "### Verdicts",
             table(["target", "asked", "measured", ""],
                   [[v.target, v.asked, v.measured, "met" if v.met else "NOT met"] for v in verdicts(f)])]
    parts += [f"Not measured: {name}: {why}." for name, why in f["missing"].items()]
    return "\n\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("out")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    plan = quick_or_full(options.quick)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which ends the tools; a shell's background job ignores it
    os.setpriority(os.PRIO_PROCESS, 0, -20)  # the load takes this: who is traced and who traces are equals
    start = time.monotonic()
    figures = measure_all(options.build, plan)
    text = report(figures, plan, time.monotonic() - start)
    with open(options.out + ".json", "w") as file:
        json.dump({"kernel": platform.release(), "plan": plan, **figures}, file, indent=1)
    with open(options.out + ".md", "w") as file:
        file.write(text)
    print(text)


if __name__ == "__main__":
    main()
