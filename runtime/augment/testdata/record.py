"""Records what nnU-Net's two augmentation libraries make of a synthetic case.

Needs nnunetv2 2.8.1, batchgeneratorsv2 0.3.6 and batchgenerators 0.25.5:

    python record.py > recorded.json

"cubic": single spatial transforms of batchgenerators with fixed parameters.
"summaries": mean and standard deviation, over many draws, of numbers that
describe an image after the whole training pipeline.
"""
import json
import random

import numpy as np
import torch
from batchgenerators.augmentations.utils import create_zero_centered_coordinate_mesh, \
    interpolate_img, rotate_coords_2d, rotate_coords_3d, scale_coords
from batchgenerators.transforms.abstract_transforms import Compose
from batchgenerators.transforms.color_transforms import BrightnessMultiplicativeTransform, \
    ContrastAugmentationTransform, GammaTransform
from batchgenerators.transforms.noise_transforms import GaussianBlurTransform, GaussianNoiseTransform
from batchgenerators.transforms.resample_transforms import SimulateLowResolutionTransform
from batchgenerators.transforms.spatial_transforms import MirrorTransform, SpatialTransform
from batchgenerators.transforms.utility_transforms import RemoveLabelTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform as SpatialTransformV2
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

CHANNELS = 2
MASKED = [True, False]


def case(shape):
    """TestPythonSummaries has the same formulas."""
    z, y, x = np.meshgrid(*[np.arange(n) for n in shape], indexing='ij')
    image = [np.sin(.5 * z + .3 * c) * np.cos(.4 * y) + .5 * np.sin(.7 * x + .2 * y)
             + .3 * ((7 * z + 13 * y + 29 * x + 17 * c) % 11) / 11 for c in range(CHANNELS)]
    seg = np.zeros(shape, int)
    seg[(y >= shape[1] // 3) & (x >= shape[2] // 4)] = 1
    seg[(y >= shape[1] // 2) & (x >= shape[2] // 2) & (z >= shape[0] // 3)] = 2
    seg[x < shape[2] // 4] = -1
    return np.array(image, np.float32), seg.astype(np.int16)


def v1(patch, angle, planar, factor):
    """nnU-Net 2.4's get_training_transforms; a factor as Auto-nnU-Net has it."""
    ranges = {a: (-angle, angle) for a in ('angle_x', 'angle_y', 'angle_z')}
    return Compose([
        SpatialTransform(patch[1:] if planar else patch, None, False, **ranges, scale=(.7, 1.4),
                         border_mode_data='constant', order_data=3, border_mode_seg='constant',
                         border_cval_seg=-1, order_seg=1, random_crop=False, p_el_per_sample=0,
                         p_scale_per_sample=.2 * factor, p_rot_per_sample=.2 * factor),
    ]), Compose([
        GaussianNoiseTransform(p_per_sample=.1 * factor),
        GaussianBlurTransform((.5, 1.), different_sigma_per_channel=True, p_per_sample=.2 * factor, p_per_channel=.5),
        BrightnessMultiplicativeTransform((.75, 1.25), p_per_sample=.15 * factor),
        ContrastAugmentationTransform(p_per_sample=.15 * factor),
        SimulateLowResolutionTransform((.5, 1), per_channel=True, p_per_channel=.5, order_downsample=0,
                                       order_upsample=3, p_per_sample=.25 * factor,
                                       ignore_axes=(0,) if planar else None),
        GammaTransform((.7, 1.5), True, True, retain_stats=True, p_per_sample=.1 * factor),
        GammaTransform((.7, 1.5), False, True, retain_stats=True, p_per_sample=.3 * factor),
        MirrorTransform(tuple(range(len(patch)))),
    ])


def draw_v1(image, seg, patch, pipeline, planar):
    data, target = image[None].copy(), seg[None, None].astype(np.float32)
    spatial, rest = pipeline
    if planar:  # Convert3DTo2DTransform and back
        n, c, z, y, x = data.shape
        out = spatial(data=data.reshape(n, c * z, y, x), seg=target.reshape(n, z, y, x))
        out['data'] = out['data'].reshape(n, c, z, *patch[1:])
        out['seg'] = out['seg'].reshape(n, 1, z, *patch[1:])
    else:
        out = spatial(data=data, seg=target)
    out = rest(**out)
    for c, masked in enumerate(MASKED):
        if masked:
            out['data'][0, c][out['seg'][0, 0] < 0] = 0
    return out['data'][0], RemoveLabelTransform(-1, 0)(**out)['seg'][0, 0]


def v2(patch, angle, planar, factor):
    t = nnUNetTrainer.get_training_transforms(patch, (-angle, angle), None, tuple(range(len(patch))), planar,
                                              use_mask_for_norm=MASKED)
    for step in t.transforms:
        if isinstance(step, RandomTransform):
            step.apply_probability *= factor
        if isinstance(step, SpatialTransformV2):
            step.p_rotation *= factor
            step.p_scaling *= factor
    return t


def draw_v2(image, seg, pipeline):
    out = pipeline(image=torch.from_numpy(image.copy()), segmentation=torch.from_numpy(seg[None].copy()))
    return out['image'].numpy(), out['segmentation'][0].numpy()


def numbers(image, seg):
    """What describes a sample; TestPythonSummaries reckons the same."""
    out = []
    for x in image.astype(np.float64):
        out += [x.mean(), x.std(), x.min(), x.max()]
        out += [np.abs(np.diff(x, axis=a)).mean() for a in (-1, -2)]
        out += [np.abs(np.diff(x, axis=0)).mean()] if x.ndim == 3 else []
    out += [(seg == 1).mean(), (seg == 2).mean()]
    return out + [v * v for v in out]


def summaries(draws=1500):
    for name, patch, window, angle, planar in (
            ('space', (10, 12, 11), (17, 21, 20), 30, False),
            ('slices', (4, 16, 14), (4, 25, 25), 180, True),
            ('2d', (20, 18), (27, 27), 180, False)):
        image, seg = case(window if len(window) == 3 else (1, *window))
        if len(window) == 2:
            image, seg = image[:, 0], seg[0]
        for generation in ('v1', 'v2'):
            for factor in (1, 3):
                random.seed(1)
                np.random.seed(1)
                torch.manual_seed(1)
                pipeline = globals()[generation](patch, angle / 180 * np.pi, planar, factor)
                rows = [numbers(*(draw_v1(image, seg, patch, pipeline, planar) if generation == 'v1'
                                  else draw_v2(image, seg, pipeline))) for _ in range(draws)]
                yield dict(name=name, generation=generation, factor=factor, draws=draws,
                           patch=patch, window=window, degrees=angle, planar=planar,
                           mean=[float('%.6g' % v) for v in np.mean(rows, 0)],
                           deviation=[float('%.4g' % v) for v in np.std(rows, 0)])


def cubic():
    """augment_spatial's arithmetic for one channel and fixed parameters."""
    for name, shape, patch, angles, scale, pad in (
            ('space', (9, 12, 10), (5, 6, 7), (.5, -.3, .4), 1.3, 0),
            ('overhanging', (9, 12, 10), (6, 7, 8), (-.4, .2, .5), 1.2, 14),
            ('slices', (3, 12, 10), (3, 9, 8), (2.5,), .8, 0),
            ('odd window', (8, 11, 13), (4, 6, 6), (0, 0, 1.), .9, 0)):
        image, seg = case(shape)
        width = [(0, pad), (pad, pad + 1), (pad, 0)] if pad else [(0, 0)] * 3
        data, target = np.pad(image[0], width), np.pad(seg, width, constant_values=-1).astype(np.float32)
        planes = range(shape[0]) if len(angles) == 1 else [slice(None)]
        out = [[], []]
        for z in planes:
            size = data[z].shape
            at = create_zero_centered_coordinate_mesh(patch[-len(size):])
            at = rotate_coords_2d(at, *angles) if len(angles) == 1 else rotate_coords_3d(at, *angles)
            at = scale_coords(at, scale)
            for d, n in enumerate(size):
                at[d] += n / 2. - .5
            out[0].append(interpolate_img(data[z], at, 3, 'constant', 0))
            out[1].append(interpolate_img(target[z], at, 1, 'constant', -1, is_seg=True))
        yield dict(name=name, shape=shape, patch=patch, angles=angles, scale=scale, pad=pad,
                   image=[float('%.7g' % v) for v in np.ravel(out[0])],
                   labels=[int(v) for v in np.ravel(out[1])])


if __name__ == '__main__':
    print(json.dumps(dict(cubic=list(cubic()), summaries=list(summaries()))).replace('}, {', '},\n{'))
