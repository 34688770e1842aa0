package train

import (
	"testing"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
)

// A key is what the result follows from: each part changes it, paths do not.
func TestKey(t *testing.T) {
	job := Job{Version: JobVersion, Name: "a", Data: "/a", Cache: "/c", Directory: "/d", Fold: 1, Epochs: 3, Horizon: 9, Seed: 1<<63 + 1, Digest: "sha256:00", Code: ThisCode()}
	old, err := job.Key()
	if err != nil {
		t.Fatal(err)
	}
	same := job
	same.Name, same.Data, same.Cache, same.Directory, same.Parent, same.Threads = "b", "/x", "/y", "/z", "/p", 7
	if k, err := same.Key(); err != nil || k.Digest != old.Digest {
		t.Errorf("a job elsewhere has another key: %v", err)
	}
	for want, change := range map[string]func(*Job){
		"data":            func(j *Job) { j.Digest = "sha256:01" },
		"preprocessing":   func(j *Job) { j.Description.Channels = []string{"CT"} },
		"network":         func(j *Job) { j.Configuration = nnunet.Configuration{Batch: 3} },
		"training":        func(j *Job) { j.Training.Iterations = 7 },
		"hyperparameters": func(j *Job) { j.Training.Hyperparameters = plan.Hyperparameters{Momentum: 0.5} },
		"epochs":          func(j *Job) { j.Horizon = 10 },
		"seed":            func(j *Job) { j.Seed++ }, // a float64 would not tell
		"code":            func(j *Job) { j.Code.Instructions = "abacus" },
	} {
		other := job
		change(&other)
		k, err := other.Key()
		if err != nil || k.Digest == old.Digest {
			t.Errorf("%s: the key stays, %v", want, err)
		}
		for i, part := range k.Parts {
			if (part.Digest != old.Parts[i].Digest) != (part.Name == want) {
				t.Errorf("%s: part %s", want, part.Name)
			}
		}
	}
}
