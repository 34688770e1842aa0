package dataset

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"runspec/compiler/plan"
	"runspec/runtime/internal/golden"
)

func TestFoldsAreKFold(t *testing.T) {
	want := map[string][][]int{}
	golden.JSON(t, "splits/val_indices_by_n.json", &want)
	if len(want) < 5 {
		t.Fatalf("%d sizes in the reference", len(want))
	}
	for text, validation := range want {
		n, _ := strconv.Atoi(text)
		folds, err := Folds(n)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range validation {
			if !slices.Equal(folds[i].Validation, v) {
				t.Errorf("%d cases, fold %d: %v, nnU-Net %v", n, i, folds[i].Validation, v)
			}
			all := slices.Concat(folds[i].Train, v)
			slices.Sort(all)
			if !slices.Equal(all, without(n, nil)) || !slices.IsSorted(folds[i].Train) {
				t.Errorf("%d cases, fold %d: train %v is not the rest", n, i, folds[i].Train)
			}
		}
	}
}

func TestFoldsFromFiveOnAreRandom(t *testing.T) {
	want := map[string][]int{}
	golden.JSON(t, "splits/random_80_20.json", &want)
	if len(want) == 0 {
		t.Fatal("empty reference")
	}
	for text, train := range want {
		a, b, _ := strings.Cut(strings.TrimPrefix(text, "fold"), "_n")
		number, _ := strconv.Atoi(a)
		n, _ := strconv.Atoi(b)
		fold, err := NewFold(n, plan.Fold(number))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(fold.Train, train) || !slices.Equal(fold.Validation, without(n, train)) {
			t.Errorf("%s: %v, nnU-Net %v", text, fold.Train, train)
		}
	}
}

func TestFoldsOfTask04(t *testing.T) {
	raw, err := Open(golden.Shared(t, "data/Task04_Hippocampus"))
	if err != nil {
		t.Fatal(err)
	}
	var want []struct{ Train, Val []string }
	golden.JSON(t, "splits/splits_final_hippocampus.json", &want)
	folds, err := Folds(len(raw.Cases))
	if err != nil || len(want) != len(folds) {
		t.Fatal(len(want), err)
	}
	ids := func(index []int) []string {
		var out []string
		for _, i := range index {
			out = append(out, raw.Cases[i].ID)
		}
		return out
	}
	for i, f := range folds {
		if !slices.Equal(ids(f.Validation), want[i].Val) || !slices.Equal(ids(f.Train), want[i].Train) {
			t.Errorf("fold %d differs from the published one", i)
		}
	}
}

func TestFoldsRefuse(t *testing.T) {
	for _, c := range []struct {
		n    int
		fold plan.Fold
	}{{4, 0}, {10, -2}, {1, 6}} {
		if f, err := NewFold(c.n, c.fold); err == nil {
			t.Errorf("%d cases, fold %d: %v instead of an error", c.n, c.fold, f)
		}
	}
	for _, number := range []plan.Fold{0, 4} { // one of the five
		folds, _ := Folds(12)
		if f, err := NewFold(12, number); err != nil || !slices.Equal(f.Validation, folds[number].Validation) {
			t.Errorf("fold %d: %v %v", number, f, err)
		}
	}
}

func TestFoldAllHasEveryCaseTwice(t *testing.T) {
	f, err := NewFold(3, plan.All)
	if every := []int{0, 1, 2}; err != nil || !slices.Equal(f.Train, every) || !slices.Equal(f.Validation, every) {
		t.Errorf("%v %v", f, err)
	}
}
