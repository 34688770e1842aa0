package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"runspec/compiler/nnunet"
)

// channelSuffix is how nnU-Net numbers the files of a case's channels.
var channelSuffix = regexp.MustCompile(`^(.+)_(\d{4})$`)

// Inputs finds the cases to predict for a data set: those of a folder, or those
// that files make up. As in Open, a case is one file, ID.nii.gz (4-D if it has
// several channels), or a file for each channel, ID_0000.nii.gz and so on. An
// error names the first file that is missing.
func Inputs(paths []string, d nnunet.Dataset) ([]RawCase, error) {
	files, err := inputFiles(paths, d.FileEnding)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	stem := func(path string) string { return strings.TrimSuffix(filepath.Base(path), d.FileEnding) }
	numbered := slices.ContainsFunc(files, func(path string) bool { return strings.HasSuffix(stem(path), "_0000") })
	byID := map[string][]string{}
	for _, path := range files {
		id := stem(path)
		if m := channelSuffix.FindStringSubmatch(id); m != nil && numbered {
			id = m[1]
		}
		byID[id] = append(byID[id], path)
	}
	var cases []RawCase
	for id, images := range byID {
		slices.Sort(images)
		if err := checkChannels(id, images, d, numbered); err != nil {
			return nil, fmt.Errorf("input: %w", err)
		}
		cases = append(cases, RawCase{ID: id, Images: images})
	}
	slices.SortFunc(cases, func(a, b RawCase) int { return strings.Compare(a.ID, b.ID) })
	return cases, nil
}

// inputFiles are the files of an ending among the paths, and in the folders.
func inputFiles(paths []string, ending string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("%w: name a folder of images, or image files", err)
		}
		if !info.IsDir() {
			if !strings.HasSuffix(path, ending) {
				return nil, fmt.Errorf("%s does not end in %s, as dataset.json says: convert it", path, ending)
			}
			files = append(files, path)
			continue
		}
		stems, err := listStems(path, ending)
		if err != nil {
			return nil, err
		}
		for _, s := range stems {
			files = append(files, filepath.Join(path, s+ending))
		}
	}
	if len(files) == 0 {
		return nil, errors.New("there is no image: name a folder of images, or image files")
	}
	return files, nil
}

// checkChannels wants one file, or one for each channel.
func checkChannels(id string, images []string, d nnunet.Dataset, numbered bool) error {
	whole := id + d.FileEnding
	if len(images) == 1 && filepath.Base(images[0]) == whole {
		return nil
	}
	if !numbered {
		return fmt.Errorf("case %s is there %d times: %s", id, len(images), strings.Join(images, ", "))
	}
	for c, name := range d.Channels {
		want := fmt.Sprintf("%s_%04d%s", id, c, d.FileEnding)
		if c >= len(images) || filepath.Base(images[c]) != want {
			return fmt.Errorf("%s is missing: case %s has no channel %d (%s); add the file", filepath.Join(filepath.Dir(images[0]), want), id, c, name)
		}
	}
	if len(images) > len(d.Channels) {
		return fmt.Errorf("%s is one channel too many: dataset.json names %d (%q)", images[len(d.Channels)], len(d.Channels), d.Channels)
	}
	return nil
}
