//go:build unix

package augment

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"runspec/compiler/nnunet"
	"runspec/runtime/dataset"
	"runspec/runtime/internal/golden"
)

func processorSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// task04 gives the first n cases of Task04 as nnU-Net's default plan prepares
// them and a training gets them, mapped from the cache; or phantoms of their size
// where they are not at hand.
func task04(b *testing.B, n int) []*dataset.Case {
	b.Helper()
	raw, err := dataset.Open(os.Getenv("TASK04"))
	if err != nil {
		b.Log("no Task04 at $TASK04: phantoms of its size instead")
		var cases []*dataset.Case
		for k := range n {
			cases = append(cases, blobs("case", 1, [3]int{36, 50, 35}, uint64(k)))
		}
		return cases
	}
	conf := nnunet.Configuration{Spacing: []float64{1, 1, 1}, Normalisation: []string{"ZScoreNormalization"}, UseMask: []bool{false}}
	s := nnunet.Settings{TransposeForward: [3]int{0, 1, 2}, TransposeBackward: [3]int{0, 1, 2}}
	raw.Cases = raw.Cases[:n]
	cases, err := dataset.Cache{Dir: b.TempDir()}.Load(b.Context(), raw, s, conf, 1)
	if err != nil {
		b.Fatal(err)
	}
	return cases
}

// recordedSeconds is the CPU time that nnU-Net was once seen to need for the batch
// of the given kind; 0 where that is not at hand.
func recordedSeconds(b *testing.B, kind string) float64 {
	b.Helper()
	if _, err := os.Stat(filepath.Join(golden.Root(b), "..", "shared")); err != nil {
		return 0
	}
	var rows []struct {
		Name string
		CPU  float64 `json:"cpu_per"`
	}
	golden.JSON(b, "baseline/cpu_baseline.json", &rows)
	for _, r := range rows {
		if strings.HasPrefix(r.Name, kind) {
			return r.CPU
		}
	}
	b.Fatalf("no %q among the recorded timings", kind)
	return 0
}

// The bar for "v2": a batch of 9 in a third of nnU-Net's CPU seconds.
// testdata/time_batch.py measures nnU-Net itself on the machine at hand.
func BenchmarkBatchTask04(b *testing.B) {
	cases := task04(b, 40)
	recorded := map[Generation]float64{V2: recordedSeconds(b, "train batch (9)"), "": recordedSeconds(b, "val batch (9)")}
	for _, g := range []Generation{V2, V1, ""} {
		b.Run("augmentation="+string(g), func(b *testing.B) {
			l := mustLoad(b, cases, Options{Patch: [3]int{40, 56, 40}, Batch: 9, Oversample: 0.33, Augmentation: g, Factor: 1,
				TargetShapes: [][3]int{{40, 56, 40}, {20, 28, 20}, {10, 14, 10}}, Seed: 1})
			i, start := 0, processorSeconds()
			for b.Loop() {
				l.Batch(i)
				i++
			}
			seconds := (processorSeconds() - start) / float64(b.N)
			b.ReportMetric(seconds, "cpu-s/batch")
			if nnunet := recorded[g]; nnunet > 0 {
				b.ReportMetric(seconds/nnunet, "of-nnunet's")
			}
		})
	}
}
