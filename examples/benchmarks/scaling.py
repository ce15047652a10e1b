"""What it costs to share a step among workers, measured on two cores, and how far it goes, computed from that.

    python examples/benchmarks/scaling.py --full     every table and the figure of docs/scale.md: 3 minutes on two cores
    python examples/benchmarks/scaling.py --quick    a small network, few rounds: does it run?

Bytes of a step on the wire, of slopes and of a dense all-reduce; how much faster two processes are than one; what the
parts cost; memory; then a cluster of up to 4,096 workers on paper, fed by these. Several processes need mpi4py and its
mpiexec; bytes are seen on the loopback of a network namespace, where the system lets a user make one.
"""

import argparse
import importlib.util
import itertools
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import cluster
import numpy as np
import on_ranks
from bench import ONE_THREAD, SIZES, TUNING

import dualgrad as dg

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from lab import axes, show, table  # noqa: E402

OVER_TCP = {  # a message to the same machine goes over the loopback, where it is counted: MPICH and Open MPI
    "MPIR_CVAR_CH4_NETMOD": "ofi", "MPIR_CVAR_NOLOCAL": "1", "FI_PROVIDER": "tcp", "FI_TCP_IFACE": "lo",
    "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "tcp,self", "OMPI_MCA_btl_tcp_if_include": "lo",
}  # fmt: skip
APART = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "-"]
WORKERS = [4**k for k in range(7)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--quick", action="store_true", help="a small network, few rounds")
    mode.add_argument("--full", action="store_true", help="what docs/scale.md shows")
    parser.add_argument("--output", metavar="DIR", default="output", help="for figure and JSON (default ./output)")
    args = parser.parse_args()
    pathlib.Path(args.output).mkdir(parents=True, exist_ok=True)
    found = measured(args)
    reports = bytes_sent, efficiencies, parts, memories, scaled, links, limits, late
    tables = [made for report in reports for made in report(found)]
    for made in tables:
        show(made)
    path = pathlib.Path(args.output).resolve() / "scaling"
    path.with_suffix(".json").write_text(json.dumps({"tables": tables, "found": found}, indent=1, default=float))
    draw(found).savefig(path.with_suffix(".png"), dpi=120)
    print(f"\nfigure: {path}.png\nresults: {path}.json")


# ---------------------------------------------------------------------- measurements


def mpiexec():
    """The launcher that goes with mpi4py, if both are there."""
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return shutil.which("mpiexec", path=path) if importlib.util.find_spec("mpi4py") else None


def on(ranks, settings, apart=()):
    """What on_ranks.py measures with so many processes of one thread each; ``apart``, on a loopback of their own."""
    environment = {k: v for k, v in (os.environ | ONE_THREAD).items() if k not in TUNING}
    environment |= OVER_TCP if apart else {}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1]), environment.get("PYTHONPATH", "")])
    launched = [mpiexec(), "-n", str(ranks), sys.executable, "-m", "mpi4py"] if ranks > 1 else [sys.executable]
    command = [*apart, *launched, str(HERE / "on_ranks.py"), json.dumps(settings)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def measured(args):
    """All figures; with --quick in one job of two processes, or in none."""
    sizes, rounds, batches = (SIZES, 25, [64, 256]) if args.full else ((16, 32, 16, 4), 2, [8])
    steps = [(b, 32, 1, k) for b in batches for k in (8, 16)] + [(b, 8, 8, 8) for b in batches]
    cases = [dict(zip(("batch", "n", "shards", "chunk"), step, strict=True)) for step in steps]
    counted = [{"n": n, "shards": shards, "chunk": 8} for n, shards in ((32, 1), (128, 1), (8, 8))]
    efficiency = {"sizes": sizes, "cases": cases, "rounds": rounds}
    costs = {"sizes": sizes, "batches": batches, "n": 32, "rounds": 2 * rounds}
    wire = {"sizes": sizes, "cases": counted, "times": 100}
    p = sum(a * b + b for a, b in itertools.pairwise(sizes))
    found = {"sizes": list(sizes), "p": p, "batch": batches[-1], "quick": args.quick, "memory": memory(args, sizes)}
    if mpiexec() is None:
        print("mpi4py or mpiexec is missing (pip install 'dualgrad[mpi]'): what needs several processes is left out")
        return found | on_ranks.measured(dg.workers.Alone(), {"costs": costs})
    if args.quick:
        found |= on(2, {"efficiency": efficiency, "costs": costs, "wire": wire | {"times": 0}})
        return found | {"wire": {2: found["wire"]}}
    found |= on(2, {"efficiency": efficiency, "costs": costs})
    return found | {"wire": {ranks: over_loopback(ranks, wire) for ranks in (2, 4)}}


def over_loopback(ranks, wire):
    """Bytes by formula, and where a network namespace can be made those seen."""
    try:
        possible = not subprocess.run([*APART, "true"], capture_output=True, check=False).returncode
    except OSError:
        possible = False
    if not possible:
        print("no network namespace can be made here: bytes are counted, and not seen")
        return on(ranks, {"wire": wire | {"times": 0}})["wire"]
    return on(ranks, {"wire": wire}, APART)["wire"]


def memory(args, sizes):
    """Bytes that dense directions take at most: at once, and in chunks."""
    cases = [(n, chunk) for n in ((128, 1024) if args.full else (8, 16)) for chunk in (8 if args.full else 2, None)]
    settings = [{"sizes": sizes, "n": n, "chunk": chunk} for n, chunk in cases]
    alone = dg.workers.Alone()
    run = (lambda some: on(1, some)) if args.full else (lambda some: on_ranks.measured(alone, some))
    return [some | {"most": run({"memory": some})["memory"]} for some in settings]


# ---------------------------------------------------------------------- tables of what was measured


def bytes_sent(found):
    """A table by number of processes."""
    for ranks, steps in found.get("wire", {}).items():
        rows = []
        for step in steps:
            name = "Backprop, all-reduce of float32" if step["step"] == "Backprop" else kind(step)
            rows.append([name, f"{step['counted']:,}", count(step["seen"])])
        title = f"Bytes of a step among {ranks} processes, p = {found['p']:,}"
        yield table(title, ["", "at least, by formula", "seen on the loopback, headers included"], rows)


def count(number):
    return "-" if number is None else f"{number:,.0f}"


def kind(step):
    return f"Shared, n = {step['n']}, {step['shards']} shard{'s' * (step['shards'] > 1)}, chunk {step['chunk']}"


def efficiencies(found):
    """One process and two by turns: medians of the CPU's milliseconds, of the slower one of two."""
    rows, phases = [], ("draw", "push", "combine", "total")
    for case in found.get("efficiency", []):
        turns, row = case["turns"], [f"{case['n']} × {case['shards']}", case["chunk"], case["batch"]]
        for phase in phases:
            row.append(" → ".join(f"{middle(turn[who][phase] for turn in turns):.2f}" for who in ("alone", "all")))
        totals = [(turn["alone"]["total"], turn["all"]["total"]) for turn in turns]
        usual = middle(one / two / 2 for one, two in totals)
        row += [f"{usual:.2f}", best(totals), best(turn["wall"] for turn in turns)]
        rows.append(row)
    if rows:
        header = ["directions × shards", "chunk", "batch", *phases, "efficiency", "at best", "by the clock, at best"]
        yield table("One process → two, milliseconds of the CPU", header, rows)


def best(pairs):
    """The efficiency of the best times of one and of both."""
    one, two = map(min, zip(*pairs, strict=True))
    return f"{one / two / 2:.2f}"


def middle(values):
    return statistics.median(values)


def parts(found):
    """The costs that everyone has."""
    names = [name for name in found["costs"] if not name.startswith("wall")]
    rows = [[name, f"{middle(found['costs'][name]):.3f}", f"{min(found['costs'][name]):.3f}"] for name in names]
    yield table("Parts of a step of 32 directions, chunk 8, in milliseconds", ["", "median", "least"], rows)


def memories(found):
    rows = [[some["n"], some["chunk"] or "at once", f"{some['most'] / 1e6:,.1f}"] for some in found["memory"]]
    yield table("Memory of dense directions at batch 64, beside the parameters, in MB", ["n", "chunk", "at most"], rows)


# ---------------------------------------------------------------------- a cluster on paper


def work(found, n, shards, F=None):
    """A step of these units, at the times measured."""
    costs = found["costs"]
    own = middle(costs[f"unit, batch {found['batch']}"]) / 1e3
    return cluster.Work(n, 8, shards, F or own, middle(costs["sum"]) / 32e3)


def units(found):
    """Units by what they are, and their seconds."""
    return {name: middle(times) / 1e3 for name, times in found["costs"].items() if name.startswith("unit")}


def scaled(found):
    """A step of fixed size on more and more workers."""
    for n, shards in ((32, 64), (1024, 8)):
        job = work(found, n, shards)
        rows = []
        for N in WORKERS:
            cells = [f"{1e3 * job.seconds(N, link):,.4g} ({job.efficiency(N, link):.2f})" for link in cluster.LINKS]
            rows.append([f"{N:,}", *cells])
        title = (
            f"{n} directions × {shards} shards of {found['batch']}: {job.units} units of {1e3 * job.F:.3g} ms, "
            f"{1e3 * n * job.c:.3g} ms of sum; milliseconds a step, and efficiency"
        )
        yield table(title, ["workers", *(link.name for link in cluster.LINKS)], rows)


def links(found):
    """What it takes to tell everyone."""
    rows = []
    for link in cluster.LINKS:
        cells = [1e3 * cluster.told(64, work(found, n, shards).numbers, link) for n, shards in ((32, 1), (1024, 1))]
        rows.append([link.name, *(f"{ms:,.3g}" for ms in [*cells, 1e3 * cluster.dense(64, found["p"], link)])])
    header = ["64 workers", "32 slopes", "1,024 slopes", "p float32, all-reduced"]
    yield table("Milliseconds of telling", header, rows)


def limits(found):
    """Up to how many workers it pays to give each one more unit, by more directions or by more shards."""
    rows = []
    for name, F in (units(found) | {"a larger unit": 1.0}).items():
        for link in cluster.LINKS:
            most = [pays_until(found, grown, F, link) for grown in GROWN.values()]
            rows.append([f"{name}: {1e3 * F:,.4g} ms", link.name, *(f"{N:,}" for N in most)])
    header = ["unit", "link", *GROWN]
    title = "Workers, with a unit each, up to which half of their time goes into pushes; powers of two up to 1,048,576"
    yield table(title, header, rows)


GROWN = {
    "more directions: 8 N × 1": lambda N: (8 * N, 1),
    "more shards: 8 × N": lambda N: (8, N),
    "more shards: 32 × N/4": lambda N: (32, max(N // 4, 1)),
}


def pays_until(found, grown, F, link):
    return cluster.until(lambda N: work(found, *grown(N), F).efficiency(N, link) >= 0.5)


def spreads(found):
    """How times of a unit may be spread."""
    return {
        "as measured here": cluster.again(found["costs"][f"wall, batch {found['batch']}"]),
        "lognormal, σ = 0.5": cluster.lognormal(0.5),
        "1 in 1,000 takes 100 times as long": cluster.stuck(1000, 100),
    }


def late(found):
    """Stragglers: seconds of a step over those of one without any."""
    found["late"], F, each = {}, work(found, 8, 1).F, 4
    few, steps = (WORKERS[:3], 2) if found["quick"] else (WORKERS, 12)
    for name, spread in spreads(found).items():
        by = found["late"][name] = {N: cluster.straggling(N, each, F, spread, dg.Rng(0), steps) for N in few}
        rows = [[f"{N:,}", *(f"{seconds / (each * F):.2f}" for seconds in ways.values())] for N, ways in by.items()]
        title = f"Stragglers, four units of {1e3 * F:.3g} ms each: {name}; times of a step without any"
        yield table(title, ["workers", *by[1]], rows)


# ---------------------------------------------------------------------- the figure


def draw(found):
    figure, (wire, time, pays, straggle) = axes(4, height=3.7, columns=2)
    bars(wire, found)
    for n, shards, color in ((32, 64, "tab:blue"), (1024, 8, "tab:orange")):
        job = work(found, n, shards)
        for link, style in zip(cluster.LINKS, ("-", "--", ":"), strict=True):
            name = f"{n} directions × {shards} shards" if style == "-" else None
            time.plot(WORKERS, [1e3 * job.seconds(N, link) for N in WORKERS], style, color=color, label=name)
        time.plot(WORKERS, [1e3 * job.units * job.F / N for N in WORKERS], color="0.7", linewidth=0.8)
    for link, style in zip(cluster.LINKS, ("-", "--", ":"), strict=True):
        time.plot([], [], style, color="0.4", label=link.name)
    time.set(xscale="log", yscale="log", xlabel="workers", ylabel="ms a step", title="a step of fixed size")
    time.legend(fontsize=6.5)
    shares(pays, found)
    stragglers(straggle, found)
    for ax in figure.axes:
        ax.minorticks_off()
    return figure


def shares(ax, found):
    """What share of their time workers push, with a unit each."""
    Ns, link = [2**k for k in range(13)], cluster.LINKS[1]
    for (name, grown), color in zip(GROWN.items(), ("tab:red", "tab:green", "tab:blue"), strict=True):
        for F, style in zip(units(found).values(), ("-", "--"), strict=False):
            pushes = [work(found, *grown(N), F).efficiency(N, link) for N in Ns]
            ax.plot(Ns, pushes, style, color=color, label=name if style == "-" else None)
    for (name, F), style in zip(units(found).items(), ("-", "--"), strict=False):
        ax.plot([], [], style, color="0.4", label=f"{name}: {1e3 * F:,.4g} ms")
    ax.axhline(0.5, color="0.4", linewidth=0.8)
    ax.set(xscale="log", ylim=(0, 1.05), xlabel="workers, a unit each; Ethernet", ylabel="share of time in pushes")
    ax.set(title="more shards pay longer than more directions")
    ax.legend(fontsize=6.5, loc="lower right", bbox_to_anchor=(1, 0.17))


def bars(ax, found):
    """Bytes a step by number of processes."""
    ax.set(title="bytes of a step on the wire", yscale="log", ylabel="bytes, all processes together")
    if "wire" not in found:
        ax.text(0.5, 0.5, "not measured: mpi4py is missing", ha="center", transform=ax.transAxes)
        return
    names = ["Backprop,\nall-reduce"] + [
        f"{s['n']} × {s['shards']}\nslopes" for s in next(iter(found["wire"].values()))[1:]
    ]
    for k, (ranks, steps) in enumerate(found["wire"].items()):
        seen = [step["seen"] or step["counted"] for step in steps]
        places = np.arange(len(steps)) + 0.4 * k - 0.2
        drawn = ax.bar(places, seen, 0.36, label=f"{ranks} processes")
        ax.bar_label(drawn, [short(b) for b in seen], fontsize=7)
    ax.set_xticks(range(len(names)), names, fontsize=8)
    ax.margins(y=0.15)
    ax.legend(fontsize=7)


def short(number):
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number:,.0f}"


def stragglers(ax, found):
    colors = ("tab:blue", "tab:orange", "tab:green")
    for (name, by), color in zip(found["late"].items(), colors, strict=True):
        ideal = 4 * work(found, 8, 1).F
        for way, style in zip(by[1], ("-", ":", "--"), strict=True):
            label = name if style == "-" else None
            ax.plot(list(by), [ways[way] / ideal for ways in by.values()], style, color=color, label=label)
    for style, way in zip(("-", ":", "--"), by[1], strict=True):
        ax.plot([], [], style, color="0.4", label=way)
    ax.set(xscale="log", yscale="log", xlabel="workers, four units each", ylabel="time / without stragglers")
    ax.set(title="stragglers")
    ax.legend(fontsize=6.5)


if __name__ == "__main__":
    main()
