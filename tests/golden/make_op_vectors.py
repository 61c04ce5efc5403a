#!/usr/bin/env python3
"""Test vectors of every op, computed by PyTorch in float64: python3 tests/golden/make_op_vectors.py

Writes ops/NAME.safetensors beside this file. The formulas are functions of PyTorch, or were written independently from the definition.
Nothing here is a translation of the f64 reference implementations in Rust, so that the vectors detect a formula that is wrong in both
the reference and the shader.

A file contains several cases. Tensor names: CASE/in.I, CASE/out.I (outputs), CASE/update.I (input I after the update, for optimisers),
CASE/cotangent.I (given gradient of output I), CASE/grad.I (gradient of input I). The leading axis of per-window tensors is that of the
windows; per-step tensors do not have it. Metadata: `torch` (version), `cases`, a JSON list of {name, windows, attrs (numbers, or lists of
them), scopes ("window" or "step" of each input), inverse_count, learning_rate, shrink, continues}. With `continues`, the inputs that the op updates
are not from the file, but have the values after the previous case.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.set_default_dtype(torch.float64)
FOLDER = Path(__file__).parent / "ops"


class File:
    def __init__(self, op):
        self.op, self.tensors, self.cases = op, {}, []
        self.generator = torch.Generator().manual_seed(sum(map(ord, op)))

    def normal(self, *shape, scale=1.0):
        return torch.randn(shape, generator=self.generator) * scale

    def uniform(self, *shape, low=0.0, high=1.0):
        return torch.rand(shape, generator=self.generator) * (high - low) + low

    def mask(self, *shape, p=0.7):
        return (torch.rand(shape, generator=self.generator) < p).double()

    def case(self, name, function, inputs, attrs=None, windows=1, discrete=0, **step):
        """inputs: (tensor, "window" | "step", whether its gradient is computed). function: inputs -> tuple of outputs, the last `discrete`
        of which have no gradient."""
        leaves = [t.clone().requires_grad_(grad) for t, _, grad in inputs]
        outputs = function(*leaves)
        for i, leaf in enumerate(leaves):
            self.put(name, f"in.{i}", leaf)
        for k, y in enumerate(outputs):
            self.put(name, f"out.{k}", y)
        outputs = outputs[: len(outputs) - discrete]
        if any(leaf.requires_grad for leaf in leaves):
            cotangents = [self.normal(*y.shape) for y in outputs]
            for k, d in enumerate(cotangents):
                self.put(name, f"cotangent.{k}", d)
            torch.autograd.backward(outputs, cotangents)
            for i, leaf in enumerate(leaves):
                if leaf.requires_grad:
                    self.put(name, f"grad.{i}", torch.zeros_like(leaf) if leaf.grad is None else leaf.grad)
        self.describe(name, windows, attrs, [scope for _, scope, _ in inputs], **step)

    def put(self, case, name, tensor):
        self.tensors[f"{case}/{name}"] = tensor.detach().clone().contiguous()

    def describe(self, name, windows, attrs, scopes, inverse_count=0.0, learning_rate=0.0, shrink=0.0, continues=False):
        self.cases.append(
            dict(
                name=name,
                windows=windows,
                attrs={k: [float(x) for x in v] if isinstance(v, list) else float(v) for k, v in (attrs or {}).items()},
                scopes=scopes,
                inverse_count=inverse_count,
                learning_rate=learning_rate,
                shrink=shrink,
                continues=continues,
            )
        )

    def save(self):
        assert not any(t.dtype != torch.float64 for t in self.tensors.values())
        metadata = dict(format="1", op=self.op, torch=torch.__version__, cases=json.dumps(self.cases))
        save_file(self.tensors, FOLDER / f"{self.op}.safetensors", metadata)


def window(t, grad=True):
    return t, "window", grad


def step(t, grad=True):
    return t, "step", grad


def add():
    f = File("add")
    f.case("windows", lambda a, b: (torch.add(a, b),), [window(f.normal(3, 2, 4)), window(f.normal(3, 2, 4))], windows=3)
    f.case("once a step", lambda a, b: (torch.add(a, b),), [step(f.normal(5, 8)), step(f.normal(5, 8))])
    return f


def linear():
    f = File("linear")
    acts = [lambda x: x, F.relu, lambda x: F.gelu(x, approximate="tanh")]

    def one(name, shape, k, m, windows, bias, residual, activation, column0=0, more=0):
        inputs = [window(f.normal(windows, *shape, k)), step(f.normal(m, column0 + k + more, scale=0.3))]
        inputs += [step(f.normal(m))] if bias else []
        inputs += [window(f.normal(windows, *shape, m))] if residual else []

        def function(x, w, *rest):
            y = F.linear(acts[activation](x), w[:, column0 : column0 + k], rest[0] if bias else None)
            return (y + rest[-1] if residual else y,)

        attrs = dict(bias=bias, residual=residual, activation=activation, dropout=0)
        f.case(name, function, inputs, attrs | (dict(column0=column0) if column0 + more else {}), windows)

    one("plain", (5,), 3, 4, 1, True, False, 0)
    one("relu, no bias", (4,), 6, 5, 2, False, False, 1)
    one("gelu, residual", (3, 2), 4, 4, 3, True, True, 2)
    one("residual alone", (7,), 2, 9, 2, False, True, 0)
    one("some columns of a weight", (5,), 4, 6, 2, True, False, 0, column0=3, more=2)
    return f


def layer_norm():
    f = File("layer_norm")
    for name, windows, rows, d, residual in [("plain", 2, 3, 8, 0), ("residual", 3, 5, 4, 1), ("wide", 1, 2, 32, 1)]:
        inputs = [window(f.normal(windows, rows, d)), step(f.uniform(d, low=0.5, high=1.5)), step(f.normal(d))]
        inputs += [window(f.normal(windows, rows, d))] if residual else []

        def function(x, gamma, beta, *change):
            return (F.layer_norm(sum(change, x), (x.shape[-1],), gamma, beta, 1e-5),)

        f.case(name, function, inputs, dict(residual=residual, dropout=0), windows)
    f.case(
        "small deviations: epsilon matters",
        lambda x, g, b: (F.layer_norm(x, (8,), g, b, 1e-5),),
        [window(f.normal(1, 3, 8, scale=1e-3)), step(f.normal(8)), step(f.normal(8))],
        dict(residual=0, dropout=0),
    )
    return f


def attention():
    f = File("attention")

    def one(name, windows, t, n, heads, time_heads, width, scale=1.0):
        d = heads * width

        def function(q, kv):
            q = q.reshape(windows, t, n, heads, width)
            k, v = kv.reshape(windows, t, n, 2, heads, width).unbind(3)
            y = torch.zeros_like(q)
            for h in range(heads):
                axis = (lambda z: z.transpose(1, 2)) if h < time_heads else (lambda z: z)  # lines first, then positions
                part = F.scaled_dot_product_attention(*(axis(z[..., h, :]) for z in (q, k, v)))
                y = y + F.one_hot(torch.tensor(h), heads).double()[:, None] * axis(part)[..., None, :]
            return (y.reshape(windows, t, n, d),)

        inputs = [window(f.normal(windows, t, n, d, scale=scale)), window(f.normal(windows, t, n, 2 * d))]
        f.case(name, function, inputs, dict(heads=heads, time_heads=time_heads), windows)

    one("both axes", 2, 3, 4, 2, 1, 4)
    one("along steps", 1, 5, 2, 2, 2, 2)
    one("across nodes", 2, 2, 6, 1, 0, 8)
    one("four heads, sharp", 1, 4, 5, 4, 2, 2, scale=6.0)
    return f


def autocorrelation():
    f = File("autocorrelation")

    def one(name, windows, t, n, d, k):
        def function(qkv):
            q, key, v = qkv.chunk(3, -1)
            spectrum = torch.fft.rfft(q, dim=1) * torch.fft.rfft(key, dim=1).conj()
            corr = torch.fft.irfft(spectrum, n=t, dim=1).mean(-1)  # [B, lag, N]
            top = corr.topk(k, 1)
            weight, y = torch.softmax(top.values, 1), 0
            for i in range(k):
                rolled = torch.stack(
                    [torch.stack([torch.roll(v[b, :, j], -int(top.indices[b, i, j]), 0) for j in range(n)], 1) for b in range(windows)]
                )
                y = y + weight[:, i, None, :, None] * rolled
            return (y,)

        f.case(name, function, [window(f.normal(windows, t, n, 3 * d))], dict(lags=k), windows)

    one("two lags", 2, 5, 3, 4, 2)
    one("all lags", 1, 4, 2, 8, 4)
    one("even steps", 3, 8, 2, 4, 3)
    return f


def listed(index, senders):
    """index [R, k], and the same edges ordered by sender: starts [senders + 1], entries [R k]."""
    flat = index.flatten()
    entries = sorted(range(len(flat)), key=lambda e: (int(flat[e]), e))
    starts = [sum(int(v) < s for v in flat) for s in range(senders + 1)]
    return [step(index.double(), False), step(torch.tensor(starts).double(), False), step(torch.tensor(entries).double(), False)]


def clusters(cluster, groups):
    members = sorted(range(len(cluster)), key=lambda n: (cluster[n], n))
    starts = [sum(c < g for c in cluster) for g in range(groups + 1)]
    return [step(torch.tensor(z).double(), False) for z in (cluster, starts, members)]


def pools(t, r, cluster, groups):
    """One-hot matrices [T, S] and [N, G]."""
    in_time = F.one_hot(torch.arange(t) // r, -(-t // r)).double()
    return in_time, F.one_hot(torch.tensor(cluster), groups).double()


def cluster_mean():
    f = File("cluster_mean")
    for name, windows, t, r, cluster, groups, d in [
        ("a short last group", 2, 5, 2, [1, 0, 2, 0, 1], 3, 4),
        ("one group", 1, 3, 4, [0, 0, 1], 2, 8),
        ("every token alone", 2, 2, 1, [1, 2, 0], 3, 4),
    ]:
        in_time, in_node = pools(t, r, cluster, groups)
        function = lambda x, *_: (
            torch.einsum("btnd,ts,ng->bsgd", x, in_time / in_time.sum(0), in_node / in_node.sum(0)).flatten(1, 2)[:, None],
        )
        inputs = [window(f.normal(windows, t, len(cluster), d)), *clusters(cluster, groups)]
        f.case(name, function, inputs, dict(group_steps=r), windows)
    return f


def cluster_gate():
    f = File("cluster_gate")
    for name, windows, t, r, cluster, groups, d, base in [
        ("a short last group", 2, 5, 2, [1, 0, 2, 0, 1], 3, 4, 0),
        ("one group, base", 1, 3, 4, [0, 0, 1], 2, 8, 1),
    ]:
        n, s = len(cluster), -(-t // r)

        def function(gate, pooled_gate, v, *rest):
            def back(z):
                return z.reshape(windows, s, groups, d)[:, torch.arange(t) // r][:, :, torch.tensor(cluster)]

            y = torch.sigmoid(gate + back(pooled_gate)) * back(v)
            return (y + rest[3] if base else y,)

        inputs = [window(f.normal(windows, t, n, d)), window(f.normal(windows, 1, s * groups, d)), window(f.normal(windows, 1, s * groups, d))]
        inputs += clusters(cluster, groups) + ([window(f.normal(windows, t, n, d))] if base else [])
        f.case(name, function, inputs, dict(group_steps=r, base=base), windows)
    return f


def edge_sum():
    f = File("edge_sum")
    for name, windows, t, s, index, c, prob in [
        ("with probabilities", 2, 3, 4, [[3, 0], [1, 3], [0, 2]], 2, 1),
        ("without", 3, 1, 3, [[2, 1, 0]], 4, 0),
        ("a probability of 0", 1, 2, 2, [[0, 1], [1, 0]], 3, 2),
    ]:
        index = torch.tensor(index)
        r, k = index.shape
        inputs = [window(f.normal(windows, t, s, c)), window(f.normal(windows, t, r, c)), *listed(index, s)]
        if prob:
            p = f.uniform(r, k, low=0.1)
            p[0, 0] *= prob < 2
            inputs.append(step(p))

        def function(a, b, _index, _starts, _entries, *rest):
            y = a[:, :, index] + b[:, :, :, None]
            return (y + rest[0].clamp_min(1e-12).log()[:, :, None] if rest else y,)

        f.case(name, function, inputs, dict(log_prob=prob > 0), windows)
    return f


def edge_terms():
    f = File("edge_terms")
    for name, windows, r, k, h, zero in [("usual", 2, 3, 2, 4, False), ("a probability of 0", 1, 2, 3, 2, True)]:
        p = f.uniform(r, k, low=0.1)
        p[1, 1] *= not zero

        def function(structure, prob, weight):
            log = prob.clamp_min(1e-12).log()[None, :, :, None].expand(windows, r, k, h)
            return (torch.stack([weight * torch.sigmoid(structure[:, 0]), log], 3),)

        f.case(name, function, [window(f.normal(windows, 1, r, k, h)), step(p), step(f.uniform(1, low=0.5, high=1.5))], {}, windows)
    return f


def edge_attention():
    f = File("edge_attention")

    def one(name, windows, t, s, index, h, width, dynamic):
        index = torch.tensor(index)
        (r, k), d = index.shape, h * width

        def function(q, kv, bias, _index, _starts, _entries, *rest):
            q = q.reshape(windows, t, r, 1, h, width)
            key, v = kv[:, :, index].reshape(windows, t, r, k, 2, h, width).unbind(4)
            score = (q * key).sum(-1) / math.sqrt(width)
            u = score + bias
            if dynamic:
                a, log_p = rest[0][:, None].unbind(4)
                u = u * (a + rest[1] * torch.sigmoid(score)) + log_p
            return ((torch.softmax(u, 3)[..., None] * v).sum(3).flatten(3),)

        inputs = [window(f.normal(windows, t, r, d)), window(f.normal(windows, t, s, 2 * d)), window(f.normal(windows, t, r, k, h))]
        inputs += listed(index, s)
        if dynamic:
            inputs += [window(f.normal(windows, r, k, 2, h)), step(f.uniform(1, low=0.5, high=1.5))]
        f.case(name, function, inputs, dict(heads=h, dynamic=dynamic), windows)

    one("plain", 2, 3, 4, [[3, 0], [1, 3], [0, 2]], 2, 4, 0)
    one("dynamic", 2, 2, 3, [[2, 1, 0], [0, 1, 2]], 2, 2, 1)
    one("one sender", 1, 2, 1, [[0], [0]], 2, 4, 1)
    return f


def graph_features():
    f = File("graph_features")
    for name, n, q, hops, spectral, walk in [("a few nodes", 5, 4, 4, 6, 3), ("narrow", 3, 1, 2, 1, 2)]:
        hop = torch.randint(hops, (n,), generator=f.generator)
        inputs = [step(torch.cat([hop[:, None].double(), f.normal(n, 4 + spectral + walk)], 1), False), step(f.normal(hops, q))]
        for length in (4, spectral, walk):
            inputs += [step(f.normal(q, length)), step(f.normal(q))]

        def function(features, distance, *maps):
            parts = features[:, 1:].split([4, spectral, walk], 1)
            linear = [F.linear(part, maps[2 * i], maps[2 * i + 1]) for i, part in enumerate(parts)]
            return (torch.cat([F.embedding(features[:, 0].long(), distance), *linear], 1),)

        f.case(name, function, inputs)
    return f


def scaled_sum():
    f = File("scaled_sum")
    for name, windows, rows, d in [("usual", 3, 4, 8), ("one row", 1, 1, 4)]:
        inputs = [window(f.normal(windows, rows, d)) for _ in range(2)] + [step(f.uniform(1, low=0.5, high=1.5)) for _ in range(2)]
        f.case(name, lambda x, change, a, b: (a * x + b * F.relu(change),), inputs, dict(dropout=0), windows)
    return f


def step_mean():
    f = File("step_mean")
    for name, windows, t, n, d in [("usual", 2, 5, 3, 4), ("one step", 1, 1, 2, 8)]:
        f.case(name, lambda x: (x.mean(1, keepdim=True),), [window(f.normal(windows, t, n, d))], windows=windows)
    return f


def batch_mean():
    f = File("batch_mean")
    f.case("eight observed", lambda nll: (nll.sum().reshape(1) / 8,), [window(f.normal(5, 1, scale=100))], windows=5, inverse_count=0.125)
    f.case("one window", lambda nll: (nll.sum().reshape(1) / 2,), [window(f.normal(1, 1))], inverse_count=0.5)
    return f


def embed_sum():
    f = File("embed_sum")
    for name, windows, t, n, nx, d, calendar in [("no calendar", 2, 3, 4, 3, 4, 0), ("calendar", 3, 2, 5, 2, 8, 1), ("all series", 2, 2, 3, 3, 4, 1)]:
        inputs = [step(f.normal(t, n, d)), window(f.normal(windows, t, nx, d))]
        inputs += [window(f.normal(windows, t, d))] if calendar else []

        def function(base, series, *rest):
            hubs = torch.zeros(windows, t, n - nx, d)
            y = torch.cat([series, hubs], 2) + base
            return (y + rest[0][:, :, None] if rest else y,)

        f.case(name, function, inputs, dict(calendar=calendar), windows)
    return f


def gate_change():
    f = File("gate_change")
    for name, scale in [("usual", 1.0), ("saturated", 30.0)]:
        inputs = [window(f.normal(2, 3, 4, scale=scale))] + [window(f.normal(2, 3, 4)) for _ in range(2)]
        f.case(name, lambda g, mixed, x: (torch.sigmoid(g) * (mixed - x),), inputs, windows=2)
    return f


def gate_mix():
    f = File("gate_mix")
    for name, scale in [("usual", 1.0), ("saturated", 30.0)]:
        inputs = [window(f.normal(2, 3, 4, scale=scale if i % 2 == 0 else 1.0)) for i in range(4)]
        f.case(name, lambda g1, a, g2, b: (torch.sigmoid(g1) * a + torch.sigmoid(g2) * b,), inputs, windows=2)
    return f


def instance_norm():
    f = File("instance_norm")

    def one(name, windows, steps, history, covariates, targets, channels, p, active, seen, last=0):
        series, epsilon = covariates + targets, 1e-2

        def function(values, observed):
            values = values * observed
            shift, scale = torch.zeros(windows, targets), torch.ones(windows, targets)
            if active:
                for w in range(windows):
                    for i in range(targets):
                        past = values[w, :history, covariates + i, 0][observed[w, :history, covariates + i, 0] > 0]
                        if len(past) > 0:
                            shift[w, i] = past[-1] if last else past.mean()
                            scale[w, i] = torch.sqrt(past.var(unbiased=False) + epsilon)
            x = values.clone()
            normal = (values[..., covariates:, 0] - shift[:, None]) / scale[:, None]
            x[..., covariates:, 0] = torch.where(observed[..., covariates:, 0] > 0, normal, 0.0)
            tokens = []
            for t in range(steps // p):
                part = slice(t * p, (t + 1) * p)  # [B, p, Nx, F] -> [B, Nx, p F]
                patches = [z[:, part].transpose(1, 2).flatten(2) for z in (x, observed)]
                tokens.append(torch.cat(patches, -1))
            past = x[:, :history, covariates:, 0].transpose(1, 2)
            return torch.stack(tokens, 1), past, torch.stack([shift, scale], -1)

        attrs = dict(history=history, covariates=covariates, patch=p, epsilon=epsilon, active=active, last=last)
        inputs = [window(f.normal(windows, steps, series, channels), False), window(f.mask(windows, steps, series, channels, p=seen), False)]
        f.case(name, function, inputs, attrs, windows)

    one("channels and patches", 2, 12, 8, 2, 3, 2, 4, 1, 0.7)
    one("less the last value", 3, 12, 8, 1, 4, 2, 4, 1, 0.5, last=1)
    one("hardly anything observed", 3, 6, 4, 0, 5, 1, 2, 1, 0.2)
    one("switched off", 2, 6, 4, 1, 2, 2, 2, 0, 0.7)
    one("everything observed", 1, 10, 5, 0, 2, 1, 5, 1, 1.1)
    return f


def mixture_decode():
    f = File("mixture_decode")
    for name, windows, tokens, targets, p, k, highway, scale in [
        ("one position", 2, 3, 2, 1, 3, 0, 1.0),
        ("highway and patches", 2, 2, 3, 4, 2, 1, 1.0),
        ("values", 2, 2, 3, 4, 2, 1, 1.0),
        ("both clamps at work", 1, 2, 4, 2, 3, 1, 8.0),
    ]:
        steps, values = tokens * p, name == "values"
        inputs = [
            window(f.normal(windows, tokens, targets, (1 if values else 3) * p * k, scale=scale)),
            window(f.uniform(windows, targets, 2, low=0.1, high=2.0), False),
        ]
        inputs += [window(f.normal(windows, targets, steps))] if highway else []

        def function(head, stats, *rest):
            if values:
                y = head.unflatten(-1, (p, k)).transpose(2, 3).flatten(1, 2) + rest[0].transpose(1, 2)[..., None]
                return ((y * stats[:, None, :, 1, None] + stats[:, None, :, 0, None])[:, None],)
            mean, log_std, logit = (
                head[..., part * p * k : (part + 1) * p * k].unflatten(-1, (p, k)).transpose(2, 3).flatten(1, 2) for part in range(3)
            )  # [B, tokens, targets, p, K] -> [B, steps, targets, K]
            if rest:
                mean = mean + rest[0].transpose(1, 2)[..., None]
            shift, scale = stats[:, None, :, 0, None], stats[:, None, :, 1, None]
            return (torch.stack([mean * scale + shift, torch.clamp(log_std, -7.0, 5.0) + torch.log(scale), logit], 1),)

        f.case(name, function, inputs, dict(patch=p, components=k, highway=highway, values=values), windows)
    return f


def mixture_nll():
    f = File("mixture_nll")

    def function(mixture, target, observed):
        mean, log_std, logit = mixture.unbind(1)
        mixed = torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(logits=logit, validate_args=False),
            torch.distributions.Normal(mean, log_std.exp(), validate_args=False),
            validate_args=False,
        )
        return (-(mixed.log_prob(target) * observed).sum((1, 2))[:, None],)

    for name, windows, steps, targets, k, spread, seen in [
        ("usual", 3, 4, 3, 3, 1.0, 0.7),
        ("one component", 2, 2, 2, 1, 1.0, 0.8),
        ("all observed, wide", 2, 3, 2, 5, 2.5, 1.1),
        ("nothing observed", 2, 2, 2, 2, 1.0, -1.0),
    ]:
        inputs = [window(f.normal(windows, 3, steps, targets, k, scale=spread)), window(f.normal(windows, steps, targets), False)]
        inputs.append(window(f.mask(windows, steps, targets, p=seen), False))
        f.case(name, function, inputs, windows=windows)
    return f


def one_hot():
    f = File("one_hot")
    for name, windows, shape, p, column, v in [("series", 2, (6, 3, 2), 3, 1, 4), ("without series", 3, (5, 1), 1, 0, 2)]:

        def function(x, p=p, column=column, v=v):
            b, steps, *rest = x.shape[:-1]
            hot = F.one_hot(x[..., column].long(), v + 1)[..., 1:].to(x.dtype)
            hot = hot.reshape(b, steps // p, p, *rest, v).movedim(2, -2)
            return (hot.flatten(-2),)

        codes = torch.randint(v + 1, (windows, *shape)).to(torch.float64)
        f.case(name, function, [window(codes, False)], dict(patch=p, column=column, size=v), windows)
    return f


def patch_mean():
    f = File("patch_mean")
    for name, windows, tokens, p, c in [("patches", 2, 3, 4, 3), ("single steps", 1, 5, 1, 2)]:
        function = lambda x: (F.avg_pool1d(x.transpose(1, 2), p).transpose(1, 2),)
        f.case(name, function, [window(f.uniform(windows, tokens * p, c, low=-1.0), False)], dict(patch=p), windows)
    return f


def select():
    f = File("select")
    for name, windows, shape, s0, s, n0, n in [("a box", 2, (5, 6, 4), 1, 3, 2, 3), ("everything", 1, (2, 3, 8), 0, 2, 0, 3), ("a corner", 3, (4, 4, 4), 3, 1, 2, 2)]:
        function = lambda x: (x.narrow(1, s0, s).narrow(2, n0, n),)
        f.case(name, function, [window(f.normal(windows, *shape))], dict(step0=s0, steps=s, node0=n0, nodes=n), windows)
    return f


def token_base():
    f = File("token_base")
    for name, t, covariates, targets, hubs, d, adaptive, graph in [
        ("all kinds", 3, 2, 3, 2, 4, 1, 0),
        ("no covariates, no adaptive", 2, 0, 4, 1, 8, 0, 0),
        ("no hubs", 4, 1, 2, 0, 4, 1, 0),
        ("graph", 3, 1, 2, 1, 4, 0, 1),
        ("adaptive and graph", 2, 1, 2, 2, 8, 1, 1),
    ]:
        n = covariates + targets + hubs
        inputs = [step(f.normal(n, d)), step(f.normal(3, d)), step(f.normal(t, d))]
        inputs += [step(f.normal(t, n, d))] if adaptive else []
        inputs += [step(f.normal(n, d))] if graph else []

        def function(node, kind, temporal, *rest):
            index = torch.tensor([0] * covariates + [1] * targets + [2] * hubs)
            return (node + F.embedding(index, kind) + temporal[:, None] + sum(rest),)

        f.case(name, function, inputs, dict(covariates=covariates, targets=targets, adaptive=adaptive, graph=graph))
    return f


def value_loss():
    f = File("value_loss")
    for name, kind, q in [("squared", 0, 1), ("absolute", 1, 1), ("huber", 2, 1), ("pinball", 3, 3), ("squared, two values", 0, 2)]:
        windows, steps, targets, delta = 2, 3, 4, 0.7
        levels = torch.arange(1, q + 1) / (q + 1)

        def function(values, target, observed, levels):
            error = target[..., None] - values[:, 0]
            kinds = [error**2, error.abs(), F.huber_loss(error, torch.zeros_like(error), reduction="none", delta=delta)]
            kinds.append(torch.maximum(levels * error, (levels - 1) * error))
            return ((kinds[kind].mean(-1) * observed).sum((1, 2))[:, None],)

        inputs = [window(f.normal(windows, 1, steps, targets, q)), window(f.normal(windows, steps, targets), False)]
        inputs += [window(f.mask(windows, steps, targets), False), step(levels, False)]
        f.case(name, function, inputs, dict(kind=kind, delta=delta), windows)
    return f


def row_mean():
    f = File("row_mean")
    for name, windows, lines, rows, d in [("one line", 3, 1, 7, 4), ("several lines", 2, 3, 2, 8)]:
        function = lambda x: (x.reshape(windows, lines, rows, d).mean(2),)
        f.case(name, function, [window(f.normal(windows, lines * rows, d))], dict(lines=lines), windows)
    f.case("once a step", lambda x: (x.mean(1),), [step(f.normal(5, 3, 4))], dict(lines=5))
    return f


def split():
    f = File("split")
    f.case("windows", lambda x: torch.split(x, [4, 8], -1), [window(f.normal(3, 5, 12))], dict(first=4), 3)
    f.case("once a step", lambda x: torch.split(x, [8, 4], -1), [step(f.normal(2, 3, 12))], dict(first=8))
    return f


def node_mean():
    f = File("node_mean")
    for name, windows, t, n, d in [("one window", 1, 3, 2, 4), ("several windows", 4, 2, 3, 8)]:
        f.case(name, lambda x: (x.mean((0, 1)),), [window(f.normal(windows, t, n, d), False)], windows=windows)
    return f


def moving_mean():
    f = File("moving_mean")
    for name, rate in [("a tenth", 0.1), ("a half", 0.5)]:
        stored, mean = f.normal(3, 4), f.normal(3, 4)
        for i, tensor in enumerate((stored, mean, torch.tensor([2.0, 0.5, 1.0, 3.0]))):
            f.put(name, f"in.{i}", tensor)
        f.put(name, "update.0", stored.lerp(mean, rate))
        f.describe(name, 1, dict(rate=rate), ["step"] * 3)
    return f


def gate_softmax():
    f = File("gate_softmax")
    for name, dynamic, adaptive in [("all three", 1, 1), ("no dynamic", 0, 1), ("no adaptive", 1, 0), ("the prior alone", 0, 0)]:
        used = torch.tensor([True, bool(dynamic), bool(adaptive)])
        function = lambda x: (torch.softmax(x.masked_fill(~used, -math.inf), -1),)
        f.case(name, function, [window(f.normal(3, 1, 3))], dict(dynamic=dynamic, adaptive=adaptive), 3)
    return f


def graph_penalty():
    f = File("graph_penalty")

    def function(*tables):
        entropy = sum(torch.distributions.Categorical(logits=w).entropy().sum() for w in tables)
        return ((0.01 * sum(w.abs().mean() for w in tables) + 0.001 * entropy).reshape(1),)

    for name, a, b, scale in [("small logits", (2, 5), (3, 2), 0.1), ("large logits", (3, 7), (4, 3), 3.0)]:
        f.case(name, function, [step(f.normal(*a, scale=scale)), step(f.normal(*b, scale=scale))])
    return f


def edges():
    f = File("edges")
    for name, r, s, k, log_temperature, noise in [
        ("two of five", 3, 5, 2, 0.3, 1.0), ("all senders", 4, 2, 2, -0.2, 0.0), ("hotter than the clamp", 3, 6, 3, 3.0, 1.0),
        ("colder than the clamp", 2, 4, 2, -2.5, 0.1),
    ]:  # fmt: skip

        def function(logits, gumbel, log_temperature):
            p = torch.softmax((logits + gumbel) / log_temperature.exp().clamp(0.1, 10.0), -1)
            top = p.topk(k, -1)
            prob = top.values / top.values.sum(-1, keepdim=True).clamp_min(1e-12)
            entries = torch.argsort(top.indices.flatten(), stable=True)
            starts = torch.tensor([int((top.indices < sender).sum()) for sender in range(s + 1)])
            return prob, top.indices.double(), starts.double(), entries.double()

        inputs = [step(f.normal(r, s)), step(f.normal(r, s, scale=noise), False), step(torch.tensor(log_temperature))]
        f.case(name, function, inputs, dict(k=k), discrete=3)
    return f


def edge_matrix():
    f = File("edge_matrix")
    for name, covariates, targets, hubs, k1, k2 in [("a few", 2, 3, 2, 2, 1), ("no covariates", 0, 5, 3, 3, 2)]:
        series = covariates + targets
        n = series + hubs
        index1 = torch.stack([torch.randperm(series, generator=f.generator)[:k1] for _ in range(hubs)])
        index2 = torch.stack([torch.randperm(hubs, generator=f.generator)[:k2] for _ in range(targets)])

        def function(p1, i1, p2, i2):
            a = torch.zeros(n, -(-n // 4) * 4)
            rows1 = torch.arange(series, n)[:, None].expand_as(p1)
            rows2 = torch.arange(covariates, series)[:, None].expand_as(p2)
            return (a.index_put((rows1, i1.long()), p1).index_put((rows2, i2.long() + series), p2),)

        inputs = [step(f.uniform(hubs, k1)), step(index1.double(), False), step(f.uniform(targets, k2)), step(index2.double(), False)]
        f.case(name, function, inputs, dict(covariates=covariates, targets=targets))
    return f


def adaptive_matrix():
    f = File("adaptive_matrix")

    def function(sender, receiver, sender_memory, receiver_memory, memory):
        send, receive = sender + F.linear(memory, sender_memory), receiver + F.linear(memory, receiver_memory)
        a = torch.softmax(F.relu(receive @ send.T), -1)
        return (F.pad(a, (0, -a.shape[1] % 4)),)

    for name, n, r, d in [("seven nodes", 7, 4, 8), ("four nodes", 4, 3, 12)]:
        weights = [step(f.normal(r, d, scale=0.3)) for _ in range(2)]
        inputs = [step(f.normal(n, r, scale=0.5)) for _ in range(2)] + weights + [step(f.normal(n, d), False)]
        f.case(name, function, inputs)
    return f


def sinusoids():
    f = File("sinusoids")

    def function(speed, angles):
        angle = speed[:, None] * angles[:, None]
        return (torch.stack([angle.sin(), angle.cos()], -1).flatten(-2),)

    for name, s, t, half in [("four speeds", 4, 6, 4), ("one speed", 1, 3, 2)]:
        f.case(name, function, [step(f.normal(s)), step(f.uniform(t, half, high=20.0), False)])
    return f


def blend():
    f = File("blend")

    def function(blend, a, b):
        w = torch.softmax(blend, 0)
        return (w[0] * a + w[1] * b,)

    f.case("usual", function, [step(f.normal(2)), step(f.normal(3, 4)), step(f.normal(3, 4))])
    f.case("a is data", function, [step(f.normal(2, scale=3.0)), step(f.normal(5), False), step(f.normal(5))])
    return f


def stack_weights():
    f = File("stack_weights")
    for name, d, kernels in [("two kernels", 4, (1, 3)), ("matrices", 4, (0, 0)), ("three kernels", 8, (3, 1, 5))]:

        def function(*weights):
            taps = [w.permute(2, 0, 1) if w.dim() == 3 else w for w in weights[::2]]
            return (torch.cat([t.flatten() for t in taps] + list(weights[1::2])),)

        pairs = [[step(f.normal(d, d, *([k] if k else []))), step(f.normal(d))] for k in kernels]
        f.case(name, function, sum(pairs, []))
    return f


def branches():
    f = File("branches")
    for name, windows, t, n, d, kernels, sources in [
        ("four kernels", 2, 6, 3, 4, (1, 3, 5, 7), 0), ("more taps than steps", 2, 2, 2, 8, (3, 7), 0), ("hops", 3, 2, 3, 4, (1, 1, 1), 1),
    ]:  # fmt: skip

        def function(x, stacked, *own):
            y, at, bias = 0.0, 0, stacked[sum(kernels) * d * d :].reshape(-1, d)
            for k, taps in enumerate(kernels):
                weight = stacked[at : at + taps * d * d].reshape(taps, d, d).permute(1, 2, 0)
                at += taps * d * d
                rows = (own[k] if sources else x).permute(0, 2, 3, 1).reshape(-1, d, t)
                z = F.conv1d(rows, weight, bias[k], padding=taps // 2)
                y = y + F.relu(z).reshape(windows, n, d, t).permute(0, 3, 1, 2)
            return (x + y / len(kernels),)

        inputs = [window(f.normal(windows, t, n, d)), step(f.normal(sum(kernels) * d * d + len(kernels) * d, scale=0.4))]
        inputs += [window(f.normal(windows, t, n, d)) for _ in kernels] if sources else []
        f.case(name, function, inputs, dict(sources=sources, taps=list(kernels)), windows)
    return f


def propagate():
    f = File("propagate")
    for name, windows, t, n, d, dynamic, adaptive, fixed in [
        ("all three", 3, 2, 5, 4, 1, 1, 0), ("no dynamic", 2, 3, 4, 8, 0, 1, 0), ("fixed gates", 2, 2, 7, 4, 1, 0, 1), ("prior", 1, 2, 3, 4, 0, 0, 0),
    ]:  # fmt: skip
        used = [0] + [1] * dynamic + [2] * adaptive

        def function(x, gates, *matrices):
            gates = gates.reshape(-1, 3).expand(windows, 3)
            return (torch.einsum("bk,kij,btjd->btid", gates[:, used], torch.stack(matrices)[:, :, :n], x),)

        pad = lambda a: F.pad(a, (0, -n % 4))
        gates = step(f.uniform(3), False) if fixed else window(f.uniform(windows, 1, 3))
        inputs = [window(f.normal(windows, t, n, d)), gates] + [step(pad(f.uniform(n, n)), k > 0) for k in used]
        f.case(name, function, inputs, dict(dynamic=dynamic, adaptive=adaptive), windows)
    return f


def concat_linear():
    f = File("concat_linear")
    for name, windows, shape, k, m in [("odd", 2, (3,), 3, 5), ("quads", 3, (2, 2), 4, 8)]:
        inputs = [window(f.normal(windows, *shape, k)) for _ in range(2)] + [step(f.normal(m, 2 * k, scale=0.4)), step(f.normal(m))]
        f.case(name, lambda a, x, w, b: (F.linear(torch.cat([a, x], -1), w, b),), inputs, windows=windows)
    return f


def interaction():
    f = File("interaction")
    for name, windows, rows, h, e in [("pairs", 2, 3, 2, 2), ("quads", 3, 2, 2, 4)]:
        function = lambda time, space, w: (time * torch.einsum("hij,brhj->brhi", w, space.unflatten(-1, (h, e))).flatten(2),)
        inputs = [window(f.normal(windows, rows, h * e)) for _ in range(2)] + [step(f.normal(h, e, e))]
        f.case(name, function, inputs, windows=windows)
    return f


def grad_norm():
    f = File("grad_norm")
    for name, n, scale, clip in [("clipped", 37, 1.0, 1.0), ("not clipped", 37, 0.01, 1.0), ("another bound", 5000, 1.0, 0.5), ("one", 1, 3.0, 1.0)]:
        gradient, loss = f.normal(n, scale=scale), f.normal(1)
        parameter = nn.Parameter(torch.zeros(n))
        parameter.grad = gradient.clone()
        norm = nn.utils.clip_grad_norm_([parameter], clip)
        at = gradient.abs().argmax()
        factor = parameter.grad[at] / gradient[at]
        made = torch.stack([norm, factor, torch.ones(()), loss[0]])
        f.case(name, lambda g, l: (made,), [step(gradient, False), step(loss, False)], dict(clip_norm=clip))
    gradient, loss = f.normal(50), f.normal(1)
    made = torch.stack([torch.linalg.vector_norm(gradient), torch.ones(()), torch.ones(()), loss[0]])
    f.case("no clipping", lambda g, l: (made,), [step(gradient, False), step(loss, False)], dict(clip_norm=0))
    return f


def grad_health():
    """Tensors one after the other, each starting at a multiple of 64. The padding is NaN and must not be counted."""
    f = File("grad_health")
    for name, sizes, kind in [("small", [1, 63, 64, 65], "plain"), ("chunks", [256, 257, 700], "masked"), ("not finite", [5, 300, 9], "wild")]:
        whole, chunks, tensors, made = [], [], [], []
        for size in sizes:
            gradient = f.normal(size)
            if kind != "plain":
                gradient *= f.mask(size)
            if kind == "wild":
                gradient[0], gradient[size // 2], gradient[-1] = math.inf, math.nan, -math.inf
            finite = gradient[gradient.isfinite()]
            squares = torch.linalg.vector_norm(finite) ** 2
            made.append([float(squares), float(size - gradient.count_nonzero()), float(size - len(finite)), 0.0])
            start = sum(map(len, whole))
            tensors.append([float(len(chunks)), float(-(-size // 256))])
            chunks += [[(start + at) / 64, float(min(256, size - at))] for at in range(0, size, 256)]
            whole.append(F.pad(gradient, (0, -size % 64), value=math.nan))
        inputs = [torch.cat(whole), torch.tensor(chunks), torch.tensor(tensors)]
        f.case(name, lambda *_: (torch.tensor(made),), [step(x, False) for x in inputs])
    return f


def adamw():
    """Steps of torch.optim.AdamW after clip_grad_norm_, each with its own learning rate; each case continues from the previous one."""
    f = File("adamw")
    for run, n, decay, betas, epsilon in [("default", 24, 0.01, (0.9, 0.999), 1e-8), ("heavy decay, short memory", 8, 0.3, (0.5, 0.75), 1e-3)]:
        parameter = nn.Parameter(f.normal(n))
        optimiser = torch.optim.AdamW([parameter], lr=1.0, betas=betas, eps=epsilon, weight_decay=decay)
        zeros = torch.zeros(n)
        moments, taken = [zeros, zeros], 0
        for k in range(6):
            name, rate = f"{run}, step {k}", 2.0 ** -(5 + k % 3)
            gradient = f.normal(n, scale=3.0 if k % 2 else 0.01)
            before = [parameter.detach().clone(), *moments]
            state = torch.tensor([taken, *((1 - b**taken) for b in betas), 0, 0, 0, 0, 0])
            parameter.grad = gradient.clone()
            norm = nn.utils.clip_grad_norm_([parameter], 1.0)
            factor = torch.clamp(1.0 / (norm + 1e-6), max=1.0)
            optimiser.param_groups[0]["lr"] = rate
            optimiser.step()
            taken += 1
            moments = [optimiser.state[parameter][m].clone() for m in ("exp_avg", "exp_avg_sq")]
            assert optimiser.state[parameter]["step"] == taken
            after = torch.tensor([taken, *((1 - b**taken) for b in betas), 0, 0, 0, 0, 0])
            verdict = torch.stack([norm, factor, torch.ones(()), torch.zeros(())])
            for i, tensor in enumerate([*before, gradient, verdict, state]):
                f.put(name, f"in.{i}", tensor)
            for i, tensor in zip((0, 1, 2, 5), (parameter, *moments, after)):
                f.put(name, f"update.{i}", tensor)
            attrs = dict(beta1=betas[0], beta2=betas[1], epsilon=epsilon, weight_decay=decay, grouped=0)
            f.describe(name, 1, attrs, ["step"] * 6, learning_rate=rate, continues=k > 0)
    parts = [f.normal(8), f.normal(4), f.normal(12)]
    groups, zeros = [(0, 1.0, 0.3), (2, 0.1, 0.0), (3, 0.03, 0.1)], torch.zeros(24)
    parameters = [nn.Parameter(p.clone()) for p in parts]
    rate = 2.0**-5
    optimiser = torch.optim.AdamW([dict(params=[p], lr=rate * share, weight_decay=d) for p, (_, share, d) in zip(parameters, groups)])
    gradient = f.normal(24, scale=0.01)
    for p, g in zip(parameters, gradient.split([8, 4, 12])):
        p.grad = g.clone()
    norm = nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()
    table = torch.tensor([[quad, share, d, 0.0] for quad, share, d in groups])
    verdict = torch.stack([norm, torch.clamp(1.0 / (norm + 1e-6), max=1.0), torch.ones(()), torch.zeros(())])
    for i, tensor in enumerate([torch.cat(parts), zeros, zeros, gradient, verdict, torch.zeros(8), table]):
        f.put("groups", f"in.{i}", tensor)
    moments = [torch.cat([optimiser.state[p][m] for p in parameters]) for m in ("exp_avg", "exp_avg_sq")]
    after = torch.tensor([1.0, 0.1, 0.001, 0, 0, 0, 0, 0])
    for i, tensor in zip((0, 1, 2, 5), (torch.cat(parameters), *moments, after)):
        f.put("groups", f"update.{i}", tensor)
    attrs = dict(beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0, grouped=1)
    f.describe("groups", 1, attrs, ["step"] * 7, learning_rate=rate)
    return f


def driver_input():
    f = File("driver_input")
    for name, windows, steps, history, covariates, targets, channels, centred in [
        ("centred", 3, 7, 5, 2, 3, 2, 1), ("as they are", 2, 6, 4, 1, 2, 3, 0), ("no covariates", 2, 5, 3, 0, 2, 2, 1),
    ]:  # fmt: skip

        def function(values, observed, stats):
            x = torch.where(observed > 0, values, 0.0)
            if centred:
                past = torch.where(observed[:, :history] > 0, x[:, :history], torch.nan)
                x = torch.where(observed > 0, x - torch.nan_to_num(past.nanmean(1, keepdim=True)), 0.0)
            normal = (values[:, :, covariates:, 0] - stats[:, None, :, 0]) / stats[:, None, :, 1]
            x[:, :, covariates:, 0] = torch.where(observed[:, :, covariates:, 0] > 0, normal, 0.0)
            return (torch.stack([x[:, :, n].reshape(windows, -1) for n in range(covariates + targets)], 1),)

        shape = (windows, steps, covariates + targets, channels)
        inputs = [window(f.normal(*shape), False), window(f.mask(*shape), False), window(f.uniform(windows, targets, 2, low=0.5, high=2.0), False)]
        f.case(name, function, inputs, dict(history=history, centred=centred), windows)
    return f


def driver_sum():
    f = File("driver_sum")
    for name, windows, rank, targets, series, piece in [("usual", 3, 4, 3, 5, 2), ("one graph", 2, 1, 2, 3, 3)]:

        def function(code, edges):
            pieces = code.chunk(rank, -1)
            return (torch.cat([torch.matmul(e, c) for e, c in zip(edges, pieces)], -1),)

        f.case(name, function, [window(f.normal(windows, series, rank * piece)), step(f.normal(rank, targets, series))], windows=windows)
    return f


def tanh_gate():
    f = File("tanh_gate")
    for name, windows, rows, p in [("usual", 3, 2, 5), ("one", 1, 1, 1)]:
        f.case(name, lambda x: (x[..., :p] * torch.tanh(x[..., p:]),), [window(f.normal(windows, rows, 2 * p))], windows=windows)
    return f


def driver_edges():
    f = File("driver_edges")
    for name, rank, targets, series, k, sparse in [("usual", 4, 3, 5, 2, 0), ("all series", 2, 4, 4, 4, 0), ("ties of zeros", 2, 3, 7, 4, 1)]:
        edges = f.normal(rank, targets, series)
        if sparse:
            edges[:, torch.arange(targets * series).view(targets, series) % 3 > 0] = 0.0

        def function(edges):
            strength = torch.linalg.vector_norm(edges, dim=0)
            for j in range(targets):
                strength[j, series - targets + j] = 0.0
            index = torch.argsort(strength, dim=-1, descending=True, stable=True)[:, :k]
            kept = torch.take_along_dim(strength, index, 1) + 1e-3
            flat = index.flatten()
            starts = torch.tensor([(flat < s).sum() for s in range(series + 1)]).double()
            return kept / kept.sum(-1, keepdim=True), index.double(), starts, torch.argsort(flat, stable=True).double()

        f.case(name, function, [step(edges, False)], dict(k=k), discrete=4)
    return f


def calibrate():
    f = File("calibrate")
    for name, windows, steps, targets, k, low, high in [("usual", 3, 4, 3, 3, -0.4, 0.6), ("one component", 2, 2, 2, 1, 0.1, 0.6)]:

        def function(mixture, factor):
            mean, log_std, logit = mixture.unbind(1)
            centre = (torch.softmax(logit, -1) * mean).sum(-1, keepdim=True)
            wide = torch.exp(factor)[None, :, :, None]
            return (torch.stack([centre + wide * (mean - centre), torch.log(torch.exp(log_std) * wide), logit], 1),)

        inputs = [window(f.normal(windows, 3, steps, targets, k)), step(f.uniform(steps, targets, low=low, high=high), False)]
        f.case(name, function, inputs, windows=windows)
    return f


def mixture_crps():
    """The integral of (F(x) - [x >= y])^2, by its closed form with torch.distributions' own distribution function and density."""
    f = File("mixture_crps")
    unit = torch.distributions.Normal(0.0, 1.0)

    def absolute(mean, std):
        z = mean / std
        return mean * (2 * unit.cdf(z) - 1) + 2 * std * torch.exp(unit.log_prob(z))

    def function(mixture, target, observed):
        mean, log_std, logit = mixture.unbind(1)
        w, std = torch.softmax(logit, -1), torch.exp(log_std)
        one = (w * absolute(target[..., None] - mean, std)).sum(-1)
        for i in range(mean.shape[-1]):
            for j in range(mean.shape[-1]):
                both = torch.sqrt(std[..., i] ** 2 + std[..., j] ** 2)
                one = one - 0.5 * w[..., i] * w[..., j] * absolute(mean[..., i] - mean[..., j], both)
        return ((one * observed).sum((1, 2))[:, None],)

    for name, windows, steps, targets, k, spread, seen in [
        ("usual", 3, 4, 3, 3, 1.0, 0.7),
        ("one component", 2, 2, 2, 1, 1.0, 0.8),
        ("all observed, wide", 2, 3, 2, 5, 2.5, 1.1),
        ("nothing observed", 2, 2, 2, 2, 1.0, -1.0),
    ]:
        inputs = [window(f.normal(windows, 3, steps, targets, k, scale=spread)), window(f.normal(windows, steps, targets), False)]
        inputs.append(window(f.mask(windows, steps, targets, p=seen), False))
        f.case(name, function, inputs, windows=windows)
    return f


def repeat_row():
    f = File("repeat_row")
    for name, windows, tokens, nodes, c in [("usual", 3, 2, 4, 5), ("one", 1, 1, 1, 1)]:
        function = lambda like, row: (row.expand(windows, tokens, nodes, c).clone(),)
        f.case(name, function, [window(f.normal(windows, 2), False), step(f.normal(c))], dict(tokens=tokens, nodes=nodes), windows)
    return f


def edge_shrink():
    f = File("edge_shrink")
    for name, n, start, rank, targets, series, scale, shrink in [("usual", 40, 4, 2, 3, 5, 0.1, 0.0625), ("most vanish", 64, 0, 4, 2, 8, 0.01, 0.015625)]:
        before = f.normal(n, scale=scale)
        edges = before[start : start + rank * targets * series].view(rank, targets, series).clone()
        for j in range(targets):
            for i in range(series):
                if i != series - targets + j:
                    norm = torch.linalg.vector_norm(edges[:, j, i])
                    edges[:, j, i] = edges[:, j, i] / norm * torch.relu(norm - shrink)
        after = before.clone()
        after[start : start + rank * targets * series] = edges.flatten()
        for i, tensor in enumerate((before, torch.tensor([2.0, 0.5, 1.0, 3.0]))):
            f.put(name, f"in.{i}", tensor)
        f.put(name, "update.0", after)
        f.describe(name, 1, dict(start=start, rank=rank, targets=targets, series=series), ["step"] * 2, shrink=shrink)
    return f


def moving_average():
    f = File("moving_average")
    for name, n, trained, copies, k in [("in the ramp", 12, 8, 0, 3), ("after the ramp", 8, 8, 0, 5000), ("copies", 12, 8, 1, 7)]:
        average, parameters, state = f.normal(n), f.normal(n), torch.tensor([float(k)] + 7 * [0.0])
        e = 0.0 if copies else min(0.99, (1 + k) / (10 + k))
        after = torch.cat([torch.lerp(parameters, average, e)[:trained], parameters[trained:]])
        for i, tensor in enumerate((average, parameters, torch.tensor([2.0, 0.5, 1.0, 3.0]), state)):
            f.put(name, f"in.{i}", tensor)
        f.put(name, "update.0", after)
        f.describe(name, 1, dict(trained=trained, copies=copies, most=0.99, ramp=10.0), ["step"] * 4)
    return f


def main():
    FOLDER.mkdir(exist_ok=True)
    makers = [
        adamw, adaptive_matrix, add, attention, autocorrelation, batch_mean, blend, branches, calibrate, cluster_gate, cluster_mean,
        concat_linear, driver_edges, driver_input, driver_sum, edge_attention, edge_matrix, edge_shrink, edge_sum, edge_terms, edges,
        embed_sum, gate_change, gate_mix, gate_softmax, grad_health, grad_norm, graph_features, graph_penalty, instance_norm,
        interaction, layer_norm, linear, mixture_crps, mixture_decode, mixture_nll, moving_average, moving_mean, node_mean, one_hot, patch_mean,
        propagate, repeat_row, row_mean, scaled_sum, select, sinusoids, split, stack_weights, step_mean, tanh_gate, token_base,
        value_loss,
    ]  # fmt: skip
    for make in makers:
        make().save()
    total = sum(p.stat().st_size for p in FOLDER.glob("*.safetensors"))
    print(f"{len(makers)} files, {total / 1000:.0f} kB, torch {torch.__version__}")
    assert math.isfinite(total) and total < 800_000


if __name__ == "__main__":
    main()
