"""Times nnU-Net's training batches on this machine: CPU seconds a batch of 9.

Needs nnU-Net as record.py does, $nnUNet_preprocessed with Task04 planned and
preprocessed (nnUNetv2_plan_and_preprocess -d 4 -c 3d_fullres), and one thread:

    OMP_NUM_THREADS=1 python time_batch.py
"""
import json
import os
import time

import numpy as np
import torch
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from record import v1

torch.set_num_threads(1)
PATCH, INITIAL, ANGLE = (40, 56, 40), (73, 80, 64), np.pi / 6
folder = os.path.join(os.environ['nnUNet_preprocessed'], 'Dataset004_Hippocampus')
labels = PlansManager(os.path.join(folder, 'nnUNetPlans.json')).get_label_manager(
    json.load(open(os.path.join(folder, 'dataset.json'))))
cases = nnUNetDatasetBlosc2(os.path.join(folder, 'nnUNetPlans_3d_fullres'))


def timed(name, batch, n=25):
    batch()
    start = time.process_time()
    for _ in range(n):
        batch()
    print(f'{name}: {(time.process_time() - start) / n:.4f} CPU s a batch')


def loader(size, transforms):
    return nnUNetDataLoader(cases, 9, size, PATCH, labels, .33, None, None, transforms=transforms)


scales = [[1, 1, 1], [.5, .5, .5], [.25, .25, .25]]
current = loader(INITIAL, nnUNetTrainer.get_training_transforms(PATCH, (-ANGLE, ANGLE), scales, (0, 1, 2), False))
timed('v2', current.generate_train_batch)
plain = loader(PATCH, nnUNetTrainer.get_validation_transforms(scales))
timed('none', plain.generate_train_batch)

spatial, rest = v1(PATCH, ANGLE, False, 1)
crops = loader(INITIAL, None)


def earlier():
    b = crops.generate_train_batch()
    return rest(**spatial(data=b['data'].numpy(), seg=b['target'].numpy().astype(np.float32)))


timed('v1, without its targets', earlier)
