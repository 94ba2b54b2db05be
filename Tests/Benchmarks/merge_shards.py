#!/usr/bin/env python3
"""Sixteen processes that update one tangent posterior with a shard each, and one merge, beside one process.

    python3 merge_shards.py [--rows 45000] [--features 9] [--shards 16] [--hidden 50]

Simulated rows of the size of the UCI set protein: y a smooth function of 9 features and noise. The network is fitted on the first ninth;
the others are cut into shards. Printed: the largest relative difference of means and of deviations between the merge and one process that
absorbs the shards one after another, between the merge and one update with all rows, with and without --keep-sites, the same after one shard
was forgotten again, and processor seconds. Needs NumPy. Not part of CI.
"""
import argparse, pathlib, tempfile

import numpy

import uci

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rows", type=int, default=45_000)
parser.add_argument("--features", type=int, default=9)
parser.add_argument("--shards", type=int, default=16)
parser.add_argument("--hidden", default="50")
parser.add_argument("--binary", default=uci.default_binary)
arguments = parser.parse_args()
run = uci.command(arguments.binary)

random = numpy.random.default_rng(9)
x = random.normal(size=(arguments.rows, arguments.features))
slopes = random.normal(size=(arguments.features, 3))
y = numpy.sin(x @ slopes[:, 0]) + numpy.tanh(x @ slopes[:, 1]) * x[:, 0] + 0.5 * random.normal(size=arguments.rows)
names = [f"x{j}" for j in range(arguments.features)] + ["y"]

with tempfile.TemporaryDirectory() as place:
    folder = pathlib.Path(place)

    def table(name, rows):
        numpy.savetxt(folder / name, numpy.column_stack([x[rows], y[rows]]), delimiter=",", header=",".join(names),
                      comments="", fmt="%.17g")
        return folder / name

    def difference(a, b):
        own = run("diff", folder / a, folder / b)
        return f"means {own['max_rel_mean']:.1e}, deviations {own['max_rel_sd']:.1e}"

    first = arguments.rows // 9
    rest = numpy.arange(first, arguments.rows)
    parts = [table(f"s{k}.csv", own) for k, own in enumerate(numpy.array_split(rest, arguments.shards))]
    fit = run("fit", table("d1.csv", numpy.arange(first)), "--target", "y", "--hidden", arguments.hidden, "-o", folder / "p0")
    print(f"fit: {first} rows, {fit['parameters']} weights, {fit['cpu_seconds']:.1f} s")
    run("update", folder / "p0", table("rest.csv", rest), "-o", folder / "once")
    seconds, chain = 0, "p0"
    for k, part in enumerate(parts):
        seconds += run("update", folder / chain, part, "-o", folder / f"c{k}")["cpu_seconds"]
        chain = f"c{k}"
    print(f"one process, {len(parts)} updates: {seconds:.1f} s; against one update: {difference(chain, 'once')}")
    for keeping in ([], ["--keep-sites"]):
        seconds = 0
        for k, part in enumerate(parts):
            seconds += run("update", folder / "p0", part, "-o", folder / f"u{k}", "--force", *keeping)["cpu_seconds"]
        shards = [folder / f"u{k}" for k in range(len(parts))]
        merge = run("merge", "--prior", folder / "p0", *shards, "-o", folder / "m", "--force")
        size = (folder / "m").stat().st_size / 1e6
        print(f"shards{' with ' + keeping[0] if keeping else ''}: {seconds:.1f} s, merge {merge['cpu_seconds']:.1f} s, {size:.1f} MB; "
              f"against one process: {difference('m', chain)}; against one update: {difference('m', 'once')}")
        forgot = run("forget", folder / "m", parts[3], "-o", folder / "w", "--force")
        run("merge", "--prior", folder / "p0", *shards[:3], *shards[4:], "-o", folder / "v", "--force")
        print(f"  shard 4 forgotten: {forgot['cpu_seconds']:.1f} s, bound {forgot['forgetting_bound']}; against a merge without it: "
              f"{difference('w', 'v')}")
