package diag

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// several are diagnostics with everything that is hard to write: other
// letters, tabs, separators, no place, a place that is no file.
func several() Diagnostics {
	return Diagnostics{
		{Error, OutOfBounds, "Out of bounds", "Lower it, 100%\nat least: now.", at(7, 7, 10), "\tmax:\t1e9 // <big> & \"wide\""},
		{Warning, Duplicate, "Repeated", "Once is enough.", Range{File: "/home/a dir/ä,b.cue", Start: Position{12, 12}, End: Position{12, 13}}, `name: "ä", x: 1`},
		{Error, Unreadable, "Spec can't be read", "No such file.", Range{File: "b.cue"}, ""},
		{Error, OutOfBounds, "Out of bounds", "Lower it.", Range{File: "<--set>", Start: Position{1, 14}, End: Position{1, 16}}, "fidelity.max=-1"},
		{Error, Syntax, "Syntax error", "End.", Range{File: "/elsewhere/c#.cue", Start: Position{1, 40}}, "short"},
	}
}

// TestRender compares each format with its golden file.
func TestRender(t *testing.T) {
	for _, f := range []Format{Text, JSON, GitHub, SARIF} {
		t.Run(string(f), func(t *testing.T) {
			var b strings.Builder
			if err := Render(&b, several(), f, Options{Dir: "/home"}); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", string(f)+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), b.String()); d != "" {
				t.Errorf("go test -update rewrites it:\n%s", d)
			}
		})
	}
}

// TestRenderNone writes whole documents also where nothing is wrong.
func TestRenderNone(t *testing.T) {
	for f, want := range map[Format]string{Text: "", GitHub: "", JSON: `"diagnostics": []`, SARIF: `"results": []`} {
		var b strings.Builder
		if err := Render(&b, nil, f, Options{}); err != nil || !strings.Contains(b.String(), want) || want == "" && b.Len() > 0 {
			t.Errorf("%s: %v\n%s", f, err, b.String())
		}
	}
}

// TestSARIFRefersToRules reads a document back: each result's rule is the one
// of its index, and columns count characters.
func TestSARIFRefersToRules(t *testing.T) {
	var b strings.Builder
	if err := Render(&b, several(), SARIF, Options{Dir: "/home"}); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal([]byte(b.String()), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	for i, r := range run.Results {
		if rule := run.Tool.Driver.Rules[r.Index]; rule.ID != several()[i].Code || r.Rule != rule.ID {
			t.Errorf("result %d of %s has rule %s", i, several()[i].Code, rule.ID)
		}
	}
	if at := run.Results[1].Locations[0].Physical; at.Region.StartColumn != 11 || at.Artifact.URI != "a%20dir/%C3%A4,b.cue" {
		t.Errorf("%+v %+v", at.Artifact, at.Region)
	}
}

func TestRules(t *testing.T) {
	rules := Rules()
	if len(rules) < 30 {
		t.Fatalf("%d rules", len(rules))
	}
	for _, r := range rules {
		if r.Code == UnknownField && (r.Name != "UnknownField" || r.Doc != "A field that the schema lacks." || r.Example != "training: iteration: 50\n") {
			t.Errorf("%+v", r)
		}
		if r.Doc == "" || strings.Contains(r.Doc, r.Name) {
			t.Errorf("%s: %q", r.Name, r.Doc)
		}
	}
}

func TestParseFormat(t *testing.T) {
	if f, err := ParseFormat("sarif"); f != SARIF || err != nil {
		t.Error(f, err)
	}
	if _, err := ParseFormat("xml"); err == nil || !strings.Contains(err.Error(), "text, json, github or sarif") {
		t.Error(err)
	}
}
