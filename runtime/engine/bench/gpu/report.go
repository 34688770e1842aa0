package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"runspec/runtime/durable"
)

// race is a comparison with nnU-Net: ours is at least bar times as fast.
type race struct {
	what, ours string
	unit       string
	theirs     []string // the fastest of them counts
	bar        float64
}

var races = []race{
	{"training step, Task04", "step/task04/ours", "ms", []string{"step/task04/pytorch-eager", "step/task04/pytorch-compile"}, 1.2},
	{"training step, BrainTumour", "step/braintumour/ours", "ms", []string{"step/braintumour/pytorch-eager", "step/braintumour/pytorch-compile"}, 1.2},
	{"training step, ResEnc M of Task04", "step/resencm/ours", "ms", []string{"step/resencm/pytorch-eager", "step/resencm/pytorch-compile"}, 1.2},
	{"epoch, against nnU-Net with its data loading", "epoch/task04/ours", "s", []string{"epoch/task04/nnunet-loading"}, 2},
	{"epoch, against nnU-Net without", "epoch/task04/ours", "s", []string{"epoch/task04/nnunet-noloading"}, 1.2},
	{"prediction of 52 cases", "predict/task04/ours", "s", []string{"predict/task04/nnunet"}, 1.5},
}

// report writes the figures as a page.
func (b *bench) report(path string) error {
	var w strings.Builder
	if len(b.all.Figures) == 0 {
		return fmt.Errorf("%s holds no figures yet", b.path)
	}
	b.origin(&w)
	fmt.Fprint(&w, "Times are medians; the faster of PyTorch's two counts.\n\n| what | ours | nnU-Net | times as fast | bar |\n|---|---|---|---|---|\n")
	for _, r := range races {
		w.WriteString(b.line(r))
	}
	b.results(&w)
	b.shares(&w)
	b.details(&w)
	if path == "" {
		_, err := os.Stdout.WriteString(w.String())
		return err
	}
	return durable.Write(path, []byte(w.String()))
}

// origin is the page's head: on what, by what and when the figures were measured.
func (b *bench) origin(w *strings.Builder) {
	title, toys := b.all.Device.Kind, ""
	if b.all.Small {
		title, toys = title+", toy sizes", "**A rehearsal of toy sizes: nothing here says how fast or how good anything is.** "
	}
	fmt.Fprintf(w, "# %s\n\n%sMeasured by `runtime/engine/bench/gpu` of %s, %s; plug-in %s", title, toys, strings.Join(b.revisions(), " and "), b.days(), b.all.Plugin)
	if b.all.Driver != "" {
		fmt.Fprintf(w, ", driver %s", b.all.Driver)
	}
	fmt.Fprint(w, ". ")
}

// revisions are those of the source that have measured the figures.
func (b *bench) revisions() []string {
	found := map[string]bool{}
	for _, f := range b.all.Figures {
		name := "revision " + f.Revision
		if f.Revision == "" {
			name = "an unknown revision"
		}
		found[name] = true
	}
	return sorted(found)
}

// days are the first and the last on which figures were measured.
func (b *bench) days() string {
	var first, last time.Time
	for _, f := range b.all.Figures {
		if first.IsZero() || f.When.Before(first) {
			first = f.When
		}
		if f.When.After(last) {
			last = f.When
		}
	}
	from, to := first.Format(time.DateOnly), last.Format(time.DateOnly)
	if from == to {
		return from
	}
	return from + " to " + to
}

// line is a race's row.
func (b *bench) line(r race) string {
	cell := func(x float64, known bool) string {
		if !known {
			return "unmeasured"
		}
		return fmt.Sprintf("%.4g %s", x, r.unit)
	}
	ours, known := b.value(r.ours, r.unit)
	best, rival := 0.0, false
	for _, name := range r.theirs {
		if x, ok := b.value(name, r.unit); ok && (!rival || x < best) {
			best, rival = x, true
		}
	}
	ratio := "–"
	if known && rival {
		ratio = fmt.Sprintf("%.2f", best/ours)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %.1f |\n", r.what, cell(ours, known), cell(best, rival), ratio, r.bar)
}

// results are Dice and time of trainings, and the search's table.
func (b *bench) results(w *strings.Builder) {
	for _, name := range sorted(b.all.Figures) {
		f := b.all.Figures[name]
		if dice, ok := f.Values["Dice"]; ok {
			fmt.Fprintf(w, "\n%s: Dice %.4f in %.0f s of training.\n", name, dice, f.Values["s"])
		}
		if table := f.Words["table"]; table != "" {
			fmt.Fprintf(w, "\n%s:\n\n```\n%s```\n", name, table)
		}
		if trials := f.Words["failed"]; trials != "" {
			fmt.Fprintf(w, "\nTrials of it that failed: %s.\n", strings.ReplaceAll(trials, "\n", "; "))
		}
	}
}

// shares are the layer groups of each shape: time against the device's limits.
func (b *bench) shares(w *strings.Builder) {
	for _, s := range shapes {
		f := b.all.Figures["step/"+s.name+"/groups"]
		if len(f.Values) == 0 {
			continue
		}
		fmt.Fprintf(w, "\nOperations of a step of %s one by one, not fused (limit: the larger of arithmetic and memory traffic at the datasheet's rates):\n\n| group | ms | limit, ms | share |\n|---|---|---|---|\n", s.name)
		for _, key := range sorted(f.Values) {
			group, timed := strings.CutSuffix(key, " ms")
			if !timed {
				continue
			}
			limit, known := f.Values[group+" limit"]
			if !known {
				fmt.Fprintf(w, "| %s | %.3f | – | – |\n", group, f.Values[key])
				continue
			}
			fmt.Fprintf(w, "| %s | %.3f | %.3f | %.0f %% |\n", group, f.Values[key], limit, 100*limit/f.Values[key])
		}
		if why := f.Words["not timed"]; why != "" {
			fmt.Fprintf(w, "\nNot timed: %s.\n", strings.ReplaceAll(why, "\n", "; "))
		}
	}
}

// details are all figures as they were taken, without tables and groups.
func (b *bench) details(w *strings.Builder) {
	fmt.Fprint(w, "\n| figure | |\n|---|---|\n")
	for _, name := range sorted(b.all.Figures) {
		f := b.all.Figures[name]
		if strings.HasSuffix(name, "/groups") || slices.Contains(sorted(f.Words), "table") {
			continue
		}
		fmt.Fprintf(w, "| %s | %s |\n", name, strings.TrimSpace(strings.ReplaceAll(f.String(), "\n", "; ")))
	}
}
