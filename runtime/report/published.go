package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
)

// published.json holds the tables of Auto-nnU-Net's authors, in percent; its
// source stands in it.
//
//go:embed published.json
var publishedText []byte

// published is the part of published.json that is shown. Data sets are named
// "D04" in the first table, "Dataset004_Hippocampus" in those by class and by
// epochs.
type published struct {
	Source  string
	Mean    map[string]map[string]float64            `json:"validation_dsc_5fold"`
	Classes map[string]map[string]map[string]float64 `json:"validation_dsc_per_class"`
	Hours   map[string]map[string]float64            `json:"incumbent_runtime_h"`
	Epochs  map[string]map[string]int                `json:"incumbent_epochs"`
	Test    map[string]map[string]spreadOf           `json:"test_dsc"`
}

// spreadOf is a published mean with its standard deviation over cases.
type spreadOf struct {
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
}

// approach is a column of the published tables. The mean table calls HPO+NAS by
// the name of the paper's method.
type approach struct {
	key, mean, name string
	planner         nnunet.Planner // of a baseline; "" for an incumbent
}

var approaches = []approach{
	{"Conv", "Conv", "nnU-Net default", nnunet.ConvPlanner},
	{"ResM", "ResM", "nnU-Net ResEncM", nnunet.ResEncMPlanner},
	{"ResL", "ResL", "nnU-Net ResEncL", nnunet.ResEncLPlanner},
	{"HPO", "HPO", "HPO incumbent", ""},
	{"HPO+NAS", "Auto-nnU-Net", "HPO+NAS incumbent (Auto-nnU-Net)", ""},
	{"HPO+HNAS", "HPO+HNAS", "HPO+HNAS incumbent", ""},
	{medSAM2, medSAM2, "MedSAM2", ""},
}

// medSAM2 is the one that is not trained by nnU-Net's protocol: neither epochs
// nor hours were published of it.
const medSAM2 = "MedSAM2"

// The paper's protocol: nnU-Net's length of training, and cross-validation.
const (
	publishedEpochs     = 1000
	publishedIterations = 250 // per epoch
	publishedFolds      = 5
)

func readPublished() (published, error) {
	var out published
	if err := json.Unmarshal(publishedText, &out); err != nil {
		return out, fmt.Errorf("published.json: %w", err)
	}
	return out, nil
}

// rows gives the published rows of a data set, and the note on them; none where
// nothing was published of it.
func (u published) rows(p *plan.Plan, d plan.Dataset, labels []string) ([]Row, []string) {
	means, ok := u.Mean[d.Published]
	if !ok {
		return nil, nil
	}
	name := u.dataset(d.Published)
	against, hasAgainst := comparable(p)
	var rows []Row
	for _, a := range approaches {
		difference := missing()
		if hasAgainst && a != against {
			difference = signed((means[a.mean] - means[against.mean]) / 100)
		}
		rows = append(rows, u.row(p, d.Published, name, a, labels, difference))
	}
	return rows, []string{fmt.Sprintf(
		"Published rows are others' results with their own budget: up to %d epochs of %d iterations, %d folds, the planner's full network. Differences among them are to the published baseline. Source: %s.",
		publishedEpochs, publishedIterations, publishedFolds, strings.TrimSuffix(u.Source, "."))}
}

func (u published) row(p *plan.Plan, key, name string, a approach, labels []string, difference Cell) Row {
	epochs := publishedEpochs
	if a.planner == "" {
		epochs = u.Epochs[name][a.key]
	}
	r := Row{ID: a.key, Kind: Published,
		Name: fmt.Sprintf("Published: %s, %d epochs × %d iterations", a.name, epochs, publishedIterations)}
	length := count(float64(epochs))
	if a.key == medSAM2 {
		r.Name, length = "Published: "+a.name, missing()
	}
	for _, l := range labels {
		r.Cells = append(r.Cells, percent(u.class(name, l), a.key))
	}
	r.Cells = append(r.Cells, percent(u.Mean[key], a.mean), difference, count(publishedFolds), length, u.hours(key, a))
	if len(p.Studies) > 0 {
		r.Cells = append(r.Cells, missing())
	}
	if p.Cost == plan.CostModel {
		r.Cells = append(r.Cells, missing())
	}
	return Row{r.ID, r.Kind, r.Name, append(r.Cells, missing())} // parameters by data set are not published
}

// comparable is the published baseline of the planner that the plan's
// differences are taken to.
func comparable(p *plan.Plan) (approach, bool) {
	for _, b := range p.Baselines {
		for _, a := range approaches {
			if b.Name == p.Report.Against && b.Planner == a.planner {
				return a, true
			}
		}
	}
	return approach{}, false
}

func (u published) hours(key string, a approach) Cell {
	if h, ok := u.Hours[key][a.key]; ok {
		return significant(h)
	}
	return missing()
}

// percent is a published Dice as a fraction; folds were averaged by the authors.
func percent(table map[string]float64, key string) Cell {
	v, ok := table[key]
	if !ok {
		return missing()
	}
	return number(v/100, diceDecimals)
}

// class finds a label's published scores; the authors write some names in
// other cases than the data sets do.
func (u published) class(dataset, label string) map[string]float64 {
	for name, scores := range u.Classes[dataset] {
		if strings.EqualFold(name, label) {
			return scores
		}
	}
	return nil
}

// dataset is nnU-Net's name of the data set that the tables call "D04".
func (u published) dataset(key string) string {
	prefix := "Dataset0" + strings.TrimPrefix(key, "D") + "_"
	for name := range u.Classes {
		if strings.HasPrefix(name, prefix) {
			return name
		}
	}
	return ""
}

// PublishedEpoch is how many seconds an epoch of nnU-Net at its default settings
// took its authors' GPU, an NVIDIA H100 PCIe, on a data set of the published
// tables ("D04"): a thousandth of a baseline's hours. False where none were
// published.
func PublishedEpoch(dataset string, planner nnunet.Planner) (float64, bool) {
	tables, err := readPublished()
	if err != nil {
		return 0, false
	}
	for _, a := range approaches {
		if a.planner == planner {
			h, known := tables.Hours[dataset][a.key]
			return h * 3600 / publishedEpochs, known
		}
	}
	return 0, false
}
