package plan

import (
	"encoding/json"
	"testing"
)

func TestFoldsAreNumbersOrAll(t *testing.T) {
	text, err := json.Marshal([]Fold{0, 4, All})
	if err != nil || string(text) != `[0,4,"all"]` {
		t.Fatalf("%s %v", text, err)
	}
	var folds []Fold
	if err := json.Unmarshal(text, &folds); err != nil || len(folds) != 3 || folds[1] != 4 || folds[2] != All {
		t.Errorf("%v %v", folds, err)
	}
	for _, f := range folds {
		if back, err := ParseFold(f.String()); err != nil || back != f {
			t.Errorf("%v reads as %v (%v)", f, back, err)
		}
	}
}

func TestFoldsRefuse(t *testing.T) {
	for _, text := range []string{`-1`, `"one"`, `1.5`, `null`} {
		var f Fold
		if err := json.Unmarshal([]byte(text), &f); err == nil {
			t.Errorf("%s reads as fold %v", text, f)
		}
	}
	for _, text := range []string{"-1", "All", "", "1,2"} {
		if f, err := ParseFold(text); err == nil {
			t.Errorf("%q reads as fold %v", text, f)
		}
	}
}
