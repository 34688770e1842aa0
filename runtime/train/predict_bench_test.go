//go:build unix

package train_test

import (
	"context"
	"fmt"
	"testing"

	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu"
	"runspec/runtime/engine/cpu/kernel"
	"runspec/runtime/predict"
)

// BenchmarkPredict predicts a case of Task04's usual size, one window with its
// eight mirrorings, by the full network. GFLOP are counted as direct convolution's,
// so that %peak, of the multiply-adds that registers alone achieve, may exceed 100.
func BenchmarkPredict(b *testing.B) {
	for _, features := range []int{32, 8} {
		b.Run(fmt.Sprintf("features=%d", features), func(b *testing.B) {
			p := task04Program(b, features)
			e, err := cpu.New(p, cpu.Options{Threads: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			if err := e.Restore(random(p)); err != nil {
				b.Fatal(err)
			}
			image := noise(p).Image.Data[:40*56*40]
			o := predict.Options{Patch: p.Patch, Classes: p.Classes, Mirror: []int{0, 1, 2}}
			once := func() {
				if _, err := predict.Case(context.Background(), e, image, 1, p.Patch, o); err != nil {
					b.Fatal(err)
				}
			}
			once() // takes the memory
			start := processorSeconds()
			for b.Loop() {
				once()
			}
			s := (processorSeconds() - start) / float64(b.N)
			rate := 8 * forwardOperations(p) / s
			b.ReportMetric(s, "cpu-s/case")
			b.ReportMetric(float64(len(image))/s, "voxels/cpu-s")
			b.ReportMetric(rate*1e-9, "GFLOP/cpu-s")
			start = processorSeconds()
			if n := kernel.Peak(50_000_000); n > 0 {
				peak := float64(n) / (processorSeconds() - start)
				b.ReportMetric(peak*1e-9, "peak-GFLOP/s")
				b.ReportMetric(100*rate/peak, "%peak")
			}
		})
	}
}

// forwardOperations counts two for each multiplication of the convolutions that a
// prediction of one patch needs, borders included.
func forwardOperations(p *engine.Program) float64 {
	g, sum := p.Predict, 0
	need := g.Needed(g.Logits[0])
	for i, n := range g.Nodes {
		if !need[i] {
			continue
		}
		switch n.Op.(type) {
		case engine.Convolution:
			sum += 2 * engine.Size(n.Shape) * engine.Size(g.Nodes[n.In[1]].Shape[:4])
		case engine.Transposed: // its windows do not overlap
			sum += 2 * engine.Size(n.Shape) * g.Nodes[n.In[0]].Shape[4]
		}
	}
	return float64(sum)
}
