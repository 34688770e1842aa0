package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"runspec/compiler/nnunet"
	"runspec/runtime/volume"
)

// FolderOptions say how two folders of segmentations are compared.
type FolderOptions struct {
	Labels  []nnunet.Label
	Ignore  int               // value of the reference that counts nowhere; 0: none
	Ending  string            // of the files; "": .nii.gz where there are some, else .nii
	Chill   bool              // references without a prediction are passed over
	Workers int               // files read at once; 0: 1
	Warn    func(what string) // told of what is odd and does not hinder; may be nil
}

// Folder compares each prediction of a folder with the reference of the same
// name in another (nnU-Net's compute_metrics_on_folder), in the order of names.
func Folder(ctx context.Context, references, predictions string, o FolderOptions) (Summary, error) {
	names, err := o.names(references, predictions)
	if err != nil {
		return Summary{}, err
	}
	cases := make([]CaseMetrics, len(names))
	odd := make([]string, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Workers))
	for i, name := range names {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			p, err := readPair(filepath.Join(references, name), filepath.Join(predictions, name))
			if err != nil {
				return err
			}
			if cases[i], err = p.compare(o); err != nil {
				return err
			}
			odd[i] = p.odd()
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Summary{}, err
	}
	for _, what := range odd {
		if what != "" && o.Warn != nil {
			o.Warn(what)
		}
	}
	return Summarise(cases), nil
}

// Pairs reads what Folder compares.
func Pairs(references, predictions string, o FolderOptions) ([]Pair, error) {
	names, err := o.names(references, predictions)
	if err != nil {
		return nil, err
	}
	var out []Pair
	for _, name := range names {
		p, err := readPair(filepath.Join(references, name), filepath.Join(predictions, name))
		if err != nil {
			return nil, err
		}
		out = append(out, p.Pair)
	}
	return out, nil
}

// names are those of the files to compare, sorted.
func (o FolderOptions) names(references, predictions string) ([]string, error) {
	wanted, err := Files(references, o.Ending)
	if err != nil {
		return nil, fmt.Errorf("references: %w", err)
	}
	found, err := Files(predictions, o.Ending)
	if err != nil {
		return nil, fmt.Errorf("predictions: %w", err)
	}
	for _, name := range found {
		if !slices.Contains(wanted, name) {
			return nil, fmt.Errorf("%s has no reference %s; add it, or take the prediction out of its folder", filepath.Join(predictions, name), filepath.Join(references, name))
		}
	}
	if !o.Chill && len(found) < len(wanted) {
		missing := slices.DeleteFunc(wanted, func(name string) bool { return slices.Contains(found, name) })
		more := ""
		if len(missing) > 1 {
			more = fmt.Sprintf(" (and %d more)", len(missing)-1)
		}
		return nil, fmt.Errorf("%s is missing%s: its reference is there; predict it, or pass over such references with --chill", filepath.Join(predictions, missing[0]), more)
	}
	return found, nil
}

// Files lists a folder's segmentations by name: those of an ending, or, where it
// is "", .nii.gz if there are some, else .nii.
func Files(dir, ending string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s", dir)
	} else if err != nil {
		return nil, err
	}
	endings := []string{ending}
	if ending == "" {
		endings = []string{".nii.gz", ".nii"}
	}
	for _, ending := range endings {
		var out []string
		for _, e := range entries {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), ending) {
				out = append(out, e.Name())
			}
		}
		if len(out) > 0 {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%s holds no %s file", dir, strings.Join(endings, " or "))
}

// filePair is a Pair with its files.
type filePair struct {
	Pair
	reference, prediction string
}

func readPair(reference, prediction string) (filePair, error) {
	r, err := volume.ReadLabels(reference)
	if err != nil {
		return filePair{}, err
	}
	p, err := volume.ReadLabels(prediction)
	if err != nil {
		return filePair{}, err
	}
	out := filePair{Pair{*r, *p}, reference, prediction}
	return out, out.check()
}

// check refuses pairs that do not lie on one grid of voxels.
func (p filePair) check() error {
	r, q := p.Reference.Grid, p.Prediction.Grid
	if r.Shape != q.Shape {
		return fmt.Errorf("%s has %v voxels (z, y, x), its reference %s has %v: they must lie on the same grid", p.prediction, q.Shape, p.reference, r.Shape)
	}
	for i := range 3 {
		if math.Abs(r.Spacing[i]-q.Spacing[i]) > 1e-4*r.Spacing[i] {
			return fmt.Errorf("%s has a spacing of %v mm (z, y, x), its reference %s of %v: they must lie on the same grid", p.prediction, q.Spacing, p.reference, r.Spacing)
		}
	}
	return nil
}

// odd says where the files' places in space differ: voxels are compared by
// their index, as nnU-Net does.
func (p filePair) odd() string {
	for i, row := range p.Reference.Affine {
		for j, v := range row {
			if math.Abs(v-p.Prediction.Affine[i][j]) > 1e-2 {
				return fmt.Sprintf("%s and its reference %s have the same voxels at another origin or direction; they are compared voxel by voxel", p.prediction, p.reference)
			}
		}
	}
	return ""
}

func (p filePair) compare(o FolderOptions) (CaseMetrics, error) {
	m, err := CompareVolumes(p.Reference, p.Prediction, o.Labels, o.Ignore)
	m.Reference, m.Prediction = p.reference, p.prediction
	return m, err
}
