package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/accelerator"
	"runspec/runtime/dataset"
	"runspec/runtime/report"
)

// Lacking says what of a plan's requirements this machine lacks, a sentence
// each with its remedy; none where the experiment may begin.
func Lacking(ctx context.Context, p *plan.Plan, o Options) ([]string, error) {
	o = o.withDefaults(p)
	var out []string
	if p.Requires.Accelerator == plan.GPU {
		if why := o.lacksGPU(ctx, p); why != "" {
			out = append(out, "It requires a GPU, and "+why+": run it where trainings reach one.")
		}
	}
	if !p.Requires.Data {
		return out, nil
	}
	var absent []string
	for _, d := range p.Datasets {
		_, err := open(ctx, d.Source, d.Name, true, o)
		if errors.Is(err, dataset.ErrNotAtHand) {
			absent = append(absent, d.Name)
		} else if err != nil {
			return out, fmt.Errorf("data set %s: %w", d.Name, err)
		}
	}
	if len(absent) > 0 {
		out = append(out, fmt.Sprintf("It requires its data at hand, and %s %s not: give their folder with --data DIR.",
			strings.Join(absent, ", "), map[bool]string{true: "is", false: "are"}[len(absent) == 1]))
	}
	return out, nil
}

// lacksGPU says why trainings would not run on a GPU, or "".
func (o Options) lacksGPU(ctx context.Context, p *plan.Plan) string {
	c, err := accelerator.Choose(o.wish(p), func(path string) ([]accelerator.Device, error) { return o.probe()(ctx, path) })
	switch {
	case err != nil:
		return err.Error()
	case slices.ContainsFunc(c.Devices, accelerator.Device.GPU):
		return ""
	case c.Why != "":
		return c.Why
	}
	return "this machine has none that trainings could use"
}

// RecordedDir is where results of a spec's run may be committed beside it: the
// plan.json and journal.jsonl of a run directory.
func RecordedDir(spec string) string {
	return strings.TrimSuffix(spec, filepath.Ext(spec)) + ".recorded"
}

// HasRun says whether a folder holds a run's plan and journal.
func HasRun(dir string) bool {
	for _, name := range []string{planFile, "journal.jsonl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// Recorded makes the tables of a plan from a folder's plan and journal, if it
// has them: results of another plan's trials are refused.
func Recorded(p *plan.Plan, dir string) (report.Report, error) {
	if !HasRun(dir) {
		return report.New(p, nil)
	}
	o := Options{RunDir: dir}
	var look Outlook
	events, err := look.read(&p, o)
	if err != nil {
		return report.Report{}, err
	}
	if look.Refused != "" && plan.Has(look.Changes, plan.Incompatible) {
		return report.Report{}, &OtherPlanError{Dir: relative(dir), Changes: look.Changes, Remedy: look.Refused}
	}
	return report.New(p, events)
}
