#!/usr/bin/env python3
"""Records random networks of PyTorch's in float64: logits, loss and gradients.

Optional: nothing in the project needs it; runtime/train compares with what it wrote.

    pip install nnunetv2==2.8.1 torch==2.15.0
    python runtime/proofs/networks/record.py > runtime/proofs/networks/networks.json

Weights, images and labels are not recorded: both sides compute them from the same
integers (uniform), so that many networks fit into a small file. Of each output's
logits some are kept, of each gradient its norm and its product with uniform numbers.
"""
import json
import math
import random
import sys

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import nn

NETWORKS, KEPT = 24, 60
torch.set_num_threads(1)


def uniform(seed, n):
    """SplitMix64's first n numbers behind a seed, of 24 bits, in [-1, 1)."""
    with np.errstate(over="ignore"):
        z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def value(name, shape, seed):
    """A parameter's or buffer's numbers, by its name and shape alone."""
    n = math.prod(shape)
    u = uniform(seed, n)
    if len(shape) > 1:
        u = u * math.sqrt(6 * shape[0] / n)
    elif name.endswith("running_var"):
        u = 1.25 + 0.75 * u
    elif name.endswith("running_mean") or name.endswith("bias"):
        u = 0.25 * u
    elif n == 1:  # PReLU's slope
        u = 0.25 + 0.125 * u
    else:  # a norm's gain
        u = 1 + 0.25 * u
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def numbers(values):
    return [float(f"{v:.9g}") for v in values]


def describe(r, made):
    """A random architecture, of which all kinds come in turn."""
    dim, stages = [3, 2, 3][made % 3], r.randint(2, 4)
    residual, regions = made % 2 == 1, made % 4 == 2
    kernels = [[r.choice([1, 3, 3, 5] if stages < 4 else [1, 3, 3]) for _ in range(dim)] for _ in range(stages)]
    strides = [[1] * dim] + [[r.choice([1, 2, 2] if s > 1 or r.random() < 0.9 else [3, 4]) for _ in range(dim)] for s in range(1, stages)]
    total = np.prod(strides, axis=0)
    patch = [int(t * r.choice([1, 2, 3])) for t in total]
    if np.prod(np.array(patch) // total) < 4 or not 60 <= np.prod(patch) <= 6000:
        return None
    norm = ["InstanceNorm", "BatchNorm"][made // 2 % 2]
    arguments = dict(
        features_per_stage=[r.randint(3, 9) for _ in range(stages)], kernel_sizes=kernels, strides=strides,
        n_conv_per_stage_decoder=[r.randint(1, 2) for _ in range(stages - 1)],
        norm_op=f"torch.nn.modules.{norm.lower()}.{norm}{dim}d", nonlin="torch.nn." + ["LeakyReLU", "ReLU", "PReLU", "ELU", "GELU"][made % 5])
    arguments["n_blocks_per_stage" if residual else "n_conv_per_stage"] = [r.randint(1, 2) for _ in range(stages)]
    classes = r.randint(2, 5)
    return dict(
        architecture=dict(network_class_name="ResidualEncoderUNet" if residual else "PlainConvUNet", arch_kwargs=arguments),
        in_ch=r.randint(1, 4), out_ch=classes, patch_size=patch, batch=2, batch_dice=r.random() < 0.4,
        regions=[sorted(r.sample(range(1, classes + 1), r.randint(1, classes))) for _ in range(classes)] if regions else None)


def build(d):
    a, dim = dict(d["architecture"]["arch_kwargs"]), len(d["patch_size"])
    kind = getattr(nn, a.pop("norm_op").rsplit(".", 1)[1])
    a["nonlin"] = getattr(nn, a["nonlin"].rsplit(".", 1)[1])
    network = {"PlainConvUNet": PlainConvUNet, "ResidualEncoderUNet": ResidualEncoderUNet}[d["architecture"]["network_class_name"]]
    return network(input_channels=d["in_ch"], num_classes=d["out_ch"], n_stages=len(a["strides"]), conv_op=[nn.Conv2d, nn.Conv3d][dim - 2],
                   conv_bias=True, norm_op=kind, norm_op_kwargs=dict(eps=1e-5, affine=True), dropout_op=None, dropout_op_kwargs=None,
                   nonlin_kwargs={}, deep_supervision=True, **a)


def loss_of(d):
    dice = dict(batch_dice=d["batch_dice"], smooth=1e-5, ddp=False)
    if d["regions"]:
        return DC_and_BCE_loss({}, dict(do_bg=True, **dice), use_ignore_label=False, dice_class=MemoryEfficientSoftDiceLoss)
    return DC_and_CE_loss(dict(do_bg=False, **dice), {}, weight_ce=1, weight_dice=1, ignore_label=None, dice_class=MemoryEfficientSoftDiceLoss)


def record(d, seed):
    d["seed"] = seed
    network, classes = build(d), d["out_ch"]
    state = network.state_dict()
    parameters = [n for n, _ in network.named_parameters()]
    buffers = [n for n, _ in network.named_buffers() if n.endswith(("running_mean", "running_var"))]
    with torch.no_grad():
        for i, n in enumerate(parameters + buffers):
            state[n].copy_(value(n, tuple(state[n].shape), seed + 1 + i))
    d["parameters"], d["buffers"] = parameters, buffers
    shape = (d["batch"], d["in_ch"], *d["patch_size"])
    image = torch.from_numpy(2 * uniform(seed, math.prod(shape)).reshape(shape))
    network.double().eval()
    d["logits"], labels = [], []
    with torch.no_grad():
        for i, out in enumerate(network(image)):
            flat = out.numpy().ravel()
            d["logits"].append(dict(size=flat.size, largest=numbers([np.abs(flat).max()])[0], values=numbers(flat[:: max(1, flat.size // KEPT)])))
            place = (d["batch"], 1, *out.shape[2:])
            u = (uniform(seed + 900 + i, math.prod(place)) + 1) / 2
            labels.append(torch.from_numpy(np.floor(u * (classes + bool(d["regions"]))).astype(np.int64).reshape(place)))
    n = len(labels)
    weights = np.array([1 / 2**i for i in range(n)])
    weights[-1] *= n == 1
    network.train()
    loss, total = loss_of(d), 0
    for w, out, l in zip(weights / weights.sum(), network(image), labels):
        if d["regions"]:
            l = torch.cat([torch.isin(l, torch.tensor(s)) for s in d["regions"]], 1).double()
        if w > 0:
            total = total + w * loss(out, l)
    total.backward()
    d["loss"], d["gradients"] = numbers([total.item()])[0], []
    for i, (_, p) in enumerate(network.named_parameters()):
        g = None if p.grad is None else p.grad.numpy().ravel()
        d["gradients"].append(None if g is None else numbers([np.linalg.norm(g), g @ uniform(seed + 500 + i, g.size)]))
    return d


out, seed = [], 0
while len(out) < NETWORKS:
    seed += 1000
    d = describe(random.Random(seed), len(out))
    if d:
        out.append(record(d, seed))
print("[\n" + ",\n".join(json.dumps(d) for d in out) + "\n]")
print(f"torch {torch.__version__}", file=sys.stderr)
