"""Writes model/*.safetensors: inputs, parameters, outputs, losses and gradients of the slice of the model that this crate runs,
in float64 PyTorch, stored as float32.

Run: python make_model_golden.py      needs torch, safetensors (made with the versions in the files' metadata)
Tensor names: in.* (values, observed [B, S, Nx, F], calendar [B, S, C], target, target_observed [B, H, Nt], prior), param.*, act.* (block
outputs), out.mean / log_std / logit [B, H, Nt, K], loss.nll, loss.penalty, grad.*. The metadata `config` holds sizes and switches.
"""

import json
import math
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
CONFIGS = {
    "small": BASE,
    "odd": BASE | dict(
        seq_len=9, pred_len=6, patch_len=1, num_covariates=0, num_targets=5, num_calendar=0, num_channels=1, d_model=24, n_heads=6,
        n_layers=1, d_ff=20, mdn_components=2, use_highway=False, use_temporal_encoding=False),
    "plain": BASE | dict(use_instance_norm=False, use_adaptive_embedding=False, mdn_components=1, num_targets=9, n_heads=2, num_transitions=1),
}  # fmt: skip


def parameters(c):
    d, f, k = c["d_model"], c["d_ff"], c["mdn_components"]
    series = c["num_covariates"] + c["num_targets"]
    nodes, tokens = series + c["num_transitions"], (c["seq_len"] + c["pred_len"]) // c["patch_len"]
    shapes = {"embedding.node": (nodes, d), "embedding.kind": (3, d)}
    if c["use_adaptive_embedding"]:
        shapes["embedding.adaptive"] = (tokens, nodes, d)
    if c["num_calendar"]:
        shapes["embedding.calendar.weight"] = (d, c["num_calendar"])

    def linear(name, out, inner):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, inner), (out,)

    def norm(name):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (d,), (d,)

    linear("embedding.value", d, 2 * c["patch_len"] * c["num_channels"])
    norm("embedding.norm")
    for i in range(c["n_layers"]):
        for name in ("norm_time", "norm_space", "norm_fusion", "norm_out"):
            norm(f"layers.{i}.{name}")
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
        if "norm" in name and name.endswith("weight"):
            value = value + 1.0
        made[name] = value.float().double().requires_grad_()
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
        x = x + torch.stack([angle.sin(), angle.cos()], -1).reshape(tokens, 1, d)
    if c["num_calendar"]:
        mean = data["calendar"].reshape(b, tokens, patch, -1).mean(2)
        x = x + F.linear(mean, p["embedding.calendar.weight"])[:, :, None]
    x = act["embedding"] = norm("embedding.norm", x)
    nodes = x.shape[2]
    for i in range(c["n_layers"]):
        at = f"layers.{i}."
        q = lin(at + "query", norm(at + "norm_time", x)).reshape(b, tokens, nodes, h, d // h)
        key, value = lin(at + "key_value", norm(at + "norm_space", x)).reshape(b, tokens, nodes, 2, h, d // h).unbind(3)
        root = math.sqrt(d // h)
        time = torch.softmax(torch.einsum("btnhe,bsnhe->bnhts", q, key) / root, -1)
        space = torch.softmax(torch.einsum("btnhe,btmhe->bthnm", q, key) / root, -1)
        along = torch.einsum("bnhts,bsnhe->btnhe", time, value)
        across = torch.einsum("bthnm,btmhe->btnhe", space, value)
        mixed = torch.cat([along[:, :, :, : h // 2], across[:, :, :, h // 2 :]], 3).reshape(b, tokens, nodes, d)
        y = norm(at + "norm_fusion", x + lin(at + "attention_out", mixed))
        x = norm(at + "norm_out", y + lin(at + "ff2", F.gelu(lin(at + "ff1", y), approximate="tanh")))
        act[f"layers.{i}"] = x
    z = x[:, length // patch :, nc : nc + nt]
    head = lin("decoder.head", F.relu(lin("decoder.hidden", z))).reshape(b, -1, nt, 3, patch, k)
    mean, log_std, logit = head.permute(3, 0, 1, 4, 2, 5).reshape(3, b, c["pred_len"], nt, k)
    if c["use_highway"]:
        mean = mean + lin("decoder.highway", values[:, :length, nc:, 0].transpose(1, 2)).transpose(1, 2)[..., None]
    log_std = log_std.clamp(-7, 5)
    act |= {"decoder.0": mean, "decoder.1": log_std, "decoder.2": logit}
    return act, mean * scale[..., None] + shift[..., None], log_std + scale[..., None].log(), logit


def golden(c, seed, batch=3):
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    p = parameters(c)
    series, steps = c["num_covariates"] + c["num_targets"], c["seq_len"] + c["pred_len"]
    shape = (batch, steps, series, c["num_channels"])
    observed = (torch.rand(shape) < 0.85).double()
    observed[:, c["seq_len"] :, c["num_covariates"] :, 0] = 0
    observed[0, : c["seq_len"], c["num_covariates"], 0] = 0  # a target without history
    data = {
        "values": torch.randn(shape).cumsum(1).float().double(),
        "observed": observed,
        "target": torch.randn(batch, c["pred_len"], c["num_targets"]).float().double(),
        "target_observed": (torch.rand(batch, c["pred_len"], c["num_targets"]) < 0.8).double(),
    }
    if c["num_calendar"]:
        data["calendar"] = torch.randn(batch, steps, c["num_calendar"]).float().double()
    act, mean, log_std, logit = model(c, p, data)
    kind = torch.distributions.Categorical(logits=logit)
    mixture = torch.distributions.MixtureSameFamily(kind, torch.distributions.Normal(mean, log_std.exp()))
    seen = data["target_observed"]
    nll = -(mixture.log_prob(data["target"]) * seen).sum() / seen.sum().clamp_min(1)
    nll.backward()
    nodes = series + c["num_transitions"]
    prior = torch.eye(nodes)
    proposals = torch.stack([prior, torch.zeros_like(prior), torch.zeros_like(prior)])
    gates = torch.tensor([1.0, 0.0, 0.0]).repeat(batch, 1)
    out = {f"in.{k}": v for k, v in data.items()} | {"in.prior": prior}
    out |= {f"param.{k}": v for k, v in p.items()} | {f"grad.{k}": v.grad for k, v in p.items()}
    out |= {f"act.{k}": v for k, v in act.items()} | {"act.graph.proposals": proposals, "act.graph.gates": gates}
    out |= {"out.mean": mean, "out.log_std": log_std, "out.logit": logit, "loss.nll": nll[None], "loss.penalty": torch.zeros(1)}
    return {k: v.detach().float().contiguous().clone() for k, v in out.items()}


if __name__ == "__main__":
    folder = Path(__file__).parent / "model"
    folder.mkdir(exist_ok=True)
    for seed, (name, config) in enumerate(CONFIGS.items()):
        metadata = {"config": json.dumps(config), "torch": torch.__version__}
        save_file(golden(config, 40 + seed), folder / f"{name}.safetensors", metadata=metadata)
        print(name, (folder / f"{name}.safetensors").stat().st_size)
