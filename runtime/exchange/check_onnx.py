#!/usr/bin/env python3
"""Runs our ONNX files in onnxruntime and compares the logits with ours.

Optional: nothing in the project needs it.

    go test ./runtime/exchange -run TestONNX -onnx DIR
    pip install onnx onnxruntime && python check_onnx.py DIR
"""
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

worst = 0.0
for path in sorted(Path(sys.argv[1]).glob("*.onnx")):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    record = json.loads(path.with_suffix(".json").read_text())

    def array(t):
        a = np.array(t["Data"], np.float32).reshape(t["Shape"])
        return np.moveaxis(a, -1, 1)

    image, want = array(record["image"]), array(record["logits"])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    got = session.run(None, {"image": np.concatenate([image, image])})[0]  # the batch is free
    error = np.abs(got - want).max() / np.abs(want).max()
    worst = max(worst, error)
    print(f"{path.stem}: logits {got.shape}, largest difference {error:.1e} of the largest logit")
sys.exit(bool(worst > 1e-4))  # bool: sys.exit takes NumPy's for a message, and fails
