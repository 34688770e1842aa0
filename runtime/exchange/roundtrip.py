#!/usr/bin/env python3
"""Exchanges models with nnU-Net and compares the predictions voxel by voxel.

Optional: nothing in the project needs it.

    pip install nnunetv2==2.8.1 torch==2.15.0
    go build -o runspec . && python runtime/exchange/roundtrip.py --runspec ./runspec \
        --data DIR --run RUN --trial nnunet/Conv --model NNUNET_MODEL_FOLDER [--cases 20]

--data holds Task04_Hippocampus. RUN is a run directory with a trained trial of
ours, which is exported and predicted by nnU-Net and by us; NNUNET_MODEL_FOLDER
holds a model of nnU-Net's own (runtime/proofs/nnunet/train_small.py makes one),
which both predict. The cases are the first validation cases of fold 0.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ap = argparse.ArgumentParser()
for name in ("runspec", "data", "run", "trial", "model"):
    ap.add_argument("--" + name, required=True)
ap.add_argument("--cases", type=int, default=20)
args = ap.parse_args()

os.environ.setdefault("nnUNet_def_n_proc", "1")
for key in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(key, tempfile.gettempdir())

import numpy as np
import SimpleITK as sitk
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from sklearn.model_selection import KFold

task = Path(args.data) / "Task04_Hippocampus"
work = Path(tempfile.mkdtemp())


def runspec(*words):
    subprocess.run([args.runspec, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cases():
    """The first validation cases of nnU-Net's fold 0, whose Dice mean something."""
    names = sorted(p.name[:-7] for p in (task / "labelsTr").glob("hippocampus_*.nii.gz"))
    _, held = next(KFold(5, shuffle=True, random_state=12345).split(names))
    return [names[i] for i in held][: args.cases]


def nnunet(model, images, out):
    p = nnUNetPredictor(tile_step_size=0.5, use_gaussian=True, use_mirroring=True, perform_everything_on_device=False,
                        device=torch.device("cpu"), verbose=False, allow_tqdm=False)
    p.initialize_from_trained_model_folder(str(model), ("0",) if (model / "fold_0").exists() else None)
    p.predict_from_files_sequential([[str(i)] for i in images], [str(out / i.name.replace("_0000.nii.gz", "")) for i in images],
                                    save_probabilities=False, overwrite=True)


def dice(a, b, label):
    a, b = a == label, b == label
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def compare(title, ours, theirs, names):
    equal = total = 0
    mine, other = [], []
    for n in names:
        a, b, ref = (sitk.GetArrayFromImage(sitk.ReadImage(str(f))) for f in
                     (ours / f"{n}.nii.gz", theirs / f"{n}.nii.gz", task / "labelsTr" / f"{n}.nii.gz"))
        equal, total = equal + int((a == b).sum()), total + a.size
        mine.append(np.mean([dice(a, ref, k) for k in (1, 2)]))
        other.append(np.mean([dice(b, ref, k) for k in (1, 2)]))
    share, difference = equal / total, abs(np.mean(mine) - np.mean(other))
    print(f"{title}: {len(names)} cases, {total - equal} of {total} voxels differ, {100 * share:.5f} % equal; "
          f"Dice ours {np.mean(mine):.6f}, nnU-Net {np.mean(other):.6f}, difference {difference:.1e}")
    return share >= 0.9999 and difference < 1e-4


names = cases()
images = work / "images"
images.mkdir()
for n in names:
    shutil.copy(task / "imagesTr" / f"{n}.nii.gz", images / f"{n}_0000.nii.gz")
files = sorted(images.glob("*.nii.gz"))
good = True
runspec("export", "nnunet", "--run", args.run, "--trial", args.trial, "--out", work / "exported", "--folds", "0")
runspec("nnunet", "predict", "--run", args.run, "--trial", args.trial, "--folds", "0", "--input", images, "--out", work / "a_ours")
(work / "a_theirs").mkdir()
nnunet(work / "exported", files, work / "a_theirs")
good &= compare("trained by runspec", work / "a_ours", work / "a_theirs", names)
runspec("nnunet", "predict", "--model", args.model, "--folds", "0", "--input", images, "--out", work / "b_ours")
(work / "b_theirs").mkdir()
nnunet(Path(args.model), files, work / "b_theirs")
good &= compare("trained by nnU-Net", work / "b_ours", work / "b_theirs", names)
shutil.rmtree(work)
sys.exit(not good)
