"""nnU-Net and PyTorch, measured for the command gpu, which calls this script.

Each part prints one figure as the last line, in JSON. It imports nnunetv2's own
network, loss, optimiser, trainer and predictor; what those import and do not need
here (image formats, plots) is replaced by stand-ins where it is not installed.

    theirs.py step     --plans P --dataset D --mode eager|compile
    theirs.py epoch    --plans P --dataset D --mode loading|noloading --data DIR --threads N
    theirs.py predict  --plans P --dataset D --data DIR
"""
import argparse
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import pickle
import statistics
import sys
import time
from pathlib import Path
from unittest import mock


class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stand-ins for packages that are imported at the top of a file and not used here."""

    names = {"SimpleITK", "blosc2", "imagecodecs", "seaborn", "graphviz", "nibabel", "yacs", "tifffile",
             "cc3d", "unittest2", "future", "timm", "fft_conv_pytorch", "skimage", "sklearn", "pandas"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = mock.MagicMock(name=spec.name)
        module.__path__, module.__spec__ = [], spec
        return module

    def exec_module(self, module):
        pass


sys.meta_path.append(StandIn())  # last: what is installed comes first

ap = argparse.ArgumentParser()
ap.add_argument("part", choices=["step", "epoch", "predict"])
for option in ("plans", "dataset", "mode", "data", "work"):
    ap.add_argument("--" + option)
ap.add_argument("--threads", type=int, default=12)
ap.add_argument("--small", action="store_true")
args = ap.parse_args()

work = Path(args.work).absolute()
os.environ["nnUNet_raw"] = os.environ["nnUNet_results"] = str(work / "nnunet")
os.environ["nnUNet_preprocessed"] = str(work / "nnunet" / "preprocessed")
os.environ.setdefault("nnUNet_n_proc_DA", str(max(1, min(12, args.threads - 1))))
os.environ["nnUNet_compile"] = "f" if args.mode == "eager" or args.small else "t"

import numpy as np  # noqa: E402
import torch  # noqa: E402

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
if DEVICE.type == "cpu":  # PyTorch's convolutions on the processor do not outlive a fork
    os.environ["nnUNet_n_proc_DA"] = "0"
plans = json.loads(Path(args.plans).read_text())
dataset = json.loads(Path(args.dataset).read_text())
if args.small:  # as shrink does
    c = plans["configurations"]["3d_fullres"]
    kw = c["architecture"]["arch_kwargs"]
    kw["features_per_stage"] = [max(2, f // 8) for f in kw["features_per_stage"]]
    stride = np.prod(np.array(kw["strides"]), 0)
    c["patch_size"] = [int(min(p, 2 * s)) for p, s in zip(c["patch_size"], stride)]
    c["batch_size"] = 2
plans["configurations"]["3d_fullres"]["data_identifier"] = "3d_fullres"


def wait():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def trainer(cls):
    """nnU-Net's trainer for fold 0, which reads work/nnunet/preprocessed and wants to see a case there."""
    folder = work / "nnunet" / "preprocessed" / plans["dataset_name"] / "3d_fullres"
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        (folder / "none.npz").touch()
    t = cls(plans={**copy.deepcopy(plans), "continue_training": False}, configuration="3d_fullres", fold=0, dataset_json=dataset, device=DEVICE)
    t.disable_checkpointing = True
    return t


def figure(**values):
    words = {"torch": torch.__version__, "cudnn": str(torch.backends.cudnn.version())}
    memory = {"GB": torch.cuda.max_memory_allocated() / 1e9} if DEVICE.type == "cuda" else {}
    print(json.dumps({"values": {**values, **memory}, "words": words}))


def step():
    """The median time of nnU-Net's train_step on one batch that is on the device."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    t = trainer(nnUNetTrainer)
    t.initialize()
    size, patch = t.configuration_manager.batch_size, t.configuration_manager.patch_size
    channels = len(dataset["channel_names"])
    scales = [[1.0] * 3] + [list(s) for s in t._get_deep_supervision_scales()[1:]]
    heads, regions = t.label_manager.num_segmentation_heads, t.label_manager.has_regions
    target = [torch.randint(0, 2 if regions else heads, (size, heads if regions else 1, *[int(p * f) for p, f in zip(patch, s)]), device=DEVICE).float()
              for s in scales]
    batch = {"data": torch.randn((size, channels, *patch), device=DEVICE), "target": target}
    rounds, steps = (2, 1) if args.small else (7, 20)
    began = time.time()
    t.network.train()
    for _ in range(1 if args.small else 15):
        t.train_step(batch)
    wait()
    ready, times = time.time() - began, []
    for _ in range(rounds):
        start = time.time()
        for _ in range(steps):
            t.train_step(batch)
        wait()
        times.append(1000 * (time.time() - start) / steps)
    figure(ms=statistics.median(times), **{"s to the first step": ready})


def prepare():
    """Preprocessed cases, from arrays of ours, in the layout of nnU-Net's data sets."""
    source, root = Path(args.data), work / "nnunet" / "preprocessed" / plans["dataset_name"]
    target = root / "3d_fullres"
    target.mkdir(parents=True, exist_ok=True)
    (target / "none.npz").unlink(missing_ok=True)
    fold = json.loads((source / "fold.json").read_text())
    for case in fold["train"] + fold["val"]:
        if (target / (case + ".pkl")).exists():
            continue
        data, seg = np.load(source / (case + ".npy")), np.load(source / (case + "_seg.npy"))
        np.savez(target / (case + ".npz"), data=data, seg=seg)
        np.save(target / (case + ".npy"), data)
        np.save(target / (case + "_seg.npy"), seg)
        labels = {v: k for k, v in dataset["labels"].items() if isinstance(v, int) and v > 0}
        places = {v: np.argwhere(seg == v)[:10000] for v in labels}
        (target / (case + ".pkl")).write_bytes(pickle.dumps({"class_locations": places, "shape_after_cropping_and_before_resampling": data.shape[1:], "spacing": [1, 1, 1]}))
    (root / "splits_final.json").write_text(json.dumps([fold]))
    (root / "dataset.json").write_text(json.dumps(dataset))
    (root / "dataset_fingerprint.json").write_text("{}")  # copied, not read
    (root / "gt_segmentations").mkdir(exist_ok=True)
    return target, fold


def copied():
    """Has nnU-Net's data set give arrays of the reader's own, as its compressed format does: it augments patches
    in place, and maps plain arrays for reading only, so that a patch that needs no padding would end the process."""
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetNumpy

    load = nnUNetDatasetNumpy.load_case
    nnUNetDatasetNumpy.load_case = lambda self, case: tuple(np.array(x) if isinstance(x, np.ndarray) else x for x in load(self, case))


def epoch():
    """The median time of nnU-Net's epochs after the first."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    prepare()
    copied()

    class Epochs(nnUNetTrainer):
        def perform_actual_validation(self, save_probabilities=False):
            pass

        def plot_network_architecture(self):
            pass

        def save_checkpoint(self, filename):
            pass

    t = trainer(Epochs)
    t.num_epochs = 2 if args.small else 5
    if args.small:
        t.num_iterations_per_epoch, t.num_val_iterations_per_epoch = 2, 1
    if args.mode == "noloading":
        standing(t)
    t.run_training()
    log = t.logger
    ends, starts = (log.get_value(k, step=None) for k in ("epoch_end_timestamps", "epoch_start_timestamps"))
    figure(s=statistics.median(e - s for e, s in list(zip(ends, starts))[1:]))


def standing(t):
    """Gives a trainer one batch that stands on the device, as nnU-Net's own benchmark does."""
    t.initialize()
    t.was_initialized = True
    patch = t.configuration_manager.patch_size
    scales = t._get_deep_supervision_scales()
    batch = {"data": torch.rand((t.batch_size, len(dataset["channel_names"]), *patch), device=DEVICE),
             "target": [torch.round(torch.rand((t.batch_size, 1, *[int(p * f) for p, f in zip(patch, s)]), device=DEVICE) * max(t.label_manager.all_labels)) for s in scales]}

    class Standing:
        def __iter__(self):
            return self

        def __next__(self):
            return batch

        def _finish(self):
            pass

    t.get_dataloaders = lambda: (Standing(), Standing())


def predict():
    """The median time of passes of nnU-Net's predictor over the preprocessed cases of the fold, behind one that does not count."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    target, fold = prepare()
    manager = PlansManager(plans)
    torch.manual_seed(0)
    network = nnUNetTrainer.build_network_architecture(manager, manager.get_configuration("3d_fullres"), len(dataset["channel_names"]),
                                                       manager.get_label_manager(dataset).num_segmentation_heads, False)
    p = nnUNetPredictor(tile_step_size=0.5, use_gaussian=True, use_mirroring=True, perform_everything_on_device=DEVICE.type == "cuda", device=DEVICE, allow_tqdm=False)
    p.manual_initialization(network, manager, manager.get_configuration("3d_fullres"), [network.state_dict()], dataset, "nnUNetTrainer", (0, 1, 2))
    cases = fold["val"][: 2 if args.small else None]
    data = [torch.from_numpy(np.load(target / (c + ".npy"))) for c in cases]

    def one_pass():
        start = time.time()
        for d in data:
            p.predict_logits_from_preprocessed_data(d).cpu()
        wait()
        return time.time() - start

    one_pass()
    figure(s=statistics.median([one_pass() for _ in range(1 if args.small else 3)]), cases=len(cases))


if __name__ == "__main__":  # nnU-Net's own processes import this file again
    {"step": step, "epoch": epoch, "predict": predict}[args.part]()
