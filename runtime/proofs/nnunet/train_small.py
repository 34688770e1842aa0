#!/usr/bin/env python3
"""Trains nnU-Net's own Python at the size of our laptop profile on Task04.

Optional: nothing in the project needs it. It makes the numbers that
same_place_test.go compares ours with, and a model folder of nnU-Net's for the
exchange proofs.

    pip install nnunetv2==2.8.1 torch==2.15.0
    python train_small.py --data DIR --work DIR --fold 0 --seed 3 [--out runs.json]

--data holds Task04_Hippocampus. The setting is the default plan's 3d_fullres
with features 8, 16, 32, 64 and batches of 2; 40 epochs of 50 iterations, 5
validation iterations; all else is nnUNetTrainer's. The last epoch's weights
are validated by nnU-Net itself.
"""
import argparse
import json
import os
import random
import shutil
import time
from pathlib import Path

ap = argparse.ArgumentParser()
ap.add_argument("--data", required=True)
ap.add_argument("--work", required=True)
ap.add_argument("--fold", type=int, default=0)
ap.add_argument("--seed", type=int, required=True)
ap.add_argument("--threads", type=int, default=1)
ap.add_argument("--out")
args = ap.parse_args()

work = Path(args.work)
for key, name in (("nnUNet_raw", "raw"), ("nnUNet_preprocessed", "preprocessed"), ("nnUNet_results", f"results_seed{args.seed}")):
    os.environ[key] = str(work / name)
    (work / name).mkdir(parents=True, exist_ok=True)
os.environ["nnUNet_def_n_proc"] = "1"

import numpy as np
import torch

name = "Dataset004_Hippocampus"


def prepare():
    """Raw folder, fingerprint, plans and preprocessed cases, once."""
    if (work / "prepared").exists():
        return
    source, raw = Path(args.data) / "Task04_Hippocampus", work / "raw" / name
    (raw / "imagesTr").mkdir(parents=True, exist_ok=True)
    (raw / "labelsTr").mkdir(exist_ok=True)
    cases = sorted(p.name[: -len(".nii.gz")] for p in (source / "labelsTr").glob("hippocampus_*.nii.gz"))
    for c in cases:
        shutil.copy(source / "imagesTr" / f"{c}.nii.gz", raw / "imagesTr" / f"{c}_0000.nii.gz")
        shutil.copy(source / "labelsTr" / f"{c}.nii.gz", raw / "labelsTr" / f"{c}.nii.gz")
    (raw / "dataset.json").write_text(json.dumps({
        "channel_names": {"0": "MRI"}, "labels": {"background": 0, "Anterior": 1, "Posterior": 2},
        "numTraining": len(cases), "file_ending": ".nii.gz"}))
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api
    api.extract_fingerprints([4], num_processes=1, check_dataset_integrity=False)
    api.plan_experiments([4])
    api.preprocess([4], configurations=("3d_fullres",), num_processes=(1,))
    plans = work / "preprocessed" / name / "nnUNetPlans.json"
    p = json.loads(plans.read_text())
    c = p["configurations"]["3d_fullres"]
    c["batch_size"] = 2
    c["architecture"]["arch_kwargs"]["features_per_stage"] = [8, 16, 32, 64]
    plans.write_text(json.dumps(p, indent=4))
    (work / "prepared").touch()


def train():
    os.environ["nnUNet_n_proc_DA"] = "0"  # batches in this process, so that the seed rules them
    torch.set_num_threads(args.threads)  # planning has changed it
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    base = work / "preprocessed" / name
    plans = json.loads((base / "nnUNetPlans.json").read_text()) | {"continue_training": False}
    t = nnUNetTrainer(plans, "3d_fullres", args.fold,
                      json.loads((base / "dataset.json").read_text()), device=torch.device("cpu"))
    t.num_epochs, t.num_iterations_per_epoch, t.num_val_iterations_per_epoch = 40, 50, 5
    began = time.process_time()
    t.run_training()
    t.perform_actual_validation(False)
    summary = json.loads((Path(t.output_folder) / "validation" / "summary.json").read_text())
    per_label = [summary["mean"][k]["Dice"] for k in ("1", "2")]
    log = t.logger.get_checkpoint() if hasattr(t.logger, "get_checkpoint") else {}
    return {
        "fold": args.fold, "seed": args.seed, "base": 8, "epochs": 40, "iters": 50,
        "mean": round(summary["foreground_mean"]["Dice"], 6),
        "sliding_window_dice_per_label": [round(d, 6) for d in per_label],
        "cases": len(summary["metric_per_case"]), "cpu_seconds": round(time.process_time() - began),
        "train_losses": [round(float(v), 4) for v in log.get("train_losses", [])],
    }


if __name__ == "__main__":
    prepare()
    run = train()
    print(json.dumps(run))
    if args.out:
        out = Path(args.out)
        runs = json.loads(out.read_text()) if out.exists() else []
        runs.append(run)
        out.write_text(json.dumps(runs, indent=1) + "\n")
