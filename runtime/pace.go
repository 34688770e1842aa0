package runtime

import (
	"fmt"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/runtime/journal"
	"runspec/runtime/train"
)

// Pace is how fast trainings go.
type Pace struct {
	Epoch   float64 // seconds of an epoch of the first approach
	Hours   float64 // of all that is left, one training after the other
	Anew    float64 // hours of the whole plan, if no trial continued another's checkpoint
	From    string  // where that is known from
	perFLOP float64 // seconds
}

// usual is what one processor with AVX2 does in trainings of this program, in
// FLOP/s: between 17e9, for the quickstart's small network, and 75e9, for
// nnU-Net's own on an idle processor.
const usual = 40e9

// epochSeconds are the seconds that an epoch of nnU-Net took at its default
// settings (250 training and 50 validation iterations, 3d_fullres) on an NVIDIA
// H100 PCIe: the median over the epochs of nnU-Net 2's own logs of 1000 epochs,
// and of these the median over five folds. Data sets by their published keys.
var epochSeconds = map[string]map[nnunet.Planner]float64{
	"D01": {nnunet.ConvPlanner: 55.280, nnunet.ResEncMPlanner: 49.381, nnunet.ResEncLPlanner: 181.891},
	"D02": {nnunet.ConvPlanner: 26.513, nnunet.ResEncMPlanner: 30.090, nnunet.ResEncLPlanner: 116.435},
	"D04": {nnunet.ConvPlanner: 5.728, nnunet.ResEncMPlanner: 29.201, nnunet.ResEncLPlanner: 90.091},
	"D05": {nnunet.ConvPlanner: 18.638, nnunet.ResEncMPlanner: 24.783, nnunet.ResEncLPlanner: 82.231},
	"D09": {nnunet.ConvPlanner: 21.008, nnunet.ResEncMPlanner: 25.627, nnunet.ResEncLPlanner: 73.140},
	"D10": {nnunet.ConvPlanner: 20.626, nnunet.ResEncMPlanner: 26.572, nnunet.ResEncLPlanner: 73.679},
}

// paces are measured in the run, on this data set or else on the others; where
// nothing has been trained yet, reckoned from FLOPs for one processor, and for
// nnU-Net's GPU where that was published of the data set. Validation iterations
// are taken to be in proportion.
func (s *studies) paces(d plan.Dataset) ([]Pace, error) {
	for _, name := range []string{d.Name, ""} {
		if perFLOP := measured(s.events, name); perFLOP > 0 {
			return []Pace{{perFLOP: perFLOP, From: "measured in this run"}}, nil
		}
	}
	out := []Pace{{perFLOP: 1 / usual, From: fmt.Sprintf("FLOPs, at %.0f GFLOP/s, about one processor's; no GPU is reckoned with", usual/1e9)}}
	for _, planner := range s.plan.Planners() {
		seconds, known := epochSeconds[d.Published][planner]
		if !known {
			continue
		}
		n, c, err := network(plan.Training{}, d, planner)
		if err != nil {
			return nil, err
		}
		flops, err := train.Cost(n, c, 250)
		return append(out, Pace{perFLOP: seconds / flops, From: "seconds per epoch published for nnU-Net on an NVIDIA H100 PCIe, scaled by FLOPs"}), err
	}
	return out, nil
}

// measured is the mean over the trainings that have ended, of the named data
// set or of all; 0 where there are none.
func measured(events []journal.Event, dataset string) float64 {
	var hours, flops float64
	for _, e := range events {
		if e.Kind != journal.FoldDone || e.Result == nil || dataset != "" && e.Dataset != dataset {
			continue
		}
		for _, f := range e.Result.Folds {
			hours, flops = hours+float64(f.Cost.Hours), flops+f.Cost.FLOPs
		}
	}
	if flops == 0 {
		return 0
	}
	return hours * 3600 / flops
}
