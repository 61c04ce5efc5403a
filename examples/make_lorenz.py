"""Makes tables of the Lorenz-96 system with their true graph, for examples/graph-lorenz.sh.

    python3 make_lorenz.py FOLDER SEED ...        # writes FOLDER/lorenz-SEED.csv and FOLDER/lorenz-SEED_edges.csv; needs numpy

dx_i/dt = (x_(i+1) - x_(i-2)) x_(i-1) - x_i + F, with F = 10 and 20 variables on a ring (E. N. Lorenz, "Predictability: a problem partly
solved", 1996). 500 rows, 0.05 apart, after 1,000 rows that are dropped; noise of deviation 0.1 is added to what is observed. Each series has
three drivers: those one behind, two behind and one ahead.
"""

import csv
import pathlib
import sys

import numpy as np

SERIES, ROWS, DROPPED, FORCE = 20, 500, 1000, 10.0
ROW_STEP, SUBSTEPS, NOISE = 0.05, 5, 0.1


def slope(state):
    ahead, behind, two_behind = np.roll(state, -1), np.roll(state, 1), np.roll(state, 2)
    return (ahead - two_behind) * behind - state + FORCE


def runge_kutta(state, step):
    """One step of the classical method of fourth order."""
    first = slope(state)
    second = slope(state + 0.5 * step * first)
    third = slope(state + 0.5 * step * second)
    fourth = slope(state + step * third)
    return state + step * (first + 2.0 * second + 2.0 * third + fourth) / 6.0


def table(seed):
    random = np.random.default_rng(seed)
    state = FORCE + 0.5 * random.normal(size=SERIES)
    rows = np.empty((ROWS, SERIES))
    for row in range(-DROPPED, ROWS):
        for _ in range(SUBSTEPS):
            state = runge_kutta(state, ROW_STEP / SUBSTEPS)
        if row >= 0:
            rows[row] = state
    return rows + NOISE * random.normal(size=rows.shape)


def main(folder, *seeds):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"x{i}" for i in range(SERIES)]
    for seed in seeds:
        with open(folder / f"lorenz-{seed}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            writer.writerows([f"{x:.6f}" for x in row] for row in table(int(seed)))
        with open(folder / f"lorenz-{seed}_edges.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["source", "target"])
            writer.writerows([names[(i + offset) % SERIES], names[i]] for i in range(SERIES) for offset in (-2, -1, 1))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
