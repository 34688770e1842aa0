package evaluate

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"runspec/compiler/nnunet"
	"runspec/runtime/internal/golden"
	"runspec/runtime/volume"
)

// put writes label maps as files into a new folder.
func put(t *testing.T, files map[string]volume.Labels) string {
	t.Helper()
	dir := t.TempDir()
	for name, l := range files {
		if l.Spacing == [3]float64{} {
			l.Spacing = [3]float64{1, 1, 1}
			l.Affine = [3][4]float64{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}
		}
		if err := volume.WriteLabels(filepath.Join(dir, name), &l); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Folders of the recorded cases give nnU-Net's numbers, however many workers.
func TestFolderAgainstNnUNet(t *testing.T) {
	ref, pred := map[string]volume.Labels{}, map[string]volume.Labels{}
	for i, p := range recorded(t) {
		name := "c" + string(rune('0'+i)) + ".nii.gz"
		ref[name], pred[name] = p.Reference, p.Prediction
	}
	want, err := ReadSummary(golden.Path(t, "evaluation/summary_labels.json"))
	if err != nil {
		t.Fatal(err)
	}
	references, predictions := put(t, ref), put(t, pred)
	for _, workers := range []int{0, 3} {
		got, err := Folder(context.Background(), references, predictions, FolderOptions{Labels: []nnunet.Label{background, one, two}, Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range got.Cases {
			if c.Reference != filepath.Join(references, filepath.Base(want.Cases[i].Reference)) {
				t.Errorf("case %d is %s", i, c.Reference)
			}
			got.Cases[i].Reference, got.Cases[i].Prediction = want.Cases[i].Reference, want.Cases[i].Prediction
		}
		if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12), cmpopts.EquateNaNs()); d != "" {
			t.Error(d)
		}
	}
	var table strings.Builder
	if err := want.WriteTable(&table, []nnunet.Label{background, one, two}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"one 1  0.7863  0.6538", "two 2  0.4584  0.3709", "foreground  0.6224  0.5124"} {
		if !strings.Contains(table.String(), row) {
			t.Errorf("no %q in\n%s", row, table.String())
		}
	}
}

func TestFolderRefuses(t *testing.T) {
	a := line(0, 1, 1)
	long := line(0, 1, 1, 1)
	coarse := a
	coarse.Spacing, coarse.Affine = [3]float64{1, 1, 2}, [3][4]float64{{2, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}
	both := map[string]volume.Labels{"a.nii.gz": a, "b.nii.gz": a}
	for want, c := range map[string]struct {
		ref, pred map[string]volume.Labels
		chill     bool
	}{
		"":                              {both, both, false},
		"b.nii.gz is missing":           {both, map[string]volume.Labels{"a.nii.gz": a}, false},
		"b.nii.gz has no reference":     {map[string]volume.Labels{"a.nii.gz": a}, both, true},
		"[1 1 4] voxels":                {map[string]volume.Labels{"a.nii.gz": a}, map[string]volume.Labels{"a.nii.gz": long}, false},
		"spacing of [1 1 2]":            {map[string]volume.Labels{"a.nii.gz": a}, map[string]volume.Labels{"a.nii.gz": coarse}, false},
		"holds no .nii.gz or .nii file": {both, nil, false},
	} {
		ref, pred := put(t, c.ref), put(t, c.pred)
		_, err := Folder(context.Background(), ref, pred, FolderOptions{Labels: []nnunet.Label{background, one}, Chill: c.chill})
		switch {
		case want == "" && err == nil:
		case err == nil || want == "" || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), pred):
			t.Errorf("want %q, got %v", want, err)
		}
		if _, perr := Pairs(ref, pred, FolderOptions{Chill: c.chill}); (perr == nil) != (err == nil) {
			t.Errorf("pairs: %v, folder: %v", perr, err)
		}
	}
	if _, err := Folder(context.Background(), "none", "none", FolderOptions{}); err == nil || !strings.Contains(err.Error(), "there is no folder none") {
		t.Error(err)
	}
}

// References without a prediction are passed over where asked; another origin is
// told, not refused.
func TestFolderChillsAndWarns(t *testing.T) {
	a, moved := line(0, 1, 1), line(0, 1, 1)
	moved.Spacing, moved.Affine = [3]float64{1, 1, 1}, [3][4]float64{{1, 0, 0, 7}, {0, 1, 0, 0}, {0, 0, 1, 0}}
	ref := put(t, map[string]volume.Labels{"a.nii.gz": a, "b.nii.gz": a})
	pred := put(t, map[string]volume.Labels{"a.nii.gz": moved})
	os.WriteFile(filepath.Join(pred, "summary.json"), nil, 0o644)
	var told []string
	s, err := Folder(context.Background(), ref, pred, FolderOptions{Labels: []nnunet.Label{background, one}, Chill: true, Warn: func(what string) { told = append(told, what) }})
	if err != nil || len(s.Cases) != 1 || s.ForegroundMean.Dice != 1 {
		t.Errorf("%+v %v", s, err)
	}
	if len(told) != 1 || !strings.Contains(told[0], "another origin") {
		t.Error(told)
	}
}
