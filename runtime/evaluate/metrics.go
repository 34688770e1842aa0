// Package evaluate scores segmentations as nnU-Net does (nnunetv2 2.8.1,
// evaluation and postprocessing): overlap counts per case and label, their
// summary.json, and the decision whether keeping only the largest component
// helps. Beyond nnU-Net it holds the statistics that compare approaches, case by
// case. It works on label maps and scores in memory and knows no network.
package evaluate

import (
	"fmt"
	"math"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/runtime/volume"
)

// Metrics compares one label or region in a prediction with the reference.
// Counts are voxels; in a mean they are means over cases, hence fractional.
// Dice and IoU are NaN where neither has the label.
type Metrics struct {
	Dice float64 // 2TP / (2TP + FP + FN)
	IoU  float64 // TP / (TP + FP + FN)
	FP   float64
	TP   float64
	FN   float64
	TN   float64
	Pred float64 // voxels of the prediction, TP + FP: n_pred
	Ref  float64 // voxels of the reference, TP + FN: n_ref
}

// LabelMetrics are the metrics of one label or region.
type LabelMetrics struct {
	Key string // nnU-Net's: "1" for a label, "(1, 2)" or "(2,)" for a region
	Metrics
}

// CaseMetrics compares one case, label by label in the data set's order,
// background left out.
type CaseMetrics struct {
	Reference  string // file, "" in memory
	Prediction string // file, "" in memory
	Labels     []LabelMetrics
}

// Compare scores a prediction against a reference, voxel by voxel; both have
// to be equally long. The background among labels is skipped. Voxels that the
// reference gives the value ignore count nowhere; 0 ignores none.
func Compare(ref, pred []int16, labels []nnunet.Label, ignore int) CaseMetrics {
	if len(ref) != len(pred) {
		panic(fmt.Sprintf("evaluate: %d voxels compared with %d", len(pred), len(ref)))
	}
	var out CaseMetrics
	for _, l := range foreground(labels) {
		out.Labels = append(out.Labels, LabelMetrics{Key: l.key, Metrics: compareLabel(ref, pred, l.values, ignore)})
	}
	return out
}

// CompareVolumes is Compare for label maps from files: the shapes may differ,
// which is an error.
func CompareVolumes(ref, pred volume.Labels, labels []nnunet.Label, ignore int) (CaseMetrics, error) {
	if ref.Shape != pred.Shape || len(ref.Data) != len(pred.Data) {
		return CaseMetrics{}, fmt.Errorf("reference has %v voxels (z, y, x), prediction %v: they must lie on the same grid", ref.Shape, pred.Shape)
	}
	return Compare(ref.Data, pred.Data, labels, ignore), nil
}

func compareLabel(ref, pred []int16, values []int, ignore int) Metrics {
	in := memberOf(values)
	var tp, fp, fn, tn int
	for i, r := range ref {
		if ignore != 0 && int(r) == ignore {
			continue
		}
		switch inRef, inPred := in(r), in(pred[i]); {
		case inRef && inPred:
			tp++
		case inPred:
			fp++
		case inRef:
			fn++
		default:
			tn++
		}
	}
	m := Metrics{Dice: math.NaN(), IoU: math.NaN(), FP: float64(fp), TP: float64(tp), FN: float64(fn), TN: float64(tn),
		Pred: float64(tp + fp), Ref: float64(tp + fn)}
	if tp+fp+fn > 0 {
		m.Dice = float64(2*tp) / float64(2*tp+fp+fn)
		m.IoU = float64(tp) / float64(tp+fp+fn)
	}
	return m
}

// memberOf answers quickly for the usual single value.
func memberOf(values []int) func(int16) bool {
	if len(values) == 1 {
		only := int16(values[0])
		return func(v int16) bool { return v == only }
	}
	return func(v int16) bool { return slices.Contains(values, int(v)) }
}

// class is a label or region under nnU-Net's key.
type class struct {
	name   string
	key    string
	values []int
}

// foreground drops the background and names the rest.
func foreground(labels []nnunet.Label) []class {
	d := nnunet.Dataset{Labels: labels}
	var out []class
	for _, l := range d.Foreground() {
		out = append(out, class{l.Name, d.Key(l), l.Values})
	}
	return out
}
