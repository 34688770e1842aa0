package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runspec/compiler/nnunet"
)

// Open lists the labelled cases of a folder that holds dataset.json, imagesTr
// and labelsTr. A case's image is imagesTr/ID.nii.gz, as in the Decathlon (4-D
// if it has several channels), or one file per channel, imagesTr/ID_0000.nii.gz
// and so on, as nnU-Net wants it; its labels are labelsTr/ID.nii.gz. Resource
// forks (._*) and other hidden files are skipped. Nothing but names is looked
// at: voxels are checked when they are read. An error lists every file that is
// missing or too many.
func Open(dir string) (*Raw, error) {
	fail := func(err error) (*Raw, error) { return nil, fmt.Errorf("open data set %s: %w", dir, err) }
	text, err := os.ReadFile(filepath.Join(dir, "dataset.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return fail(errors.New("there is no dataset.json; name a folder with dataset.json, imagesTr and labelsTr"))
	} else if err != nil {
		return fail(err)
	}
	raw := &Raw{Dir: dir}
	if raw.Description, err = nnunet.ReadDataset(text); err != nil {
		return fail(fmt.Errorf("dataset.json: %w", err))
	}
	images, err := listStems(filepath.Join(dir, "imagesTr"), raw.Description.FileEnding)
	if err != nil {
		return fail(err)
	}
	labels, err := listStems(filepath.Join(dir, "labelsTr"), raw.Description.FileEnding)
	if err != nil {
		return fail(err)
	}
	if raw.Cases, err = pair(dir, raw.Description.FileEnding, len(raw.Description.Channels), images, labels); err != nil {
		return fail(err)
	}
	if err := checkAgainstList(text, raw); err != nil {
		return fail(err)
	}
	return raw, nil
}

// listStems gives the sorted names, without ending, of a folder's volumes.
func listStems(dir, ending string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s; training cases belong in imagesTr and labelsTr", filepath.Base(dir))
	} else if err != nil {
		return nil, err
	}
	var stems []string
	other := ""
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasPrefix(name, ".") {
			continue
		}
		if stem, ok := strings.CutSuffix(name, ending); ok && stem != "" {
			stems = append(stems, stem)
		} else {
			other = name
		}
	}
	if len(stems) == 0 && other != "" {
		return nil, fmt.Errorf("%s holds no %s file, but %s; correct file_ending in dataset.json, or convert the files to NIfTI",
			filepath.Base(dir), ending, other)
	}
	if len(stems) == 0 {
		return nil, fmt.Errorf("%s holds no %s file", filepath.Base(dir), ending)
	}
	slices.Sort(stems)
	return stems, nil
}

// pair joins each label file with its image file or files.
func pair(dir, ending string, channels int, images, labels []string) ([]RawCase, error) {
	unused := map[string]bool{}
	for _, stem := range images {
		unused[stem] = true
	}
	numbered := slices.ContainsFunc(images, func(stem string) bool { return strings.HasSuffix(stem, "_0000") })
	var missing []string
	cases := make([]RawCase, 0, len(labels))
	for _, id := range labels {
		c := RawCase{ID: id, Label: filepath.Join(dir, "labelsTr", id+ending)}
		var stems []string
		if unused[id] || !numbered {
			stems = []string{id}
		} else {
			for i := range channels {
				stems = append(stems, fmt.Sprintf("%s_%04d", id, i))
			}
		}
		for _, stem := range stems {
			if !unused[stem] {
				missing = append(missing, filepath.Join("imagesTr", stem+ending))
			}
			delete(unused, stem)
			c.Images = append(c.Images, filepath.Join(dir, "imagesTr", stem+ending))
		}
		cases = append(cases, c)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s is missing%s, but labelsTr has the labels: restore it, or remove the label file",
			missing[0], more(len(missing)-1))
	}
	if len(unused) > 0 {
		var stems []string
		for stem := range unused {
			stems = append(stems, stem)
		}
		return nil, fmt.Errorf("imagesTr/%s has no label file in labelsTr%s: restore it, or move the image to imagesTs",
			slices.Min(stems)+ending, more(len(stems)-1))
	}
	return cases, nil
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}

// checkAgainstList compares the files with the Decathlon's list of training
// cases and with numTraining, whichever dataset.json has.
func checkAgainstList(text []byte, raw *Raw) error {
	var list struct {
		Training []struct {
			Image string `json:"image"`
		} `json:"training"`
	}
	// nnU-Net's dataset.json may have something else under this name; then only
	// numTraining counts.
	if json.Unmarshal(text, &list) == nil {
		for _, entry := range list.Training {
			id := strings.TrimSuffix(filepath.Base(filepath.FromSlash(entry.Image)), raw.Description.FileEnding)
			_, found := slices.BinarySearchFunc(raw.Cases, id, func(c RawCase, id string) int { return strings.Compare(c.ID, id) })
			if !found {
				return fmt.Errorf("imagesTr/%s%s and its labels are missing, but dataset.json lists the case: restore the files, or take it from the list and from numTraining",
					id, raw.Description.FileEnding)
			}
		}
	}
	if n := raw.Description.NumTraining; n != len(raw.Cases) {
		return fmt.Errorf("dataset.json says numTraining %d, but there are %d labelled cases: restore the missing files, or correct numTraining", n, len(raw.Cases))
	}
	return nil
}

// Case finds a case by its ID.
func (r *Raw) Case(id string) (RawCase, error) {
	for _, c := range r.Cases {
		if c.ID == id {
			return c, nil
		}
	}
	return RawCase{}, fmt.Errorf("data set %s has no case %q: it has %s … %s", r.Dir, id, r.Cases[0].ID, r.Cases[len(r.Cases)-1].ID)
}
