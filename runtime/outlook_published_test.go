package runtime

import (
	"math"
	"testing"

	"runspec/compiler/nnunet"
	"runspec/runtime/report"
)

// TestPublishedEpochs holds the published hours against the epochs in nnU-Net's
// own logs: the mean, and the median, of the same trainings.
func TestPublishedEpochs(t *testing.T) {
	for key, planners := range epochSeconds {
		for planner, logged := range planners {
			told, known := report.PublishedEpoch(key, planner)
			if !known || math.Abs(told/logged-1) > 0.15 {
				t.Errorf("%s %s: %.1f s an epoch by the published hours, %.1f s by the logs", key, planner, told, logged)
			}
		}
	}
	if _, known := report.PublishedEpoch("D11", nnunet.ConvPlanner); known {
		t.Error("hours of a data set that was not published")
	}
}
