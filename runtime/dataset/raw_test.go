package dataset

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runspec/runtime/internal/golden"
)

// wantError fails unless err says all of words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one about %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// files writes empty files, and dataset.json where one is given.
func files(t *testing.T, description string, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		p := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if description != "" {
		if err := os.WriteFile(filepath.Join(dir, "dataset.json"), []byte(description), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const twoChannels = `{"channel_names": {"0": "CT", "1": "MRI"}, "labels": {"background": 0, "a": 1}, "numTraining": 2, "file_ending": ".nii.gz"}`

func TestOpenNNUNetLayout(t *testing.T) {
	dir := files(t, twoChannels, "imagesTr/b_0001.nii.gz", "imagesTr/b_0000.nii.gz", "imagesTr/B_0000.nii.gz", "imagesTr/B_0001.nii.gz",
		"imagesTr/._b_0000.nii.gz", "labelsTr/b.nii.gz", "labelsTr/B.nii.gz", "labelsTr/._B.nii.gz")
	raw, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw.Cases) != 2 || raw.Cases[0].ID != "B" || raw.Cases[1].ID != "b" { // bytewise: capitals first
		t.Fatalf("%+v", raw.Cases)
	}
	want := []string{filepath.Join(dir, "imagesTr/b_0000.nii.gz"), filepath.Join(dir, "imagesTr/b_0001.nii.gz")}
	if !slices.Equal(raw.Cases[1].Images, want) || raw.Cases[1].Label != filepath.Join(dir, "labelsTr/b.nii.gz") {
		t.Errorf("%+v", raw.Cases[1])
	}
	if _, err := raw.Case("c"); err == nil || !strings.Contains(err.Error(), `"c"`) {
		t.Error(err)
	}
}

func TestOpenTask04(t *testing.T) {
	raw, err := Open(golden.Shared(t, "data/Task04_Hippocampus"))
	if err != nil {
		t.Fatal(err)
	}
	if len(raw.Cases) != 260 || raw.Cases[0].ID != "hippocampus_001" || len(raw.Cases[0].Images) != 1 {
		t.Errorf("%d cases, first %+v", len(raw.Cases), raw.Cases[0])
	}
}

func TestOpenBadInput(t *testing.T) {
	one := strings.Replace(twoChannels, `"numTraining": 2`, `"numTraining": 1`, 1)
	listed := strings.Replace(one, "{", `{"training": [{"image": "./imagesTr/a.nii.gz"}, {"image": "./imagesTr/q.nii.gz"}], `, 1)
	for name, c := range map[string]struct {
		description string
		files       []string
		says        []string
	}{
		"no description": {"", []string{"imagesTr/a.nii.gz"}, []string{"dataset.json"}},
		"broken":         {"{", []string{"imagesTr/a.nii.gz"}, []string{"dataset.json"}},
		"no labels":      {one, []string{"imagesTr/a.nii.gz"}, []string{"labelsTr"}},
		"no image":       {twoChannels, []string{"imagesTr/a.nii.gz", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz"}, []string{"imagesTr/b.nii.gz", "restore"}},
		"no channel":     {one, []string{"imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"}, []string{"imagesTr/a_0001.nii.gz", "missing"}},
		"no label":       {one, []string{"imagesTr/a.nii.gz", "imagesTr/b.nii.gz", "labelsTr/a.nii.gz"}, []string{"imagesTr/b.nii.gz", "no label"}},
		"count":          {twoChannels, []string{"imagesTr/a.nii.gz", "labelsTr/a.nii.gz"}, []string{"numTraining 2", "1 labelled"}},
		"listed":         {listed, []string{"imagesTr/a.nii.gz", "labelsTr/a.nii.gz"}, []string{"imagesTr/q.nii.gz", "missing"}},
		"ending":         {one, []string{"imagesTr/a.mha", "labelsTr/a.mha"}, []string{"a.mha", "file_ending"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := files(t, c.description, c.files...)
			_, err := Open(dir)
			wantError(t, err, append(c.says, dir)...)
		})
	}
}

func TestReadCaseOfPhantom(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	p := smallPhantom(2, 3)
	if err := WritePhantom(context.Background(), dir, p); err != nil {
		t.Fatal(err)
	}
	raw, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	image, labels, err := readCase(raw.Cases[1], raw.Description)
	if err != nil {
		t.Fatal(err)
	}
	wantImage, wantLabels := phantomCase(p, 1)
	if image.Grid != wantImage.Grid || !slices.Equal(image.Data, wantImage.Data) || !slices.Equal(labels.Data, wantLabels.Data) {
		t.Errorf("what was written reads differently: %v %v", image.Grid, wantImage.Grid)
	}
}
