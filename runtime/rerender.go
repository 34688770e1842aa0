package runtime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"runspec/compiler/plan"
	"runspec/runtime/journal"
	"runspec/runtime/report"
)

// ErrNoRun is a folder that is no run directory.
var ErrNoRun = errors.New("no run is there")

// Report makes the tables of a run anew, from its plan and journal alone. It
// changes nothing and takes no lock, so the run may be under way.
func Report(dir string) (report.Report, error) {
	p, err := plan.Read(filepath.Join(dir, "plan.json"))
	if errors.Is(err, os.ErrNotExist) {
		return report.Report{}, fmt.Errorf("%s: %w, it has no plan.json; give the run's folder, or start it first", relative(dir), ErrNoRun)
	}
	if err != nil {
		return report.Report{}, err
	}
	events, _, err := journal.Read(filepath.Join(dir, "journal.jsonl"))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a run that is preparing its data has none yet
		return report.Report{}, err
	}
	return report.New(p, journal.Current(p, events))
}
