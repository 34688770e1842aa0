//go:build unix

package train_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu"
)

// BenchmarkTwoThreads compares the wall time of Task04's full step on one
// thread and on two, in nine interleaved pairs: "speedup" is the median of the
// pairs' ratios, beside the machine's load, for it needs two free cores.
func BenchmarkTwoThreads(b *testing.B) {
	p := task04Program(b, 32)
	batch, state := noise(p), random(p)
	var executors [2]engine.Executor
	for i := range executors {
		e, err := cpu.New(p, cpu.Options{Threads: i + 1})
		if err != nil {
			b.Fatal(err)
		}
		defer e.Close()
		if err := e.Restore(state); err != nil {
			b.Fatal(err)
		}
		executors[i] = e
	}
	time1 := func(e engine.Executor) float64 {
		start := time.Now()
		if _, err := e.Step(batch, 0.01); err != nil {
			b.Fatal(err)
		}
		return time.Since(start).Seconds()
	}
	var ratios []float64
	for b.Loop() {
		ratios = ratios[:0]
		for range 9 {
			one := time1(executors[0])
			ratios = append(ratios, one/time1(executors[1]))
		}
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "speedup")
	b.ReportMetric(ratios[0], "least")
	b.ReportMetric(ratios[len(ratios)-1], "most")
	load, _ := os.ReadFile("/proc/loadavg")
	b.Logf("pairs %.2f, load %s", ratios, strings.TrimSpace(string(load)))
}
