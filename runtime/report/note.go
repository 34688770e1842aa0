package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/journal"
	"runspec/runtime/search"
)

// notes say under the table what its numbers are of.
func notes(p *plan.Plan, d plan.Dataset, events []journal.Event, trainings []training) []string {
	out := []string{weights(p) + " Hours and epochs are of one training, the mean over folds" + searched(p) + "."}
	if slices.Contains(p.Folds, plan.All) {
		out = append(out, "Fold all is judged by the cases that it was trained on; its Dice says nothing about other cases.")
	}
	out = append(out, places(d, events, trainings)...)
	for _, t := range trainings {
		for _, fold := range slices.Sorted(maps.Keys(t.causes)) {
			out = append(out, fmt.Sprintf("%s failed on fold %s: %s.", strings.TrimSuffix(t.name(), failed), fold, strings.TrimSuffix(t.causes[fold], ".")))
		}
		if n := len(t.folds); n > 0 && n < len(p.Folds) {
			out = append(out, fmt.Sprintf("%s has results of %d of the %d folds so far, %s; it is not compared with trainings of other folds.", t.short(), n, len(p.Folds), list(t.numbers())))
		}
		if t.kind == Incumbent {
			built := network(p, d, t)
			out = append(out, study(t, planned(p, t.id), journal.History(events, d.Name, t.id), built != ""))
			if built != "" {
				out = append(out, built)
			}
		}
	}
	return out
}

func weights(p *plan.Plan) string {
	if p.Training.ValidateWith == "final" {
		return "Weights of the last epoch."
	}
	return "Weights of the epoch with the best pseudo-Dice."
}

func searched(p *plan.Plan) string {
	if len(p.Studies) == 0 {
		return ""
	}
	return "; search hours are of all trials that a study trained to find its incumbent"
}

// study sums a search up: how many trials there were, and which won; built says
// that its network is described elsewhere, its derivation with it.
func study(t training, planned int, history []search.Observation, built bool) string {
	ended, failures := map[string]bool{}, map[string]bool{}
	configurations := map[string]bool{}
	for _, o := range history {
		ended[o.ID], configurations[o.Key] = true, true
		if o.Failed {
			failures[o.ID] = true
		}
	}
	for _, o := range history {
		if !o.Failed {
			delete(failures, o.ID)
		}
	}
	trials := fmt.Sprintf("%d of %s", len(ended), plural(planned, "trial"))
	if more := len(ended) - planned; more > 0 { // a smaller budget, which was extended, had promoted others
		trials = fmt.Sprintf("%s, %d more than planned", plural(len(ended), "trial"), more)
	}
	text := fmt.Sprintf("%s: %s, %s", t.id, trials, plural(len(configurations), "configuration"))
	if len(failures) > 0 {
		text += fmt.Sprintf(", %d failed", len(failures))
	}
	if t.trial.ID == "" {
		return text + "; no incumbent."
	}
	return fmt.Sprintf("%s; incumbent %s at %s (%s).", text, t.trial.ID, plural(t.trial.Epochs, "epoch"), settings(t, built))
}

// planned counts a study's trials, those that climb a rung as often as they are
// trained.
func planned(p *plan.Plan, study string) int {
	n := 0
	for _, s := range p.Studies {
		if s.Name == study {
			for _, r := range s.Rungs {
				n += r.Trials
			}
		}
	}
	return n
}

// network describes the network that an incumbent's configuration asks for, if
// it asks for one, and the data set has been read; "" otherwise. A derivation
// stands after it.
func network(p *plan.Plan, d plan.Dataset, t training) string {
	if d.Fingerprint == nil || !slices.ContainsFunc(slices.Collect(maps.Keys(t.trial.Configuration)), plan.ShapesNetwork) {
		return ""
	}
	s := p.Studies[slices.IndexFunc(p.Studies, func(s plan.Study) bool { return s.Name == t.id })]
	_, c, err := p.Training.SettingsFor(d.Description, *d.Fingerprint, s.Planner, d.Configuration, t.trial.Configuration)
	if err != nil {
		return "" // it has been trained, by another version
	}
	lines, err := c.Describe()
	if err != nil {
		return ""
	}
	text := fmt.Sprintf("%s's network: %s", t.trial.ID, strings.Join(lines, "; "))
	if v, derived := t.trial.Configuration[plan.Tree]; derived {
		text += fmt.Sprintf("; derivation %s", v)
	}
	return text + "."
}

// settings lists a configuration's values, but no derivation where network shows it.
func settings(t training, built bool) string {
	var out []string
	for name, v := range t.trial.Configuration {
		if name != plan.Tree || !built {
			out = append(out, name+"="+short(v))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// short shows four digits of a number; the journal has the rest.
func short(v space.Value) string {
	if n, ok := v.Float(); ok && n != math.Trunc(n) {
		return strconv.FormatFloat(n, 'g', 4, 64)
	}
	return v.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
