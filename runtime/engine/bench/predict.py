#!/usr/bin/env python3
"""Prediction of whole cases with mirroring, nnU-Net's full network: ours against
nnU-Net's own predictor, processor seconds of one thread each, in turn.

Optional: nothing in the project needs it.

    pip install nnunetv2==2.8.1 torch==2.15.0
    go build -o runspec . && python predict.py --runspec ./runspec --plans nnUNetPlans.json \
        --dataset-json dataset.json --images DIR [--cases 2] [--rounds 3]

The weights are random; both read them from one model folder. nnU-Net's seconds
are those of preprocessing, prediction and export, without Python's start; ours are
the whole process's.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ap = argparse.ArgumentParser()
for name in ("runspec", "plans", "dataset-json", "images"):
    ap.add_argument("--" + name, required=True)
ap.add_argument("--cases", type=int, default=2)
ap.add_argument("--rounds", type=int, default=3)
args = ap.parse_args()

work = Path(tempfile.mkdtemp())
for key in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(key, str(work))
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

torch.set_num_threads(1)
plans, dataset = json.loads(Path(args.plans).read_text()), json.loads(Path(args.dataset_json).read_text())
if "modality" in dataset:
    dataset = {"channel_names": dataset["modality"], "labels": {v: int(k) for k, v in dataset["labels"].items()},
               "numTraining": dataset["numTraining"], "file_ending": ".nii.gz"}
manager = PlansManager(plans)
heads = manager.get_label_manager(dataset).num_segmentation_heads
torch.manual_seed(0)
network = nnUNetTrainer.build_network_architecture(manager, manager.get_configuration("3d_fullres"), len(dataset["channel_names"]), heads, True)
model = work / "model"
(model / "fold_0").mkdir(parents=True)
(model / "plans.json").write_text(json.dumps(plans))
(model / "dataset.json").write_text(json.dumps(dataset))
torch.save({"network_weights": network.state_dict(), "current_epoch": 1, "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": "3d_fullres", "plans": plans, "dataset_json": dataset, "fold": 0},
            "inference_allowed_mirroring_axes": (0, 1, 2)}, model / "fold_0" / "checkpoint_final.pth")
files = sorted(Path(args.images).glob("*.nii.gz"))[: args.cases]
inputs = []
for f in files:
    link = work / (f.name[:-7].removesuffix("_0000") + "_0000.nii.gz")
    link.symlink_to(f.resolve())
    inputs.append(link)

predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, verbose=False, allow_tqdm=False)
predictor.initialize_from_trained_model_folder(str(model), ("0",))


def theirs():
    began = time.process_time()
    out = [str(work / f"theirs_{i}") for i in range(len(inputs))]
    predictor.predict_from_files_sequential([[str(f)] for f in inputs], out, save_probabilities=False, overwrite=True)
    return time.process_time() - began


def ours(round):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([args.runspec, "nnunet", "predict", "--threads", "1", "--model", str(model), "--out", str(work / f"ours{round}"),
                    "--input", ",".join(map(str, inputs))], check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


pairs = [(ours(r), theirs()) for r in range(args.rounds)]
for a, b in pairs:
    print(f"ours {a / len(files):.2f} s a case, nnU-Net {b / len(files):.2f} s, ratio {a / b:.3f}", flush=True)
print(f"median ratio {statistics.median(a / b for a, b in pairs):.3f} over {len(pairs)} pairs of {len(files)} cases, one thread each")
