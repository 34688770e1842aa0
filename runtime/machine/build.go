package machine

import (
	"runtime"
	"runtime/debug"

	"runspec/compiler/plan"
)

// BuildVersion is the format of a Build; fields are only added to it.
const BuildVersion = "runspec/version/v1"

// Build is this program: where it comes from, and what it was built with.
type Build struct {
	Format  string            `json:"format"`
	Version string            `json:"version"`
	Commit  string            `json:"commit,omitempty"` // git's, of the source
	Dirty   bool              `json:"dirty"`            // the source had changes that are not in the commit
	Time    string            `json:"time,omitempty"`   // of the commit
	Go      string            `json:"go"`
	OS      string            `json:"os"`
	Arch    string            `json:"arch"`
	Plan    string            `json:"plan"`    // format of plans
	Modules map[string]string `json:"modules"` // version by path
}

// Program describes this program.
func Program() Build {
	b := Build{Format: BuildVersion, Version: "unknown", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Plan: plan.Version, Modules: map[string]string{}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Dirty = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Modules[m.Path] = m.Version
	}
	return b
}
