"""Writes model/*.safetensors (inputs, parameters, outputs, losses and gradients of the whole model and of its parts) and
trajectory/full.safetensors (training steps of the whole model). Computed by PyTorch in float64, stored as float32. Written from the
specification that is now docs/model.md, with the same section numbers; section 11.9 describes the contents of a file.

Run: python make_model_golden.py [NAME ...]     needs torch, safetensors (versions: see the metadata of the files)
Tensor names: in.* (values, observed [B, S, Nx, F], calendar [B, S, C], common [B, S, Qc], own [B, S, Nx, Q], static [Nx, A], target, target_observed [B, H, Nt], prior, and the features of the
nodes in the graph), gumbel.0 / 1 (noise on the logits of each stage), param.*, act.* (block outputs), out.mean / log_std / logit [B, H, Nt,
K], loss.nll, loss.penalty, grad.*. The metadata entry `config` contains sizes and switches. In a trajectory the inputs have a leading axis
of steps, init.* and param.* are the parameters before the first and after the last step, and step.nll / penalty / grad_norm are [steps].
../../assets/self-test.safetensors ("full") is embedded in the native program, and the page downloads it. So its sizes are small and its
numbers are short.
"""

import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

OFF = (
    "adaptive_temporal structural_encoding graph_encoding dynamic_graph adaptive_graph graph_gate convolution hops fusion "
    "graph_attention dynamic_edge_weights hierarchy autocorr"
).split()
BASE = dict(
    seq_len=8, pred_len=4, patch_len=2, num_covariates=2, num_targets=3, num_transitions=2, num_calendar=3, num_channels=3,
    d_model=16, n_heads=4, n_layers=2, d_ff=24, mdn_components=3, norm_epsilon=1e-2, dropout=0.0,
    use_instance_norm=True, use_temporal_encoding=True, use_adaptive_embedding=True, use_highway=True,
    **{f"use_{name}": False for name in OFF},
)  # fmt: skip
PARTS = dict(
    num_transitions=2, top_k_edges=2, num_eigenvectors=3, num_spectral=5, num_random_walk=2, max_hop_distance=6, hierarchy=[2, 3],
    autocorr_factor=1.0, **{f"use_{name}": True for name in ("structural_encoding", "graph_encoding", "graph_attention",
                                                              "dynamic_edge_weights", "hierarchy", "autocorr")},
)  # fmt: skip
CONFIGS = {
    "parts": BASE | PARTS,
    "parts_odd": BASE | PARTS | dict(
        seq_len=9, pred_len=6, patch_len=1, num_covariates=0, num_targets=6, n_layers=1, hierarchy=[4], autocorr_factor=2.0,
        use_dynamic_edge_weights=False, use_graph_encoding=False),
    "full": BASE | PARTS | dict(
        seq_len=6, pred_len=4, patch_len=2, num_covariates=1, num_targets=3, num_calendar=2, num_channels=2, d_model=8, n_heads=2, n_layers=1,
        d_ff=12, mdn_components=2, num_eigenvectors=2, num_spectral=3, hierarchy=[2], conv_kernels=[1, 3], hops=2, top_k_edges=2,
        adaptive_rank=3, memory_rate=0.1, num_scales=2, **{f"use_{name}": True for name in OFF}),
    "narrow": BASE | PARTS | dict(d_model=4, n_heads=2, n_layers=1, d_ff=6, num_targets=2, num_transitions=2, num_eigenvectors=2, num_spectral=3,
                                  hierarchy=[2], conv_kernels=[1, 3], hops=1, top_k_edges=2,
                                  adaptive_rank=3, memory_rate=0.1, num_scales=2, **{f"use_{name}": True for name in OFF}),
    "small": BASE,
    "odd": BASE | dict(
        seq_len=9, pred_len=6, patch_len=1, num_covariates=0, num_targets=5, num_calendar=0, num_channels=1, d_model=24, n_heads=6,
        n_layers=1, d_ff=20, mdn_components=2, use_highway=False, use_temporal_encoding=False),
    "side": BASE | dict(common_sizes=[3], own_sizes=[4, 2], num_static=3),
    "side_only": BASE | PARTS | dict(common_sizes=[2, 5], own_sizes=[3], num_static=2, num_calendar=0, patch_len=4, n_layers=1),
    "plain": BASE | dict(use_instance_norm=False, use_adaptive_embedding=False, mdn_components=1, num_targets=9, n_heads=2, num_transitions=1),
}  # fmt: skip


SEEDS = ["small", "odd", "plain", "parts", "parts_odd", "full", "narrow", "side", "side_only"]


def parameters(c):
    d, f, k = c["d_model"], c["d_ff"], c["mdn_components"]
    series = c["num_covariates"] + c["num_targets"]
    nodes, tokens = series + c["num_transitions"], (c["seq_len"] + c["pred_len"]) // c["patch_len"]
    shapes = {"embedding.node": (nodes, d), "embedding.kind": (3, d)}
    if c["use_adaptive_embedding"]:
        shapes["embedding.adaptive"] = (tokens, nodes, d)
    if c["num_calendar"]:
        shapes["embedding.calendar.weight"] = (d, c["num_calendar"])

    for kind in ("common", "own"):
        for q, size in enumerate(c.get(f"{kind}_sizes", [])):
            shapes[f"embedding.{kind}.{q}.weight"] = (d, c["patch_len"] * size)
    if c.get("num_static"):
        shapes["embedding.static.weight"] = (d, c["num_static"])

    def linear(name, out, inner):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, inner), (out,)

    def norm(name):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (d,), (d,)

    linear("embedding.value", d, 2 * c["patch_len"] * c["num_channels"])
    if c["use_adaptive_temporal"]:
        shapes["embedding.temporal.blend"], shapes["embedding.temporal.speed"] = (2,), (c["num_scales"],)
        linear("embedding.temporal.qkv", 3 * d, d)
        linear("embedding.temporal.out", d, d)
    if c["use_dynamic_graph"]:
        shapes["graph.series_to_transition"] = (c["num_transitions"], series)
        shapes["graph.transition_to_target"] = (c["num_targets"], c["num_transitions"])
        shapes["graph.log_temperature"] = ()
    if c["use_adaptive_graph"]:
        shapes["graph.sender"] = shapes["graph.receiver"] = (nodes, c["adaptive_rank"])
        shapes["graph.sender_memory.weight"] = shapes["graph.receiver_memory.weight"] = (c["adaptive_rank"], d)
        shapes["graph.memory"] = (nodes, d)
    if c["use_graph_gate"]:
        linear("graph.gate1", d, d)
        linear("graph.gate2", 3, d)
    if c["use_graph_encoding"]:
        shapes["embedding.graph.distance.weight"] = (c["max_hop_distance"], d // 4)
        for name, width in (("centrality", 4), ("spectral", c["num_spectral"]), ("random_walk", c["num_random_walk"])):
            linear(f"embedding.graph.{name}", d // 4, width)
        linear("embedding.graph.out", d, d)
    if c["use_structural_encoding"]:
        linear("embedding.graph.structural", d, c["num_eigenvectors"])
    if c["use_hierarchy"]:
        for i in range(len(c["hierarchy"])):
            norm(f"scales.{i}.norm")
            for name, out, inner in (("qkv", 3 * d, d), ("out", d, d), ("gate", d, 2 * d)):
                linear(f"scales.{i}.{name}", out, inner)
        norm("scale_norm")
    for stage in ("to_transition", "to_target") if c["use_graph_attention"] else ():
        for name, out in (("query", d), ("key_value", 2 * d), ("bias_receiver", c["n_heads"]), ("out", d)):
            linear(f"{stage}.{name}", out, d)
        shapes[f"{stage}.bias_sender.weight"] = (c["n_heads"], d)
        if c["use_dynamic_edge_weights"]:
            shapes[f"{stage}.edge_sender.weight"] = (d, d)
            linear(f"{stage}.edge_receiver", d, d)
            linear(f"{stage}.edge_out", c["n_heads"], d)
            shapes[f"{stage}.structural_weight"] = shapes[f"{stage}.feature_weight"] = ()
        shapes[f"{stage}.residual_weight"] = shapes[f"{stage}.update_weight"] = ()
        norm(f"{stage}.norm")
    if c["use_autocorr"]:
        for name, out, inner in (("qkv", 3 * d, d), ("out", d, d), ("ff1", f, d), ("ff2", d, f)):
            linear(f"autocorr.{name}", out, inner)
        norm("autocorr.norm")
        norm("autocorr.norm_out")
    norm("embedding.norm")
    for i in range(c["n_layers"]):
        for name in ("norm_time", "norm_space", "norm_fusion", "norm_out"):
            norm(f"layers.{i}.{name}")
        for j, wide in enumerate(c["conv_kernels"] if c["use_convolution"] else ()):
            shapes[f"layers.{i}.convs.{j}.weight"], shapes[f"layers.{i}.convs.{j}.bias"] = (d, d, wide), (d,)
        for j in range(c["hops"] if c["use_hops"] else 0):
            linear(f"layers.{i}.hops.{j}", d, d)
        if c["use_fusion"]:
            shapes[f"layers.{i}.interaction"] = (c["n_heads"], d // c["n_heads"], d // c["n_heads"])
            for name in ("interaction", "attention", "fusion"):
                linear(f"layers.{i}.gate_{name}", d, 2 * d)
        linear(f"layers.{i}.query", d, d)
        linear(f"layers.{i}.key_value", 2 * d, d)
        linear(f"layers.{i}.attention_out", d, d)
        linear(f"layers.{i}.ff1", f, d)
        linear(f"layers.{i}.ff2", d, f)
    linear("decoder.hidden", d, d)
    linear("decoder.head", 3 * c["patch_len"] * k, d)
    if c["use_highway"]:
        linear("decoder.highway", c["pred_len"], c["seq_len"])
    made = {}
    for name, shape in shapes.items():
        scale = 0.3 if len(shape) > 1 else 0.2
        value = scale * torch.randn(shape)
        if ("norm" in name and name.endswith("weight")) or not shape:
            value = value + 1.0
        if c["use_dynamic_graph"]:
            value = (value * 64).round() / 64
        made[name] = value.float().double().requires_grad_(name != "graph.memory")
    return made


def model(c, p, data):
    act = {}
    d, h, nc, nt = c["d_model"], c["n_heads"], c["num_covariates"], c["num_targets"]
    length, patch, k = c["seq_len"], c["patch_len"], c["mdn_components"]
    values, observed = data["values"] * data["observed"], data["observed"]
    b, steps, series, channels = values.shape
    tokens = steps // patch

    def lin(name, x):
        return F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])

    def norm(name, x):
        return F.layer_norm(x, (d,), p[f"{name}.weight"], p[f"{name}.bias"], 1e-5)

    shift, scale = torch.zeros(b, 1, nt), torch.ones(b, 1, nt)
    if c["use_instance_norm"]:
        seen = observed[:, :length, nc:, 0]
        count = seen.sum(1, keepdim=True)
        mean = values[:, :length, nc:, 0].sum(1, keepdim=True) / count.clamp_min(1)
        spread = (((values[:, :length, nc:, 0] - mean) * seen) ** 2).sum(1, keepdim=True) / count.clamp_min(1)
        shift = torch.where(count > 0, mean, shift)
        scale = torch.where(count > 0, (spread + c["norm_epsilon"]).sqrt(), scale)
    values = values.clone()
    values[:, :, nc:, 0] = (values[:, :, nc:, 0] - shift) / scale * observed[:, :, nc:, 0]

    def patches(z):
        return z.reshape(b, tokens, patch, series, channels).permute(0, 1, 3, 2, 4).reshape(b, tokens, series, patch * channels)

    x = lin("embedding.value", torch.cat([patches(values), patches(observed)], -1))
    x = torch.cat([x, torch.zeros(b, tokens, c["num_transitions"], d)], 2)
    kinds = [0] * nc + [1] * nt + [2] * c["num_transitions"]
    x = x + p["embedding.node"] + p["embedding.kind"][kinds]
    if c["use_adaptive_embedding"]:
        x = x + p["embedding.adaptive"]
    if c["use_temporal_encoding"]:
        angle = torch.arange(tokens)[:, None] * torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
        fixed = torch.stack([angle.sin(), angle.cos()], -1).reshape(tokens, 1, d)
        x = x + (adaptive_temporal(p, lin, fixed, tokens, d) if c["use_adaptive_temporal"] else fixed)
    if c["num_calendar"]:
        mean = data["calendar"].reshape(b, tokens, patch, -1).mean(2)
        x = x + F.linear(mean, p["embedding.calendar.weight"])[:, :, None]
    for q, size in enumerate(c.get("common_sizes", [])):
        x = x + by_category(p[f"embedding.common.{q}.weight"], data["common"][..., None, q], patch, size)
    for q, size in enumerate(c.get("own_sizes", [])):
        x[:, :, :series] += by_category(p[f"embedding.own.{q}.weight"], data["own"][..., q], patch, size)
    if c.get("num_static"):
        x[:, :, :series] += data["static"] @ p["embedding.static.weight"].T
    if c["use_graph_encoding"]:
        at = "embedding.graph."
        parts = [p[at + "distance.weight"][data["hop_distance"]]]
        parts += [lin(at + name, data[name]) for name in ("centrality", "spectral", "random_walk")]
        x = x + lin(at + "out", torch.cat(parts, -1))
    if c["use_structural_encoding"]:
        x = x + lin("embedding.graph.structural", data["eigenmaps"])
    x = act["embedding"] = norm("embedding.norm", x)
    nodes = x.shape[2]
    matrices, gates, edges = graph(c, p, lin, data, x)
    act |= {"graph.proposals": matrices, "graph.gates": gates}
    for i in range(c["n_layers"]):
        at = f"layers.{i}."
        in_time = norm(at + "norm_time", x + convolved(c, p, at, x) if c["use_convolution"] else x)
        in_space = norm(at + "norm_space", x + hopped(c, lin, at, x, matrices, gates) if c["use_hops"] else x)
        q = lin(at + "query", in_time).reshape(b, tokens, nodes, h, d // h)
        key, value = lin(at + "key_value", in_space).reshape(b, tokens, nodes, 2, h, d // h).unbind(3)
        root = math.sqrt(d // h)
        time = torch.softmax(torch.einsum("btnhe,bsnhe->bnhts", q, key) / root, -1)
        space = torch.softmax(torch.einsum("btnhe,btmhe->bthnm", q, key) / root, -1)
        along = torch.einsum("bnhts,bsnhe->btnhe", time, value)
        across = torch.einsum("bthnm,btmhe->btnhe", space, value)
        mixed = torch.cat([along[:, :, :, : h // 2], across[:, :, :, h // 2 :]], 3).reshape(b, tokens, nodes, d)
        attended = lin(at + "attention_out", mixed)
        change = fused(p, lin, at, x, in_time, in_space, attended, h) if c["use_fusion"] else attended
        y = norm(at + "norm_fusion", x + change)
        x = norm(at + "norm_out", y + lin(at + "ff2", F.gelu(lin(at + "ff1", y), approximate="tanh")))
        act[f"layers.{i}"] = x
    if c["use_hierarchy"]:
        total = x
        for i, r in enumerate(c["hierarchy"]):
            total = total + scale_of(c, lin, norm, act, x, i, r, data[f"cluster.{i}"])
        x = act["scale_norm"] = norm("scale_norm", total)
    z = x[:, :, nc:series]
    if c["use_graph_attention"]:
        hubs = act["to_transition"] = along_edges(c, p, lin, norm, "to_transition", x[:, :, :series], x[:, :, series:], edges[0])
        z = act["to_target"] = along_edges(c, p, lin, norm, "to_target", hubs, z, edges[1])
    if c["use_autocorr"]:
        z = act["autocorr"] = by_lag(c, lin, norm, z)
    z = z[:, length // patch :]
    head = lin("decoder.head", F.relu(lin("decoder.hidden", z))).reshape(b, -1, nt, 3, patch, k)
    mean, log_std, logit = head.permute(3, 0, 1, 4, 2, 5).reshape(3, b, c["pred_len"], nt, k)
    if c["use_highway"]:
        mean = mean + lin("decoder.highway", values[:, :length, nc:, 0].transpose(1, 2)).transpose(1, 2)[..., None]
    log_std = log_std.clamp(-7, 5)
    act |= {"decoder.0": mean, "decoder.1": log_std, "decoder.2": logit}
    return act, mean * scale[..., None] + shift[..., None], log_std + scale[..., None].log(), logit


def by_category(weight, codes, patch, size):
    """[B, T, N, D]: for each place in a patch a table of its own, whose first row, for code 0, is zero."""
    b, steps, series = codes.shape
    total = 0
    for place in range(patch):
        rows = weight[:, place * size : (place + 1) * size].T
        table = torch.cat([torch.zeros(1, rows.shape[1]), rows])
        total = total + F.embedding(codes[:, place::patch].long(), table)
    return total


def adaptive_temporal(p, lin, fixed, tokens, d):
    at, scales = "embedding.temporal.", 0
    rate = torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
    for speed in p[at + "speed"]:
        angle = speed * torch.arange(tokens)[:, None] * rate
        q, k, v = lin(at + "qkv", torch.stack([angle.sin(), angle.cos()], -1).reshape(tokens, d)).split(d, -1)
        scales = scales + torch.softmax(torch.einsum("te,se->ts", q, k) / math.sqrt(d), -1) @ v
    own = lin(at + "out", scales / len(p[at + "speed"]))[:, None]
    w = p[at + "blend"].exp() / p[at + "blend"].exp().sum()
    return w[0] * fixed + w[1] * own


def stage_tables(c, p):
    return [p["graph.series_to_transition"], p["graph.transition_to_target"]] if c["use_dynamic_graph"] else []


def graph(c, p, lin, data, x):
    """Matrices [3, N, N], gates [B, 3], and per stage [receivers, senders]: the probability of each edge, 0 if there is no edge."""
    b, nodes, nc, nt = x.shape[0], x.shape[2], c["num_covariates"], c["num_targets"]
    series, hubs = nc + nt, c["num_transitions"]
    prior, dynamic, adaptive = data["prior"], torch.zeros(nodes, nodes), torch.zeros(nodes, nodes)
    edges = [torch.full((hubs, series), 1 / series), torch.full((nt, hubs), 1 / hubs)]
    if c["use_dynamic_graph"]:
        tau = p["graph.log_temperature"].exp().clamp(0.1, 10)
        for i, logits in enumerate(stage_tables(c, p)):
            z = ((logits + data[f"gumbel.{i}"]) / tau).exp()
            least = z.sort(-1, descending=True).values[:, min(c["top_k_edges"], z.shape[1]) - 1]
            z = torch.where(z >= least[:, None], z, 0)
            edges[i] = z / z.sum(-1, keepdim=True)
        dynamic = torch.cat([
            torch.zeros(nc, nodes),
            torch.cat([torch.zeros(nt, series), edges[1]], 1),
            torch.cat([edges[0], torch.zeros(hubs, hubs)], 1),
        ])  # fmt: skip
    if c["use_adaptive_graph"]:
        send = p["graph.sender"] + p["graph.memory"] @ p["graph.sender_memory.weight"].T
        receive = p["graph.receiver"] + p["graph.memory"] @ p["graph.receiver_memory.weight"].T
        adaptive = torch.softmax(F.relu(torch.einsum("ir,jr->ij", receive, send)), 1)
    there = torch.tensor([True, c["use_dynamic_graph"], c["use_adaptive_graph"]])
    logits = torch.zeros(b, 3)
    if c["use_graph_gate"]:
        logits = lin("graph.gate2", F.relu(lin("graph.gate1", x.mean((1, 2)))))
    return torch.stack([prior, dynamic, adaptive]), torch.softmax(logits.masked_fill(~there, -math.inf), -1), edges


def penalty_of(c, p):
    total = torch.zeros(1)
    for logits in stage_tables(c, p):
        total = total + 0.01 * logits.abs().mean() + 0.001 * torch.distributions.Categorical(logits=logits).entropy().sum()
    return total


def convolved(c, p, at, x):
    """Computes each tap of each kernel as a linear map of the shifted steps."""
    total, steps = 0, x.shape[1]
    for j, wide in enumerate(c["conv_kernels"]):
        padded, weight = F.pad(x, (0, 0, 0, 0, wide // 2, wide // 2)), p[f"{at}convs.{j}.weight"]
        taps = sum(padded[:, tap : tap + steps] @ weight[:, :, tap].T for tap in range(wide))
        total = total + F.relu(taps + p[f"{at}convs.{j}.bias"])
    return total / len(c["conv_kernels"])


def hopped(c, lin, at, x, matrices, gates):
    total, mixed = 0, torch.einsum("bk,kij->bij", gates, matrices)
    for j in range(c["hops"]):
        moved = torch.einsum("bij,btjd->btid", mixed if j == 0 else torch.matrix_power(mixed, j + 1), x)
        total = total + F.relu(lin(f"{at}hops.{j}", moved))
    return total / c["hops"]


def fused(p, lin, at, x, in_time, in_space, attended, h):
    blocks = torch.block_diag(*p[at + "interaction"])  # [D, D]: out = W space within each head
    interaction = in_time * (in_space @ blocks.T)

    def gate(name, a):
        return torch.sigmoid(lin(at + "gate_" + name, torch.cat([a, x], -1)))

    mixed = gate("interaction", interaction) * interaction + gate("attention", attended) * attended
    return gate("fusion", mixed) * (mixed - x)


def scale_of(c, lin, norm, act, x, i, r, cluster):
    b, t, n, d = x.shape
    h, name, groups = c["n_heads"], f"scales.{i}", int(cluster.max()) + 1
    token = (torch.arange(t) // r)[:, None] * groups + cluster  # [T, N]: the pooled token of each token
    member = F.one_hot(token.flatten()).double()
    pooled = torch.einsum("bxd,xs->bsd", x.reshape(b, t * n, d), member / member.sum(0))
    q, k, v = (z.reshape(b, -1, h, d // h) for z in lin(name + ".qkv", norm(name + ".norm", pooled)).chunk(3, -1))
    weights = torch.softmax(torch.einsum("bihe,bjhe->bhij", q, k) / math.sqrt(d // h), -1)
    y = lin(name + ".out", torch.einsum("bhij,bjhe->bihe", weights, v).reshape(b, -1, d))[:, token]
    act[name] = torch.sigmoid(lin(name + ".gate", torch.cat([x, y], -1))) * y
    return act[name]


def along_edges(c, p, lin, norm, name, senders, receivers, prob):
    """Attention from every receiver to every sender; pairs without an edge (probability 0) are masked out."""
    b, t, s, d = senders.shape
    h, r = c["n_heads"], receivers.shape[2]
    q = lin(name + ".query", receivers).reshape(b, t, r, 1, h, d // h)
    k, v = lin(name + ".key_value", senders).reshape(b, t, 1, s, 2, h, d // h).unbind(4)
    score = (q * k).sum(-1) / math.sqrt(d // h)  # [B, T, R, S, h]
    biased = score + F.linear(senders, p[name + ".bias_sender.weight"])[:, :, None] + lin(name + ".bias_receiver", receivers)[:, :, :, None]
    if c["use_dynamic_edge_weights"]:
        of_sender = F.linear(senders.mean(1), p[name + ".edge_sender.weight"])[:, None]
        hidden = F.relu(of_sender + lin(name + ".edge_receiver", receivers.mean(1))[:, :, None])
        structure = p[name + ".structural_weight"] * torch.sigmoid(lin(name + ".edge_out", hidden))
        biased = biased * (structure[:, None] + p[name + ".feature_weight"] * torch.sigmoid(score))
    there = prob > 0
    logarithm = torch.where(there, torch.where(there, prob, 1).clamp_min(1e-12).log(), -math.inf)
    update = lin(name + ".out", (torch.softmax(biased + logarithm[..., None], 3)[..., None] * v).sum(3).flatten(3))
    return norm(name + ".norm", p[name + ".residual_weight"] * receivers + p[name + ".update_weight"] * F.relu(update))


def by_lag(c, lin, norm, z):
    b, t, n, d = z.shape
    q, k, v = lin("autocorr.qkv", z).chunk(3, -1)
    score = torch.stack([(torch.roll(q, -lag, 1) * k).sum((1, 3)) / d for lag in range(t)], 1)  # [B, lag, N]
    top = score.topk(min(t, max(2, int(c["autocorr_factor"] * math.log(t)))), 1)
    rolls = torch.stack([torch.roll(v, -lag, 1) for lag in range(t)], 1)  # [B, lag, T, N, D]
    chosen = rolls.gather(1, top.indices[:, :, None, :, None].expand(-1, -1, t, n, d))
    y = norm("autocorr.norm", z + lin("autocorr.out", (torch.softmax(top.values, 1)[:, :, None, :, None] * chosen).sum(1)))
    return norm("autocorr.norm_out", y + lin("autocorr.ff2", F.gelu(lin("autocorr.ff1", y), approximate="tanh")))


def graph_data(c, nodes, series):
    """Random features that belong to no graph. The rows of transition nodes are 0; these nodes form a separate cluster."""
    widths = dict(centrality=4, spectral=c["num_spectral"], random_walk=c["num_random_walk"], eigenmaps=c["num_eigenvectors"])
    data = {"hop_distance": torch.randint(c["max_hop_distance"], (nodes,))}
    for name, width in widths.items():
        data[name] = torch.randn(nodes, width).float().double()
    for rows in data.values():
        rows[series:] = 0
    for i, r in enumerate(c["hierarchy"]):
        groups = -(-series // r)
        label = torch.arange(series) * groups // series
        data[f"cluster.{i}"] = torch.cat([label[torch.randperm(series)], torch.full((nodes - series,), groups)])
    return data


def window_data(c, batch, tidy=lambda v: v):
    series, steps = c["num_covariates"] + c["num_targets"], c["seq_len"] + c["pred_len"]
    shape = (batch, steps, series, c["num_channels"])
    observed = (torch.rand(shape) < 0.85).double()
    observed[:, c["seq_len"] :, c["num_covariates"] :, 0] = 0
    observed[0, : c["seq_len"], c["num_covariates"], 0] = 0  # a target without history
    data = {
        "values": tidy(torch.randn(shape).cumsum(1).float().double()),
        "observed": observed,
        "target": tidy(torch.randn(batch, c["pred_len"], c["num_targets"]).float().double()),
        "target_observed": (torch.rand(batch, c["pred_len"], c["num_targets"]) < 0.8).double(),
    }
    if "common_sizes" in c:
        data["common"] = torch.stack([torch.randint(size + 1, (batch, steps)) for size in c["common_sizes"]], -1).double()
        codes = [torch.randint(size + 1, (batch, steps, series)) for size in c["own_sizes"]]
        data["own"] = torch.stack(codes, -1).double()
        data["static"] = torch.randn(series, c["num_static"]).float().double()
    if c["num_calendar"]:
        data["calendar"] = tidy(torch.randn(batch, steps, c["num_calendar"]).float().double())
    return data


def noise_data(c, tidy=lambda v: v):
    sizes = ((c["num_transitions"], c["num_covariates"] + c["num_targets"]), (c["num_targets"], c["num_transitions"]))
    return {f"gumbel.{i}": tidy(-(-torch.rand(size).log()).log()).float().double() for i, size in enumerate(sizes)}


def losses(c, p, data):
    act, mean, log_std, logit = model(c, p, data)
    kind = torch.distributions.Categorical(logits=logit)
    mixture = torch.distributions.MixtureSameFamily(kind, torch.distributions.Normal(mean, log_std.exp()))
    seen = data["target_observed"]
    nll = -(mixture.log_prob(data["target"]) * seen).sum() / seen.sum().clamp_min(1)
    return act, {"out.mean": mean, "out.log_std": log_std, "out.logit": logit, "loss.nll": nll[None], "loss.penalty": penalty_of(c, p)}


def in_name(name):
    return name if name.startswith("gumbel") else f"in.{name}"


def stored(tensors):
    return {k: (v.int() if v.dtype == torch.int64 else v.detach().float()).contiguous().clone() for k, v in tensors.items()}


def short(v):
    return (v * 256).round() / 256


def start(c, seed):
    """The initial parameters."""
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    return parameters(c)


def prior_of(c, nodes, series):
    """A prior whose rows sum to 1; the identity without a learned graph."""
    if not c["use_dynamic_graph"]:
        return torch.eye(nodes)
    prior = torch.zeros(nodes, nodes)
    prior[:series, :series] = torch.randint(1, 5, (series, series)).double()
    prior += torch.eye(nodes)
    return (prior / prior.sum(1, keepdim=True)).float().double()


def golden(c, seed, batch=3):
    p, tidy = start(c, seed), short if c["use_dynamic_graph"] else lambda v: v
    data = window_data(c, 2 if c["use_dynamic_graph"] else batch, tidy)
    series = c["num_covariates"] + c["num_targets"]
    nodes = series + c["num_transitions"]
    if "hierarchy" in c:
        data |= graph_data(c, nodes, series)
    data["prior"] = prior_of(c, nodes, series)
    if c["use_dynamic_graph"]:
        data |= noise_data(c, tidy)
    act, results = losses(c, p, data)
    (results["loss.nll"] + results["loss.penalty"]).sum().backward()
    out = {in_name(k): v for k, v in data.items()} | results
    out |= {f"param.{k}": v for k, v in p.items()} | {f"grad.{k}": v.grad for k, v in p.items() if v.requires_grad}
    return stored(out | {f"act.{k}": v for k, v in act.items()})


def trajectory(c, seed, steps=6, batch=3):
    """Training steps: clip to global norm 1, AdamW(1e-3, (0.9, 0.999), 1e-8, weight decay 0.01); each step then updates the memory."""
    p = start(c, seed)
    series = c["num_covariates"] + c["num_targets"]
    nodes = series + c["num_transitions"]
    fixed = graph_data(c, nodes, series) | {"prior": prior_of(c, nodes, series)}
    out = {f"init.{k}": v.detach().clone() for k, v in p.items()} | {in_name(k): v for k, v in fixed.items()}
    learned = [v for v in p.values() if v.requires_grad]
    optimiser, kept = torch.optim.AdamW(learned, 1e-3, (0.9, 0.999), 1e-8, 0.01), {}
    for _ in range(steps):
        data = window_data(c, batch) | noise_data(c)
        act, results = losses(c, p, data | fixed)
        optimiser.zero_grad()
        (results["loss.nll"] + results["loss.penalty"]).sum().backward()
        norm = torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        p["graph.memory"] = (1 - c["memory_rate"]) * p["graph.memory"] + c["memory_rate"] * act["embedding"].detach().mean((0, 1))
        step = {"step.nll": results["loss.nll"][0], "step.penalty": results["loss.penalty"][0], "step.grad_norm": norm}
        for k, v in ({in_name(k): v for k, v in data.items()} | step).items():
            kept.setdefault(k, []).append(v.detach().clone())
    return stored(out | {f"param.{k}": v for k, v in p.items()} | {k: torch.stack(v) for k, v in kept.items()})


if __name__ == "__main__":
    wanted = sys.argv[1:] or list(CONFIGS)
    folder = Path(__file__).parent
    for name in wanted:
        made = [("model", golden(CONFIGS[name], 40 + SEEDS.index(name)))]
        if name == "full":
            made.append(("trajectory", trajectory(CONFIGS[name], 50)))
        for kind, tensors in made:
            file = folder / kind / f"{name}.safetensors"
            if (kind, name) == ("model", "full"):
                file = folder.parents[1] / "assets" / "self-test.safetensors"
            file.parent.mkdir(exist_ok=True)
            save_file(tensors, file, metadata={"config": json.dumps(CONFIGS[name]), "torch": torch.__version__})
            print(kind, name, file.stat().st_size)
