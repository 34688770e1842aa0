package runtime

import (
	"runspec/compiler/plan"
	"runspec/runtime/report"
)

// published adds what a data set that has not been read takes, by the hours that
// the paper's authors published of nnU-Net's baselines on it. A study's networks
// are taken to be its planner's; those of an architecture search are slower or
// faster. Where something was not published, nothing is added.
func (s *studies) published(a *Ahead, d plan.Dataset) {
	pace := Pace{From: "hours published for nnU-Net on an NVIDIA H100 PCIe"}
	scale := float64(s.plan.Training.Iterations) / 250
	for _, one := range a.Approaches {
		seconds, known := report.PublishedEpoch(d.Published, one.planner)
		if !known {
			return
		}
		seconds *= scale
		pace.Hours += seconds * float64(one.Epochs) / 3600
		pace.Anew += seconds * float64(one.Anew) / 3600
		if pace.Epoch == 0 {
			pace.Epoch = seconds
		}
	}
	if len(a.Approaches) > 0 {
		a.Paces = append(a.Paces, pace)
	}
}
