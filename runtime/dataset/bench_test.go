//go:build unix

package dataset

import (
	"context"
	"syscall"
	"testing"

	"runspec/compiler/nnunet"
	"runspec/runtime/internal/golden"
)

// recorded gives nnU-Net's processor seconds per piece of work, as
// baseline/cpu_baseline.json has them.
func recorded(b *testing.B, name string) float64 {
	b.Helper()
	var all []struct {
		Name string
		CPU  float64 `json:"cpu_per"`
	}
	golden.JSON(b, "baseline/cpu_baseline.json", &all)
	for _, one := range all {
		if one.Name == name {
			return one.CPU
		}
	}
	b.Fatalf("no timing %q", name)
	return 0
}

func processorSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkFingerprint is the fingerprint of Task04's 260 cases from their
// files; of-nnunet is the share of nnU-Net's processor seconds.
func BenchmarkFingerprint(b *testing.B) {
	raw, err := Open(golden.Shared(b, "data/Task04_Hippocampus"))
	if err != nil {
		b.Fatal(err)
	}
	theirs := recorded(b, "fingerprint analyze_case, 1 process, all cases")*float64(len(raw.Cases)) +
		recorded(b, "fingerprint: concat+percentiles of 1e8 samples")
	b.ResetTimer()
	start := processorSeconds(b)
	for b.Loop() {
		if _, err := Extract(context.Background(), raw, 1, nil); err != nil {
			b.Fatal(err)
		}
	}
	ours := (processorSeconds(b) - start) / float64(b.N)
	b.ReportMetric(ours, "cpu-s/op")
	b.ReportMetric(ours/theirs, "of-nnunet")
}

// BenchmarkPreprocess prepares Task04's first 60 cases, one an operation, with
// resampling to 1.2 × 0.9 × 1.1 mm.
func BenchmarkPreprocess(b *testing.B) {
	raw, err := Open(golden.Shared(b, "data/Task04_Hippocampus"))
	if err != nil {
		b.Fatal(err)
	}
	theirs := recorded(b, "preprocess run_case with resampling to 1.2x0.9x1.1, 1 process")
	s := nnunet.Settings{TransposeForward: [3]int{0, 1, 2}, TransposeBackward: [3]int{0, 1, 2}}
	conf := nnunet.Configuration{Name: "3d_fullres", Spacing: []float64{1.2, 0.9, 1.1},
		Normalisation: []string{"ZScoreNormalization"}, UseMask: []bool{false}}
	b.ResetTimer()
	start := processorSeconds(b)
	at := 0
	for b.Loop() {
		if _, err := Preprocess(raw.Cases[at%60], raw.Description, s, conf); err != nil {
			b.Fatal(err)
		}
		at++
	}
	ours := (processorSeconds(b) - start) / float64(b.N)
	b.ReportMetric(ours, "cpu-s/case")
	b.ReportMetric(ours/theirs, "of-nnunet")
}
