package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/runtime/dataset"
	"runspec/runtime/durable"
)

// prepared is a data set ready for training.
type prepared struct {
	plan        plan.Dataset
	raw         *dataset.Raw
	fingerprint nnunet.Fingerprint
}

// prepareAll fetches, fingerprints and preprocesses every data set of a plan,
// so that the workers find all of it in the cache.
func prepareAll(ctx context.Context, p *plan.Plan, o Options) ([]*prepared, error) {
	var out []*prepared
	for _, d := range p.Datasets {
		one, err := prepare(ctx, p, d, o)
		if err != nil {
			return nil, fmt.Errorf("data set %s: %w", d.Name, err)
		}
		out = append(out, one)
	}
	return out, nil
}

func prepare(ctx context.Context, p *plan.Plan, d plan.Dataset, o Options) (*prepared, error) {
	raw, err := open(ctx, d.Source, d.Name, false, o)
	if err != nil {
		return nil, err
	}
	if err := checkRegions(p, raw.Description); err != nil {
		return nil, err
	}
	for _, fold := range p.Folds {
		if _, err := dataset.NewFold(len(raw.Cases), fold); err != nil {
			return nil, err
		}
	}
	one := &prepared{plan: d, raw: raw}
	if d.Fingerprint == nil {
		data, err := examine(ctx, raw, d.Name, o)
		if err != nil {
			return nil, err
		}
		d.Fingerprint = data.Fingerprint
	}
	one.fingerprint = *d.Fingerprint
	d.Description = raw.Description
	for _, study := range p.Studies {
		if err := study.Room(d); err != nil {
			return nil, err
		}
	}
	for _, planner := range p.Planners() {
		s, c, err := one.settings(p, planner)
		if err != nil {
			return nil, err
		}
		cache := dataset.Cache{Dir: filepath.Join(o.CacheDir, "preprocessed")}
		show := o.Progress.Count("preprocessing "+d.Name, "cases")
		if err := cache.Prepare(ctx, raw, s, c, o.Threads, func(done, total int) { show(int64(done), int64(total)) }); err != nil {
			return nil, err
		}
	}
	return one, nil
}

// settings plans the data set's network as a planner would, with the batch and
// features that the experiment's training settings put in their place.
func (d *prepared) settings(p *plan.Plan, planner nnunet.Planner) (nnunet.Settings, nnunet.Configuration, error) {
	return p.Training.Settings(d.raw.Description, d.fingerprint, planner, d.plan.Configuration)
}

// open finds or fetches a source's files.
func open(ctx context.Context, s plan.Source, name string, offline bool, o Options) (*dataset.Raw, error) {
	dir, err := dataset.Fetch(ctx, s, dataset.FetchOptions{
		SpecDir:  o.SpecDir,
		DataDir:  o.DataDir,
		CacheDir: o.CacheDir,
		Offline:  offline,
		Progress: o.Progress.Count("fetching "+name, "bytes"),
	})
	if err != nil {
		return nil, err
	}
	return dataset.Open(dir)
}

// examine reads what a plan may say of a data set. The fingerprint is extracted,
// or read from the cache, where it stands under the digest of the data's files.
func examine(ctx context.Context, raw *dataset.Raw, name string, o Options) (plan.Data, error) {
	digest, err := raw.Digest(ctx, o.Threads)
	if err != nil {
		return plan.Data{}, err
	}
	data := plan.Data{Digest: "sha256:" + digest, Description: raw.Description}
	path := filepath.Join(o.CacheDir, "fingerprints", dataset.FingerprintVersion, digest+".json")
	if text, err := os.ReadFile(path); err == nil {
		if f, err := nnunet.ReadFingerprint(text); err == nil {
			data.Fingerprint = &f
			return data, nil
		}
	}
	show := o.Progress.Count("fingerprint of "+name, "cases")
	raw.Warn = func(what string) { o.Progress.Note("warning: %s", what) }
	f, err := dataset.Extract(ctx, raw, o.Threads, func(done, total int) { show(int64(done), int64(total)) })
	if err != nil {
		return plan.Data{}, err
	}
	data.Fingerprint = &f
	text, err := nnunet.WriteFingerprint(f)
	if err != nil {
		return plan.Data{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return plan.Data{}, err
	}
	return data, durable.Write(path, text)
}

// Sources reads what the compiler wants to know of the data: digest, description
// and fingerprint of a source. It is handed to compiler.Compile, which stays
// pure. Offline, nothing is known of a data set that would have to be
// downloaded.
func Sources(ctx context.Context, o Options, offline bool) func(plan.Source, string) (plan.Data, error) {
	return func(s plan.Source, name string) (plan.Data, error) {
		o := o.withDefaults(&plan.Plan{})
		raw, err := open(ctx, s, name, offline, o)
		if offline && errors.Is(err, dataset.ErrNotAtHand) {
			return plan.Data{}, nil
		}
		if err != nil {
			return plan.Data{}, err
		}
		return examine(ctx, raw, name, o)
	}
}
