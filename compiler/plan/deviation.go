package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// NNUNet are nnU-Net's hyperparameters (nnunetv2 2.8.1, nnUNetTrainer). A spec
// gets them from spec/nnunet.cue; here they are what a training is compared
// with to say what it really was.
var NNUNet = Hyperparameters{
	Optimizer: "SGD", Momentum: 0.99, InitialLR: 0.01, LRScheduler: "PolyLRScheduler", WeightDecay: 3e-5,
	Oversample: 0.33, LossFunction: "DiceAndCrossEntropyLoss", AugFactor: 1, Clip: 12,
}

// Deviations lists where the training settings differ from nnU-Net's, but for
// its length and size: "momentum 0.9", "augmentation none".
func (t Training) Deviations() []string {
	var out []string
	ours, theirs := fields(t.Hyperparameters), fields(NNUNet)
	for name, v := range ours {
		if string(v) != string(theirs[name]) {
			out = append(out, fmt.Sprintf("%s %s", name, strings.Trim(string(v), `"`)))
		}
	}
	if t.Augmentation != "v2" {
		out = append(out, "augmentation "+t.Augmentation)
	}
	slices.Sort(out)
	return out
}

func fields(h Hyperparameters) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	text, err := json.Marshal(h)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil { // hyperparameters are numbers and words
		panic(err)
	}
	return out
}
