package report

import (
	"fmt"
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/journal"
)

// places says what the trainings ran on, where a device had a part in any: speeds
// and, by its precision, numbers are not those of a processor. Hours of trainings
// that ran on several mix unlike things.
func places(d plan.Dataset, events []journal.Event, trainings []training) []string {
	var ours []training
	var all []string
	subject := "All"
	for _, t := range trainings {
		switch {
		case t.kind == Imported:
			subject = "All of ours"
		case len(t.folds) > 0:
			ours, all = append(ours, t), merge(all, t.places(d, events))
		}
	}
	switch {
	case !slices.ContainsFunc(all, func(p string) bool { return p != "" }):
		return nil
	case len(all) == 1:
		return []string{fmt.Sprintf("%s trained on %s.", subject, where(all))}
	}
	var out []string
	for _, t := range ours {
		own := t.mine()
		text := fmt.Sprintf("%s trained on %s", t.short(), where(own))
		if len(own) > 1 {
			text += "; its hours mix these"
		}
		if others := t.places(d, events)[len(own):]; len(others) > 0 {
			text += "; its search hours mix in those on " + where(others)
		}
		out = append(out, text+".")
	}
	return out
}

// mine are the places of the training's own folds.
func (t training) mine() (all []string) {
	for _, k := range t.numbers() {
		all = merge(all, t.folds[k].Places())
	}
	return all
}

// places are the training's own, then those of all else that an incumbent's search
// trained.
func (t training) places(d plan.Dataset, events []journal.Event) []string {
	all := t.mine()
	for _, e := range events {
		if t.kind != Incumbent || e.Dataset != d.Name || e.Study != t.id || e.Result == nil {
			continue
		}
		for _, f := range e.Result.Folds {
			all = merge(all, f.Places())
		}
	}
	return all
}

// merge adds what is new, in order.
func merge(all, more []string) []string {
	for _, p := range more {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// where names places in a sentence: a device's last word is its precision.
func where(places []string) string {
	var out []string
	for _, p := range places {
		if p == "" {
			out = append(out, "the processor")
			continue
		}
		i := strings.LastIndexByte(p, ' ')
		out = append(out, p[:i+1]+"in "+p[i+1:])
	}
	return strings.Join(out, " and ")
}
