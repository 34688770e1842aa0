// Package compiler turns a spec into a plan: load → check → lower. It decides
// whatever can be decided by reading files, so it is pure: no clock, no
// device, no network. Mistakes in a spec come back together, as
// diag.Diagnostics with places in the user's own file. CUE values never leave
// the package.
package compiler

import (
	"fmt"

	"runspec/compiler/diag"
	"runspec/compiler/plan"
)

// Options of Compile. The zero value works.
type Options struct {
	Tags    map[string]string // values of the spec's @tag fields
	Set     []string          // "path=value": fields that are set as if the spec said so
	Sources Sources           // what may be known of data sets
}

// Sources are read while compiling, as a data source is; each may be nil.
type Sources struct {
	// Data gives the digest, the description and the fingerprint of the named
	// data set's cases, from the lock file, a cache or the data. A nil
	// fingerprint without an error means that it is not at hand: the plan then
	// shows "known after fingerprint". A folder's path stands as in the spec,
	// relative to it.
	Data func(source plan.Source, name string) (plan.Data, error)
}

// Compile reads the spec at path and lowers it to a plan. Its error is always
// diag.Diagnostics, sorted by place; where there is one the plan is nil.
func Compile(path string, o Options) (p *plan.Plan, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, internal(path, r)
		}
	}()
	s, ds := load(path, o)
	if s == nil {
		return nil, ds.Sort()
	}
	ds = append(ds, check(s)...)
	q, more := lower(s, o.Sources)
	if ds = append(ds, more...); len(ds) > 0 {
		return nil, ds.Sort()
	}
	return q, nil
}

func internal(path string, cause any) diag.Diagnostics {
	return diag.Diagnostics{{
		Severity: diag.Error,
		Code:     diag.Internal,
		Summary:  "The compiler failed",
		Detail:   fmt.Sprintf("This is a defect of runspec, not of the spec: %v. Please report it with the spec.", cause),
		Range:    diag.Range{File: path},
	}}
}
