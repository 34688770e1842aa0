package dataset

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"

	"runspec/compiler/nnunet"
)

// describe: until compiler/nnunet reads dataset.json.
func describe(path string, text []byte) (nnunet.Dataset, error) {
	var j struct {
		Name        string            `json:"name"`
		Modality    map[string]string `json:"modality"`
		Labels      map[string]string `json:"labels"`
		NumTraining int               `json:"numTraining"`
	}
	if err := json.Unmarshal(text, &j); err != nil {
		return nnunet.Dataset{}, fmt.Errorf("%s: %w", path, err)
	}
	d := nnunet.Dataset{Name: j.Name, NumTraining: j.NumTraining, FileEnding: ".nii.gz"}
	for i := range len(j.Modality) {
		d.Channels = append(d.Channels, j.Modality[strconv.Itoa(i)])
	}
	for k, name := range j.Labels {
		v, _ := strconv.Atoi(k)
		d.Labels = append(d.Labels, nnunet.Label{Name: name, Values: []int{v}})
	}
	sort.Slice(d.Labels, func(a, b int) bool { return d.Labels[a].Values[0] < d.Labels[b].Values[0] })
	return d, nil
}
