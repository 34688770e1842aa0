package compiler

import (
	"slices"
	"strings"

	"cuelang.org/go/cue"

	"runspec/compiler/diag"
	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
)

func (l *lowering) datasets(n node) []plan.Dataset {
	var ds []plan.Dataset
	for _, e := range n.list() {
		before := len(l.found)
		d, ok := l.dataset(e.or("dataset"))
		if ok && slices.ContainsFunc(ds, func(o plan.Dataset) bool { return o.Name == d.Name }) {
			l.add(e, diag.Duplicate, "Repeated data set", "A data set named %q is in the list already. Rename or remove one.", d.Name)
		}
		if ok && len(l.found) == before {
			l.describe(e, &d)
		}
		ds = append(ds, d)
	}
	return ds
}

// dataset reads one data set; it is false where check objects to it.
func (l *lowering) dataset(n node) (plan.Dataset, bool) {
	if n.value.Validate(cue.Concrete(true)) != nil {
		return plan.Dataset{}, false
	}
	var d plan.Dataset
	d.Name, _ = n.field("name").text()
	d.Configuration, _ = n.field("configuration").text()
	d.Published, _ = n.field("published").text()
	d.Source = l.source(n.field("source"))
	return d, true
}

func (l *lowering) source(n node) plan.Source {
	kind, _ := n.field("kind").text()
	s := plan.Source{Kind: plan.SourceKind(kind)}
	switch s.Kind {
	case plan.Decathlon:
		l.decathlon(n, &s)
	case plan.Folder:
		s.Path, _ = n.field("path").text()
	case plan.Phantoms:
		s.Phantom = phantom(n.or("phantom"))
	}
	return s
}

// decathlon fills URL and MD5 from the catalogue, spec.msd, where the spec
// gives only the task.
func (l *lowering) decathlon(n node, s *plan.Source) {
	s.Task, _ = n.field("task").text()
	s.URL, _ = n.field("url").text()
	s.MD5, _ = n.field("md5").text()
	if s.URL != "" {
		return
	}
	catalogue := n.s.language.LookupPath(cue.ParsePath("msd"))
	known := catalogue.LookupPath(cue.MakePath(cue.Str(s.Task), cue.Str("source")))
	if !known.Exists() {
		l.add(n.field("task"), diag.UnknownDataset, "Unknown data set",
			"The Decathlon has no task %q. %s", s.Task, remedy(s.Task, labels(catalogue), "It has "))
		return
	}
	s.URL, _ = known.LookupPath(cue.ParsePath("url")).String()
	if s.MD5 == "" {
		s.MD5, _ = known.LookupPath(cue.ParsePath("md5")).String()
	}
}

func phantom(n node) *plan.Phantom {
	var p plan.Phantom
	p.Cases, _ = n.field("cases").int()
	for i, e := range n.field("shape").list() {
		p.Shape[i], _ = e.int()
	}
	for i, e := range n.field("spacing").list() {
		p.Spacing[i], _ = e.number()
	}
	p.Organs, _ = n.field("organs").int()
	p.Noise, _ = n.field("noise").number()
	p.Bias, _ = n.field("bias").number()
	seed, _ := n.field("seed").int()
	p.Seed = uint64(seed)
	return &p
}

// configurations refuses what a data set has no training of: the cascade, and,
// where its fingerprint is known, what a planner does not give it.
func (l *lowering) configurations(n node, p *plan.Plan) {
	for i, e := range n.list() {
		d := p.Datasets[i]
		at := e.field("configuration")
		if d.Configuration == cascade {
			l.add(at, diag.NoConfiguration, "Configuration can't be trained",
				"%s is trained on the predictions of 3d_lowres, which is not supported yet. Choose %s.", cascade, "2d, 3d_lowres or 3d_fullres")
			continue
		}
		if d.Fingerprint == nil || d.Configuration == "" {
			continue
		}
		for _, planner := range p.Planners() {
			s, err := nnunet.Plan(d.Description, *d.Fingerprint, nnunet.Options{Planner: planner})
			if err != nil {
				continue // preparing the data says so
			}
			if _, ok := s.Configuration(d.Configuration); !ok {
				l.add(at, diag.NoConfiguration, "Configuration can't be trained",
					"nnU-Net's %s planner gives %s no %s: %s. Choose %s.", planner, d.Name, d.Configuration, lacks(d.Configuration), strings.Join(trained(s), " or "))
				break
			}
		}
	}
}

// cascade is the one configuration that is planned but not trained.
const cascade = "3d_cascade_fullres"

// lacks says why a planner gives a data set no such configuration.
func lacks(configuration string) string {
	if configuration == "3d_lowres" {
		return "the patch of 3d_fullres covers its median case well enough"
	}
	return "its cases are flat"
}

// trained are the names of the configurations that can be trained.
func trained(s nnunet.Settings) []string {
	var out []string
	for _, c := range s.Configurations {
		if c.Name != cascade {
			out = append(out, c.Name)
		}
	}
	return out
}

// describe asks what is known of the data set's files.
func (l *lowering) describe(n node, d *plan.Dataset) {
	if l.sources.Data == nil {
		return
	}
	data, err := l.sources.Data(d.Source, d.Name)
	if err != nil {
		l.add(n, diag.Unreadable, "Data set can't be read", "%s: %v", d.Name, err)
	}
	d.Digest, d.Description, d.Fingerprint = data.Digest, data.Description, data.Fingerprint
}
