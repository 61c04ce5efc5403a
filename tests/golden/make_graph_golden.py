#!/usr/bin/env python3
"""Features of series graphs in float64, by their definitions: python3 tests/golden/make_graph_golden.py

Writes graph/NAME.safetensors beside this file; needs numpy and safetensors. The formulas follow the
definitions (docs/model.md, sections 3 and 4.1), but each uses a different method from the crate: distances and numbers of shortest paths
from powers of the adjacency matrix, betweenness as a sum over all triples, unique bases from the Cholesky factor of the projector, return
probabilities from powers of the transition matrix of the walk.

A file contains edges [E, 2] (receiver, sender), edge_weights [E], hop_distance, centrality, spectral, random_walk, eigenmaps,
cluster.I, and prior_nonzero: the non-zero entries of the prior, row by row. Metadata: numpy (version), sizes (JSON).
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

FOLDER = Path(__file__).parent / "graph"
SIZES = {
    "num_transitions": 3,
    "max_hop_distance": 8,
    "num_spectral": 12,
    "num_random_walk": 7,
    "num_eigenvectors": 5,
    "hierarchy": [2, 3, 5],
}


def distances_and_counts(a):
    """Lengths of shortest paths (n if there is no path) and numbers of shortest paths."""
    n = len(a)
    length, count = np.full((n, n), n), np.zeros((n, n))
    power = np.eye(n)
    for steps in range(n):
        new = (length == n) & (power > 0) & (count == 0)
        length[new], count[new] = steps, power[new]
        power = power @ a
    return length, count


def betweenness(length, count):
    n = len(length)
    share = np.zeros(n)
    for v in range(n):
        on_the_way = (length[:, v, None] + length[None, v, :] == length) & (count > 0)
        lead = np.where(on_the_way, count[:, v, None] * count[None, v, :] / np.maximum(count, 1), 0)
        lead[v, :] = lead[:, v] = 0
        np.fill_diagonal(lead, 0)
        share[v] = lead.sum()
    return share / max(1, (n - 1) * (n - 2))


def unique_basis(projector, size):
    """Gram-Schmidt of the columns of the projector in order, from its Cholesky factor: a projector is its own Gram matrix."""
    n = len(projector)
    picked = []
    for i in range(n):
        if len(picked) == size:
            break
        rest = projector[i, i]
        if picked:
            x = np.linalg.solve(projector[np.ix_(picked, picked)], projector[picked, i])
            rest -= projector[i, picked] @ x
        if np.sqrt(max(rest, 0)) >= 1e-6:
            picked.append(i)
    lower = np.linalg.cholesky(projector[np.ix_(picked, picked)])
    return np.linalg.solve(lower, projector[picked]).T


def eigenvectors(laplacian):
    values, raw = np.linalg.eigh(laplacian)
    cuts = [0, *(np.flatnonzero(np.diff(values) >= 1e-7) + 1), len(values)]
    columns = [unique_basis(raw[:, a:b] @ raw[:, a:b].T, b - a) for a, b in zip(cuts, cuts[1:])]
    vectors = np.concatenate(columns, 1)
    for v in vectors.T:
        if v[np.argmax(np.abs(np.round(v, 9)))] < 0:
            v *= -1
    return values, vectors


def features(w, s):
    m, r = len(w), s["num_transitions"]
    a = ((w > 0) | (w.T > 0)).astype(float)
    degree = a.sum(1)
    length, count = distances_and_counts(a)
    scale = np.array([0 if d == 0 else d**-0.5 for d in degree])
    values, vectors = eigenvectors(np.diag(np.sign(degree)) - np.outer(scale, scale) * a)
    top, space = np.linalg.eigh(a)
    space = space[:, top > top[-1] - 1e-7]
    principal = np.abs((space @ space.T) @ np.ones(m))
    centrality = np.stack([degree / max(1, m - 1), principal / principal.sum(), (m - 1) / np.maximum(1, length.sum(1)), betweenness(length, count)], 1)
    walk = np.diag(np.where(degree > 0, 1 / np.maximum(degree, 1), 0)) @ a
    back = np.stack([np.diag(np.linalg.matrix_power(walk, t)) for t in range(1, s["num_random_walk"] + 1)], 1)
    total = np.eye(m + r)
    total[:m, :m] += w
    total[:m, m:], total[m:, :m] = 1 / r, 1
    prior = total / total.sum(1)[:, None]

    def with_hubs(x, width):
        out = np.zeros((m + r, width))
        k = min(width, x.shape[1])
        out[:m, :k] = x[:, :k]
        return out

    order = np.arange(m)
    positive = np.flatnonzero(values > 1e-7)
    if len(positive):
        order = np.array(sorted(range(m), key=lambda i: (np.round(vectors[i, positive[0]], 9) + 0.0, i)))
    out = {
        "prior_nonzero": prior[prior != 0],
        "hop_distance": np.concatenate([np.minimum(length.sum(1) // m, s["max_hop_distance"] - 1), np.zeros(r)]).astype(np.int64),
        "centrality": with_hubs(centrality, 4),
        "spectral": with_hubs(vectors[:, 1:], s["num_spectral"]),
        "random_walk": with_hubs(back, s["num_random_walk"]),
        "eigenmaps": with_hubs(vectors, s["num_eigenvectors"]),
    }
    for k, scale in enumerate(s["hierarchy"]):
        groups = -(-m // scale)
        label = np.full(m + r, groups)
        for place, node in enumerate(order):
            label[node] = place * groups // m
        out[f"cluster.{k}"] = label
    return out, values


def linked(n, pairs, weight=lambda i, j: 1.0):
    w = np.zeros((n, n))
    for i, j in pairs:
        w[i, j] = weight(i, j)
        w[j, i] = weight(j, i)
    return w


def graphs():
    rng = np.random.default_rng(20260801)
    yield "path", linked(9, [(i, i + 1) for i in range(8)])
    yield "ring", linked(10, [(i, (i + 1) % 10) for i in range(10)])
    yield "star", linked(8, [(3, j) for j in range(8) if j != 3])
    yield "complete", linked(6, [(i, j) for i in range(6) for j in range(i)])
    yield "two_parts", linked(13, [(0, 5), (5, 7), (7, 0), (7, 9), (1, 2), (2, 3), (3, 4), (4, 6), (6, 8), (8, 10), (10, 11), (3, 11)])
    random = rng.random((24, 24)) * (rng.random((24, 24)) < 0.1)
    np.fill_diagonal(random, 0)
    yield "random", random
    yield "single", np.zeros((1, 1))
    yield "no_edges", np.zeros((5, 5))
    place = rng.random((207, 2))
    apart = np.sqrt(((place[:, None] - place[None]) ** 2).sum(-1))
    near = np.exp(-((apart / 0.08) ** 2)) * (rng.random((207, 207)) < 0.8)
    near[near < 0.1] = 0
    np.fill_diagonal(near, 0)
    yield "sensors", near


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, w in graphs():
        made, values = features(w, SIZES)
        made["edges"] = np.argwhere(w > 0).astype(np.int64).reshape(-1, 2)
        made["edge_weights"] = w[w > 0]
        gaps = np.diff(values)
        gap = gaps[gaps >= 1e-7][: SIZES["num_spectral"] + 1].min(initial=9)
        print(f"{name}: {len(w)} nodes, {len(made['edges'])} edges, smallest gap {gap:.1e}, {int((values < 1e-7).sum())} parts")
        made = {k: np.ascontiguousarray(v) for k, v in made.items()}
        save_file(made, FOLDER / f"{name}.safetensors", metadata={"numpy": np.__version__, "nodes": str(len(w)), "sizes": json.dumps(SIZES)})
