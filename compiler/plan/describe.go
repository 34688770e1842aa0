package plan

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"runspec/compiler/nnunet"
	"runspec/compiler/unet"
)

// unknown is what a table shows of a data set that has not been read.
const unknown = "(known after fingerprint)"

// Describe prints the plan for a person: data sets, the network of each under
// each planner, and what is trained, in trials, folds and epochs.
func (p *Plan) Describe(w io.Writer) error {
	digest, err := p.Digest()
	if err != nil {
		return err
	}
	var b strings.Builder
	if p.Simulation != nil {
		fmt.Fprintf(&b, "SIMULATED: no trial is trained, the benchmark %q is asked instead.\n", p.Simulation.Kind)
	}
	fmt.Fprintf(&b, "Experiment %s, seed %d, cost %s\n%s\n", p.Name, p.Seed, p.Cost, digest)
	table(&b, "Data sets", "DATA SET\tSOURCE\tCASES\tCHANNELS\tLABELS", p.datasets())
	networks, err := p.networks()
	if err != nil {
		return err
	}
	table(&b, "Networks", "DATA SET\tCONFIGURATION\tPLANNER\tSPACING (mm)\tPATCH\tBATCH\tSTAGES\tFEATURES\tPARAMETERS\tMEMORY (estimate)\tON A GPU", networks)
	rungs, total := p.trainings()
	table(&b, "Trainings of each data set", "WHAT\tRUNG\tTRIALS\tFOLDS\tEPOCHS EACH\tEPOCHS", rungs)
	fmt.Fprintf(&b, "\nIn all %d epochs of %d iterations", total*len(p.Datasets), p.Training.Iterations)
	if n := len(p.Datasets); n > 1 {
		fmt.Fprintf(&b, ", %d for each of %d data sets", total, n)
	}
	fmt.Fprintln(&b, ".")
	_, err = io.WriteString(w, b.String())
	return err
}

// table prints rows below a title.
func table(w io.Writer, title, head string, rows []string) {
	fmt.Fprintf(w, "\n%s\n", title)
	WriteTable(w, head, rows)
}

// WriteTable prints rows, whose cells are parted by tabs, in columns.
func WriteTable(w io.Writer, head string, rows []string) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range append([]string{head}, rows...) {
		fmt.Fprintf(t, "  %s\n", r)
	}
	t.Flush() // into memory
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

func (p *Plan) datasets() []string {
	var rows []string
	for _, d := range p.Datasets {
		cases, channels, labels := unknown, "", ""
		if d.Fingerprint != nil {
			cases = fmt.Sprint(len(d.Fingerprint.Spacings))
			channels = strings.Join(d.Description.Channels, ", ")
			var names []string
			for _, l := range d.Description.Labels {
				names = append(names, l.Name)
			}
			labels = strings.Join(names, ", ")
		}
		rows = append(rows, cells(d.Name, d.Source.describe(), cases, channels, labels))
	}
	return rows
}

func (s Source) describe() string {
	switch s.Kind {
	case Decathlon:
		return "decathlon " + s.Task
	case Folder:
		return "folder " + s.Path
	}
	if s.Phantom == nil { // of a plan of another version, perhaps
		return string(s.Kind)
	}
	return fmt.Sprintf("phantoms, %d cases", s.Phantom.Cases)
}

// Planners are the planners whose networks the experiment trains, each once.
func (p *Plan) Planners() []nnunet.Planner {
	var out []nnunet.Planner
	add := func(x nnunet.Planner) {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	for _, b := range p.Baselines {
		add(b.Planner)
	}
	for _, s := range p.Studies {
		add(s.Planner)
	}
	return out
}

func (p *Plan) networks() ([]string, error) {
	var rows []string
	for _, d := range p.Datasets {
		for _, planner := range p.Planners() {
			if d.Fingerprint == nil {
				rows = append(rows, cells(d.Name, d.Configuration, planner, d.unread(planner)))
				continue
			}
			_, c, err := p.Training.Settings(d.Description, *d.Fingerprint, planner, d.Configuration)
			if err != nil {
				return nil, fmt.Errorf("data set %s: %w", d.Name, err)
			}
			row, err := p.network(c)
			if err != nil {
				return nil, fmt.Errorf("data set %s: planner %s: %w", d.Name, planner, err)
			}
			rows = append(rows, cells(d.Name, d.Configuration, planner, row))
		}
	}
	return rows, nil
}

// unread is what is known of the network of a data set that has not been read.
// The published numbers of stages are those of nnU-Net's plain network.
func (d Dataset) unread(planner nnunet.Planner) string {
	stages, err := d.NetworkStages()
	if err != nil || stages.Origin != Published || planner != nnunet.ConvPlanner {
		return unknown
	}
	return cells(unknown, "", "", stages)
}

// network describes a configuration's network. Memory is what training holds
// at its peak, by unet's estimates.
func (p *Plan) network(c nnunet.Configuration) (string, error) {
	n, err := unet.Build(c.Architecture)
	if err != nil {
		return "", err
	}
	memory, err := n.TrainingMemory(c.Batch, c.Patch3())
	if err != nil {
		return "", err
	}
	device, err := n.DeviceMemory(c.Batch, c.Patch3(), p.Training.Width())
	if err != nil {
		return "", err
	}
	var spacing, patch, features []string
	for _, s := range c.Spacing {
		spacing = append(spacing, fmt.Sprintf("%.3g", s))
	}
	for _, s := range c.Patch {
		patch = append(patch, fmt.Sprint(s))
	}
	for _, s := range c.Architecture.Stages {
		features = append(features, fmt.Sprint(s.Features))
	}
	return cells(strings.Join(spacing, "×"), strings.Join(patch, "×"), c.Batch, len(features), strings.Join(features, " "),
		n.ParameterCount(), fmt.Sprintf("%.2f GB", float64(memory)/1e9), fmt.Sprintf("%.2f GB", float64(device)/1e9)), nil
}

// Width is the bytes of an activation at rest on a device, which computes in
// half precision unless it is told otherwise.
func (t Training) Width() int {
	if t.Precision == "fp32" {
		return 4
	}
	return 2
}

// DeviceMemory estimates the bytes of a device that the largest network holds
// that the plan's planners make; searched ones may hold more. It is 0 where no
// data set has been read.
func (p *Plan) DeviceMemory() (largest int64, err error) {
	for _, d := range p.Datasets {
		if d.Fingerprint == nil {
			continue
		}
		for _, planner := range p.Planners() {
			_, c, err := p.Training.Settings(d.Description, *d.Fingerprint, planner, d.Configuration)
			if err != nil {
				return 0, fmt.Errorf("data set %s: %w", d.Name, err)
			}
			n, err := unet.Build(c.Architecture)
			if err != nil {
				return 0, err
			}
			one, err := n.DeviceMemory(c.Batch, c.Patch3(), p.Training.Width())
			if err != nil {
				return 0, err
			}
			largest = max(largest, one)
		}
	}
	return largest, nil
}

// trainings lists what is trained on one data set, and its epochs in all.
func (p *Plan) trainings() (rows []string, total int) {
	add := func(what string, rung any, trials, folds, epochs, below int) {
		sum := trials * folds * (epochs - below)
		total += sum
		each := fmt.Sprint(epochs)
		if below > 0 {
			each = fmt.Sprintf("%d (from %d)", epochs, below)
		}
		rows = append(rows, cells(what, rung, trials, folds, each, sum))
	}
	for _, b := range p.Baselines {
		add(b.Name, "", 1, len(p.Folds), p.Fidelity.Max, 0)
	}
	for _, s := range p.Studies {
		for _, g := range s.groups() {
			below := 0
			for i, r := range g.rungs {
				add(g.name, g.lowest+i, r.Trials, len(s.Folds), r.Epochs, below)
				below = r.Epochs
			}
		}
		if rest := without(p.Folds, s.Folds); rest > 0 {
			add(s.Name+", its incumbent", "", 1, rest, p.Fidelity.Max, 0)
		}
	}
	return rows, total
}

// group is a run of a study's rungs that a table shows as one block.
type group struct {
	name   string
	lowest int // rung
	rungs  []Rung
	times  int
}

// groups are a study's ladder, or its brackets, equal ones together.
func (s Study) groups() []group {
	name := fmt.Sprintf("%s (%s)", s.Name, s.Optimizer.Kind)
	if s.Optimizer.Kind == ParetoBayes { // a configuration may enter at any rung
		var out []group
		for k, r := range s.Rungs {
			out = append(out, group{name: name, lowest: k, rungs: []Rung{r}})
		}
		return out
	}
	if s.Brackets == nil {
		return []group{{name: name, rungs: s.Rungs}}
	}
	var out []group
	seen := map[string]int{}
	for _, b := range s.Brackets {
		key := fmt.Sprint(b)
		i, known := seen[key]
		if !known {
			i = len(out)
			seen[key] = i
			out = append(out, group{lowest: b.Rung, rungs: make([]Rung, len(b.Trials))})
		}
		out[i].times++
		for k, r := range s.ladder(b) {
			out[i].rungs[k].Epochs = r.Epochs
			out[i].rungs[k].Trials += r.Trials
		}
	}
	for i := range out {
		out[i].name = fmt.Sprintf("%s, bracket %d", name, i)
		if n := out[i].times; n > 1 {
			out[i].name += fmt.Sprintf(", %d times", n)
		}
	}
	return out
}

// without counts the folds that are in a and not in b.
func without(a, b []Fold) int {
	n := 0
	for _, f := range a {
		if !slices.Contains(b, f) {
			n++
		}
	}
	return n
}

// cells joins the cells of a row.
func cells(xs ...any) string {
	var out []string
	for _, x := range xs {
		out = append(out, fmt.Sprint(x))
	}
	return strings.Join(out, "\t")
}
