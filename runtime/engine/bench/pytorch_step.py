"""The training step of BenchmarkStep (runtime/train) in PyTorch eager, one
thread, interleaved with ours; prints processor seconds, peak memory and ratios.

    go test -c -o train.test ./runtime/train
    python runtime/engine/bench/pytorch_step.py --ours ./train.test --features 32 --pairs 5

Needs torch and nothing else. Without --ours it measures PyTorch alone.
"""
import argparse
import os
import re
import resource
import statistics
import subprocess
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Sequential):
    def __init__(self, ci, co, stride=1):
        super().__init__(
            nn.Conv3d(ci, co, 3, stride, 1),
            nn.InstanceNorm3d(co, eps=1e-5, affine=True),
            nn.LeakyReLU(0.01, inplace=True),
        )


class UNet(nn.Module):
    """Four stages, two convolutions each, deep supervision."""

    def __init__(self, features, classes=3):
        super().__init__()
        width = [features << i for i in range(4)]
        self.down = nn.ModuleList(
            nn.Sequential(Block(1 if i == 0 else width[i - 1], w, 1 if i == 0 else 2), Block(w, w))
            for i, w in enumerate(width)
        )
        self.lift, self.up, self.heads = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for w in reversed(width[:-1]):
            self.lift.append(nn.ConvTranspose3d(2 * w, w, 2, 2))
            self.up.append(nn.Sequential(Block(2 * w, w), Block(w, w)))
            self.heads.append(nn.Conv3d(w, classes, 1))

    def forward(self, x):
        skips = []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        outputs = []
        for lift, stage, head, skip in zip(self.lift, self.up, self.heads, skips[-2::-1]):
            x = stage(torch.cat((lift(x), skip), 1))
            outputs.append(head(x))
        return outputs[::-1]


def dice_and_entropy(logits, labels):
    p = logits.softmax(1)[:, 1:]
    y = F.one_hot(labels, logits.shape[1]).movedim(-1, 1)[:, 1:].float()
    axes = (2, 3, 4)
    dice = (2 * (p * y).sum(axes) + 1e-5) / (p.sum(axes) + y.sum(axes) + 1e-5).clip(1e-8)
    return F.cross_entropy(logits, labels) - dice.mean()


def trainer(features):
    torch.manual_seed(0)
    net = UNet(features)
    optimiser = torch.optim.SGD(net.parameters(), 0.01, momentum=0.99, nesterov=True, weight_decay=3e-5)
    image = torch.randn(2, 1, 40, 56, 40)
    labels = [torch.randint(0, 3, (2, 40 >> i, 56 >> i, 40 >> i)) for i in range(3)]

    def step():
        optimiser.zero_grad(set_to_none=True)
        outputs = net(image)
        loss = sum(w * dice_and_entropy(o, l) for w, o, l in zip((2 / 3, 1 / 3), outputs, labels))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 12)
        optimiser.step()

    return step


def ours(binary, features, threads):
    out = subprocess.run(
        [binary, "-test.run=^$", f"-test.bench=Step/features={features}/threads={threads}$", "-test.benchtime=3x"],
        check=True, capture_output=True, text=True,
    ).stdout
    return tuple(float(re.search(rf"([\d.e+-]+) {unit}", out)[1]) for unit in ("cpu-s/op", "peak-MB"))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--ours", help="test binary of ./runtime/train")
    a.add_argument("--features", type=int, default=32, help="base features: 32 or 8")
    a.add_argument("--pairs", type=int, default=5)
    a.add_argument("--steps", type=int, default=3, help="PyTorch steps per pair")
    a = a.parse_args()
    torch.set_num_threads(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    step = trainer(a.features)
    step()
    theirs, mine, memory = [], [], 0
    for i in range(a.pairs):
        start = time.process_time()
        for _ in range(a.steps):
            step()
        theirs.append((time.process_time() - start) / a.steps)
        line = f"pair {i}: PyTorch {theirs[-1]:.3f} CPU s"
        if a.ours:
            seconds, memory = ours(a.ours, a.features, 1)
            mine.append(seconds)
            line += f", ours {seconds:.3f}, ratio {seconds / theirs[-1]:.3f}"
        print(line, f"(load {os.getloadavg()[0]:.2f})", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"PyTorch {torch.__version__}, {a.features} features: median {statistics.median(theirs):.3f} CPU s, "
          f"peak {peak:.0f} MB, of it {before:.0f} MB before the network")
    if mine:
        ratio = statistics.median(m / t for m, t in zip(mine, theirs))
        print(f"ours: median {statistics.median(mine):.3f} CPU s, peak {memory:.0f} MB; "
              f"ratio of seconds {ratio:.3f} (median of pairs), of memory {memory / peak:.3f}")


if __name__ == "__main__":
    main()
