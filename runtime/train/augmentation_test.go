package train_test

import (
	"context"
	"strings"
	"testing"

	"runspec/runtime/evaluate"
	"runspec/runtime/train"
)

// A training sees the augmentation that its plan names: the three of them begin
// alike and give three losses; a fourth is refused.
func TestTrainingFollowsAugmentation(t *testing.T) {
	job, data := phantomJob(t)
	job.Epochs, job.Training.Hyperparameters.AugFactor = 1, 3
	seen := map[evaluate.Score]string{}
	for _, name := range []string{"v1", "v2", "none"} {
		job.Directory, job.Training.Augmentation = t.TempDir(), name
		r, err := train.Run(context.Background(), job, data, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		loss := r.Curve[0].TrainLoss
		if other, found := seen[loss]; found {
			t.Errorf("%s and %s train alike", name, other)
		}
		seen[loss] = name
	}
	job.Directory, job.Training.Augmentation = t.TempDir(), "v3"
	if _, err := train.Run(context.Background(), job, data, nil); err == nil || !strings.Contains(err.Error(), `augmentation "v3" is not known`) {
		t.Errorf("v3: %v", err)
	}
}
