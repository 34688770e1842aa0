package runtime

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"runspec/compiler/grammar"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/compiler/unet"
	"runspec/grammars"
	"runspec/runtime/execute"
	"runspec/runtime/train"
)

// losses are the training losses of each job by epoch, and its architecture.
type losses struct {
	sync.Mutex
	jobs  map[string]train.Job
	epoch map[string][]float64
}

// trainer trains in this process and keeps what it is told.
func (l *losses) trainer(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
	return execute.Do(ctx, j, func(e train.Epoch) {
		l.Lock()
		l.jobs[j.Name], l.epoch[j.Name] = j, append(l.epoch[j.Name], float64(e.TrainLoss))
		l.Unlock()
		tell(e)
	})
}

// searching is smallPlan with one random search over a space, the space's
// default first.
func searching(s space.Space, trials int) *plan.Plan {
	p := smallPlan()
	p.Folds, p.Fidelity.Max, p.Fidelity.Horizon = []plan.Fold{0}, 6, 60
	p.Training.Iterations, p.Training.Augmentation, p.Training.Mirroring = 4, "none", false
	p.Studies = []plan.Study{{Name: "search", Space: s, Optimizer: plan.Optimizer{Kind: plan.RandomSearch, Trials: trials, Default: true}, Folds: []plan.Fold{0}, Seed: 11,
		Rungs: []plan.Rung{{Epochs: 6, Trials: trials}}}}
	return p
}

// TestDerivationsTrain trains the default derivation and three sampled ones on
// phantoms, of which one is residual: all with a finite loss that falls.
func TestDerivationsTrain(t *testing.T) {
	text := &grammar.Template{File: "unet.hcl", HCL: string(grammars.UNet)}
	s := space.Space{Parameters: []space.Parameter{
		{Name: "architecture", Kind: space.Grammar, Template: text},
		{Name: "dropout_rate", Kind: space.Float, Low: 0, High: 0.5, When: []space.Condition{{Parent: "architecture", Values: []space.Value{space.Text("dropout")}}}},
	}}
	kinds := map[unet.Encoder]int{}
	for name, j := range trained(t, searching(s, 4)) {
		if strings.Contains(name, "nnunet") {
			continue
		}
		kinds[j.Configuration.Architecture.Encoder]++
	}
	if kinds[unet.Plain] == 0 || kinds[unet.Residual] == 0 || kinds[unet.Plain]+kinds[unet.Residual] != 4 {
		t.Errorf("trained %v", kinds)
	}
}

// TestNetworkParametersTrain trains networks that NAS parameters shape.
func TestNetworkParametersTrain(t *testing.T) {
	choice := func(name string, values ...string) space.Parameter {
		p := space.Parameter{Name: name, Kind: space.Categorical}
		for _, v := range values {
			p.Choices = append(p.Choices, space.Text(v))
		}
		return p
	}
	s := space.Space{Parameters: []space.Parameter{
		choice("activation", "LeakyReLU", "ReLU", "ELU", "GELU", "PReLU"),
		{Name: "base_num_features", Kind: space.Int, Low: 16, High: 64},
		choice("encoder_type", "ConvolutionalEncoder", "ResidualEncoderM"),
		{Name: "model_scale", Kind: space.Int, Low: 0, High: 3},
		choice("normalization", "InstanceNorm", "BatchNorm"),
	}}
	var shapes []string
	for name, j := range trained(t, searching(s, 3)) {
		a := j.Configuration.Architecture
		if shape := string(a.Encoder) + string(a.Activation) + string(a.Norm); !strings.Contains(name, "nnunet") && !slices.Contains(shapes, shape) {
			shapes = append(shapes, shape)
		}
	}
	if len(shapes) < 2 {
		t.Error("all networks are alike:", shapes)
	}
}

// trained runs a plan and returns its jobs; each must have a finite loss that
// falls from the first epoch to the last.
func trained(t *testing.T, p *plan.Plan) map[string]train.Job {
	t.Helper()
	l := &losses{jobs: map[string]train.Job{}, epoch: map[string][]float64{}}
	o := options(t, t.TempDir(), Options{Train: l.trainer, Workers: 2, Threads: 2})
	table(t, p, o)
	for name, loss := range l.epoch {
		first, last := loss[0], loss[len(loss)-1]
		if math.IsNaN(last) || math.IsInf(last, 0) || last >= first {
			t.Errorf("%s: the loss goes %v", name, loss)
		}
	}
	return l.jobs
}
