//go:build unix

package train_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"runspec/runtime/engine/cpu"
)

// BenchmarkStep is a whole training step on Task04's plan, batch 2, in
// seconds of processor time; peak-MB is the process's largest resident size.
// engine/bench/pytorch_step.py measures PyTorch's step beside it.
func BenchmarkStep(b *testing.B) {
	for _, features := range []int{32, 8} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("features=%d/threads=%d", features, threads), func(b *testing.B) {
				p := task04Program(b, features)
				e, err := cpu.New(p, cpu.Options{Threads: threads})
				if err != nil {
					b.Fatal(err)
				}
				defer e.Close()
				if err := e.Restore(random(p)); err != nil {
					b.Fatal(err)
				}
				batch := noise(p)
				step := func() {
					if _, err := e.Step(batch, 0.01); err != nil {
						b.Fatal(err)
					}
				}
				step() // takes the memory
				start := processorSeconds()
				for b.Loop() {
					step()
				}
				b.ReportMetric((processorSeconds()-start)/float64(b.N), "cpu-s/op")
				b.ReportMetric(peakMegabytes(), "peak-MB")
			})
		}
	}
}

func processorSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peakMegabytes reads the kernel's high-water mark; 0 where there is none.
func peakMegabytes() float64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f", &kb); n == 1 {
			return kb / 1024
		}
	}
	return 0
}
