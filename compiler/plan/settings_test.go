package plan

import (
	"testing"

	"runspec/compiler/nnunet"
)

func TestSettings(t *testing.T) {
	d := small().Datasets[0]
	for _, c := range []struct {
		training Training
		batch    int
		features int // of the first stage
		top      int // greatest
	}{
		{Training{BaseFeatures: 8}, 0, 8, 0},
		{Training{Batch: 5}, 5, 32, 0},
		{Training{MaxFeatures: 40}, 0, 32, 40},
		{Training{BaseFeatures: 8, MaxFeatures: 12, Batch: 3}, 3, 8, 12},
	} {
		s, have, err := c.training.Settings(d.Description, *d.Fingerprint, nnunet.ConvPlanner, d.Configuration)
		if err != nil {
			t.Fatal(err)
		}
		planned, _ := s.Configuration(d.Configuration)
		if c.batch == 0 {
			c.batch = planned.Batch
		}
		stages := have.Architecture.Stages
		if have.Batch != c.batch || stages[0].Features != c.features || len(stages) != len(planned.Architecture.Stages) {
			t.Errorf("%+v: %+v", c.training, have)
		}
		if last := stages[len(stages)-1].Features; c.top > 0 && last != c.top {
			t.Errorf("%+v: the last stage has %d features", c.training, last)
		}
	}
	if _, _, err := (Training{}).Settings(d.Description, *d.Fingerprint, nnunet.ConvPlanner, "4d"); err == nil {
		t.Error("an unknown configuration passes")
	}
}
