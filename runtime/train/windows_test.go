package train_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"runspec/runtime/engine"
	"runspec/runtime/predict"
)

// piecewise hides that an executor predicts whole images.
type piecewise struct{ predict.Network }

// crowded is an executor whose device never has room.
type crowded struct {
	engine.Executor
	asked int
}

func (c *crowded) PredictWindows(engine.Tensor, [][3]int, [][3]bool, []float32) (engine.Tensor, error) {
	c.asked++
	return engine.Tensor{}, engine.ErrNoRoom
}

// TestWindows wants whole images, predicted on the device, to be what they are
// window by window: with mirroring and without, with images that are larger than
// the patch and smaller.
func TestWindows(t *testing.T) {
	for _, x := range streamers(t) {
		p := build(t, 0)
		e := started(t, p, x.new)
		r := rand.New(rand.NewPCG(1, 2))
		for _, shape := range [][3]int{{4, 8, 12}, {7, 11, 13}, {3, 20, 5}} {
			data := make([]float32, p.Channels*shape[0]*shape[1]*shape[2])
			for i := range data {
				data[i] = float32(r.NormFloat64())
			}
			for _, mirror := range [][]int{nil, {1, 2}, {0, 1, 2}} {
				o := predict.Options{Patch: p.Patch, Classes: p.Classes, Mirror: mirror}
				whole, err := predict.Case(context.Background(), e, data, p.Channels, shape, o)
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range []predict.Network{piecewise{e}, &crowded{Executor: e}} {
					pieces, err := predict.Case(context.Background(), n, data, p.Channels, shape, o)
					if err != nil {
						t.Fatal(err)
					}
					size := []int{p.Classes, shape[0], shape[1], shape[2]}
					closeTensor(t, "logits", engine.Tensor{Shape: size, Data: whole.Data}, engine.Tensor{Shape: size, Data: pieces.Data}, 1e-4)
					if c, ok := n.(*crowded); ok && c.asked != 1 {
						t.Errorf("a device without room was asked %d times", c.asked)
					}
				}
			}
		}
		if _, err := e.(engine.WindowPredictor).PredictWindows(engine.Tensor{Shape: []int{1, 2}}, nil, nil, nil); err == nil || errors.Is(err, engine.ErrNoRoom) {
			t.Errorf("an image of two axes: error %v", err)
		}
	}
}
